"""Controls that need the settings: the templates say what they say, no more and no less.

The rules in review/rules judge what the app always makes, and read from the templates what the
settings decide. Here that is compared with the settings; and policies, which the rules let be
stricter than the design, are compared with it to the letter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from review.rules.design import design_of
from review.rules.environment import DEPLOYMENT, JOB, POLICY_TYPES, Environment, environment_of
from review.rules.resources import TAGGED_TYPES
from review.rules.retention import RETAINED_TYPES
from review.template.deployment import Resource
from review.template.policies import Grant, difference
from tests.security.app_deployment import AppDeployment
from tests.security.control import control
from tests.security.methods import request_of_method


def _differs(what: str, found: object, expected: object) -> list[str]:
    return [] if found == expected else [f"{what} is {found}, the settings say {expected}"]


@control
def the_environment_is_that_of_the_settings(deployment: AppDeployment) -> list[str]:
    """Name, people, base models, and what the settings may loosen."""
    settings = deployment.settings
    found = environment_of(deployment)
    people = {
        who: tuple(
            sorted(
                each if each.startswith("arn:") else deployment.arn("iam", each)
                for each in getattr(settings.people, who)
            )
        )
        for who in ("uploaders", "readers", "invokers", "administrators")
    }
    return [
        *_differs("environment", found.name, settings.environment),
        *_differs("region", found.region, settings.region),
        *(
            finding
            for who, patterns in people.items()
            for finding in _differs(who, found.people[who], patterns)
        ),
        *_differs("base models", set(found.base_models), set(settings.base_models)),
        *_differs("direct KMS", found.direct_kms, settings.keys.direct_kms),
        *_differs(
            "the submitter's use of the model key",
            found.submitter_uses_model_key,
            settings.keys.submitter_uses_model_key,
        ),
        *_differs(
            "Bedrock's use of the model key for throughput",
            found.throughput,
            settings.keys.throughput if settings.inference.enabled else "none",
        ),
        *_differs("endpoint", found.requires_endpoint, settings.storage.require_endpoint),
        *_differs(
            "S3 endpoint", found.scopes_s3_endpoint, settings.network.scoped_s3_endpoint_policy
        ),
    ]


@control
def the_network_is_that_of_the_settings(deployment: AppDeployment) -> list[str]:
    """Range, zones and prefix lists."""
    settings = deployment.settings
    found = environment_of(deployment)
    findings = [
        *_differs("CidrBlock", found.vpc and found.vpc["CidrBlock"], settings.network.cidr),
        *_differs("S3's prefix list", found.s3_prefix_list, settings.s3_prefix_list_id),
        *_differs(
            "DynamoDB's prefix list", found.dynamodb_prefix_list, settings.dynamodb_prefix_list_id
        ),
    ]
    for purpose, cidrs in (
        ("training", deployment.training_cidrs),
        ("service", deployment.service_cidrs),
    ):
        there = {
            (str(each["AvailabilityZone"]), str(each["CidrBlock"]))
            for each in found.subnets[purpose]
        }
        wanted = {(f"{settings.region}{zone}", cidr) for zone, cidr in cidrs.items()}
        findings += _differs(f"{purpose} subnets", sorted(there), sorted(wanted))
    return findings


@control
def what_is_kept_is_kept_as_long_as_set(deployment: AppDeployment) -> list[str]:
    """Retention, waiting periods, and whether stacks and data outlive a destroy."""
    settings = deployment.settings
    kept = "Retain" if settings.storage.retain else "Delete"
    findings = [
        finding
        for resource in deployment.of_type(*RETAINED_TYPES)
        for when in ("DeletionPolicy", "UpdateReplacePolicy")
        for finding in _differs(f"{resource}: {when}", resource.attributes.get(when), kept)
    ]
    for key in deployment.of_type("AWS::KMS::Key"):
        days = settings.keys.pending_window_days
        findings += _differs(f"{key}: PendingWindowInDays", key["PendingWindowInDays"], days)
        findings += _differs(f"{key}: RotationPeriodInDays", key["RotationPeriodInDays"], None)
    flow_logs = f"/finetune/{settings.environment}/flow-logs"
    for group in deployment.of_type("AWS::Logs::LogGroup"):
        days = (
            settings.network.flow_log_retention_days
            if group.ref == flow_logs
            else settings.engine.log_retention_days
        )
        findings += _differs(f"{group}: RetentionInDays", group["RetentionInDays"], days)
    for bucket in deployment.of_type("AWS::S3::Bucket"):
        data = bucket.arn == environment_of(deployment).data_bucket
        rule: dict[str, Any] = {
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
            "Status": "Enabled",
        }
        if not data:
            rule |= {
                "ExpirationInDays": settings.storage.access_log_retention_days,
                "NoncurrentVersionExpiration": {"NoncurrentDays": 7},
            }
        rules = [
            {name: value for name, value in each.items() if name != "Id"}
            for each in bucket["LifecycleConfiguration.Rules"] or []
        ]
        findings += _differs(f"{bucket}: lifecycle rules", rules, [rule])
    if settings.storage.retain:
        foundations = {name for name in deployment.templates if "-job-" not in name}
        findings += [
            f"{name}: no termination protection"
            for name in sorted(foundations - deployment.protected)
        ]
    return findings


@control
def the_functions_are_set_as_the_settings_say(deployment: AppDeployment) -> list[str]:
    """Sizes, limits and variables."""
    engine = deployment.settings.engine
    found = environment_of(deployment)
    jobs = {"MAX_JOBS_IN_PROGRESS": str(engine.max_jobs_in_progress)}
    log = {"POWERTOOLS_LOG_LEVEL": engine.log_level}
    expected: dict[str, tuple[int, int, Mapping[str, str]]] = {
        "submitter": (300, 512, {**jobs, **log, "PROPAGATION_SECONDS": "60"}),
        "completion-check": (60, 512, log),
        "follower": (300, 512, {**jobs, **log}),
        "default-group": (900, 128, {}),
        **{
            f"framework-{step}": (900, 256, {})
            for step in ("on-event", "is-complete", "on-timeout")
        },
    }
    findings = _differs("functions", sorted(found.functions), sorted(expected))
    for purpose, function in found.functions.items():
        timeout, memory, variables = expected.get(purpose, (0, 0, {}))
        reserved = engine.reserved_concurrency if purpose != "default-group" else None
        for name, value in (
            ("Timeout", timeout),
            ("MemorySize", memory),
            ("ReservedConcurrentExecutions", reserved),
            ("EphemeralStorage", None),
        ):
            findings += _differs(f"{function}: {name}", function[name], value)
        for name, text in variables.items():
            value = function[f"Environment.Variables.{name}"]
            findings += _differs(f"{function}: {name}", value, text)
        if purpose == "default-group":
            findings += _differs(f"{function}: Environment", function["Environment"], None)
    minutes = engine.follow_minutes
    for rule in deployment.of_type("AWS::Events::Rule"):
        if rule["ScheduleExpression"] is not None:
            schedule = "rate(1 hour)" if minutes == 60 else f"rate({minutes} minutes)"
            findings += _differs(f"{rule}: schedule", rule["ScheduleExpression"], schedule)
    periods = [
        each["MetricStat"].get("Period")
        for alarm in deployment.of_type("AWS::CloudWatch::Alarm")
        for each in alarm["Metrics"] or []
        if "MetricStat" in each
    ]
    return [*findings, *_differs("periods", periods, [3 * 60 * minutes] * 2)]


@control
def jobs_are_those_of_the_settings(deployment: AppDeployment) -> list[str]:
    """Each job of the settings, with everything the settings say of it, and no other."""
    settings = deployment.settings
    jobs = {str(job["Job"]): job for job in deployment.of_type(JOB)}
    findings = _differs("jobs", sorted(jobs), sorted(settings.jobs))
    for name, job in settings.jobs.items():
        if name not in jobs:
            continue
        data, validation = job.training_data, job.validation_data
        tags = [
            {"key": key, "value": value}
            for key, value in sorted({**settings.tags, **job.tags}.items())
        ]
        said = {
            "Run": str(job.run),
            "DatasetName": job.dataset or "invocation-logs",
            # Logs grow: what stands for them is where they are, which the request says.
            **({"DatasetDigest": data.sha256} if data else {}),
            "ValidationDatasetName": job.validation_dataset,
            "ValidationDatasetDigest": validation.sha256 if validation else None,
            "WaitFor": job.wait_for,
            "ValidationMinutes": str(settings.engine.validation_minutes),
            "OnReplace": job.on_replace,
            "OnDelete": job.on_delete,
            "Request.baseModelIdentifier": job.base_model,
            "Request.customizationType": job.customization_type,
            **{
                f"Request.{field}": value
                for field, value in request_of_method(deployment, job).items()
            },
            "Request.jobTags": tags,
            "Request.customModelTags": tags,
        }
        for path, value in said.items():
            findings += _differs(f"job {name}: {path}", jobs[name][path], value)
    return findings


@control
def every_role_has_the_boundary_of_the_settings(deployment: AppDeployment) -> list[str]:
    """The permissions boundary of the settings is on every role, or on none."""
    name = deployment.settings.permissions_boundary
    arn = (
        name if name is None or name.startswith("arn:") else deployment.arn("iam", f"policy/{name}")
    )
    return [
        finding
        for role in deployment.of_type("AWS::IAM::Role")
        for finding in _differs(f"{role}: boundary", role["PermissionsBoundary"], arn)
    ]


@control
def resources_carry_the_tags_of_the_settings(deployment: AppDeployment) -> list[str]:
    """Every resource that takes tags; the library's raw ones are left out, as in the rules."""
    found = environment_of(deployment)
    untagged = {found.role_names["default-group"], found.function_ref("default-group")}
    findings = []
    for resource in deployment.of_type(*TAGGED_TYPES):
        if resource.ref in untagged:
            continue
        tags = {tag["Key"]: tag["Value"] for tag in resource["Tags"] or []}
        for key, value in deployment.settings.tags.items():
            findings += _differs(f"{resource}: tag {key}", tags.get(key), value)
    return findings


@control
def the_deployments_are_those_of_the_settings(deployment: AppDeployment) -> list[str]:
    """Which models are deployed, of which kind and size, and until when."""
    wanted = {
        job.name: (
            job.deployment.kind,
            str(job.deployment.model_units),
            job.deployment.commitment or "",
            str(job.deployment.ends_after_hours or ""),
        )
        for job in deployment.settings.jobs.values()
        if deployment.settings.inference.enabled and job.deployment.kind != "none"
    }
    there = {
        str(each["Job"]): tuple(
            str(each[name]) for name in ("Kind", "ModelUnits", "Commitment", "Hours")
        )
        for each in deployment.of_type(DEPLOYMENT)
    }
    return _differs("deployments", there, wanted)


@control
def policies_say_this_to_the_letter(deployment: AppDeployment) -> list[str]:
    """What rules let be stricter, or shorter, is neither."""
    found = environment_of(deployment)
    findings = [
        finding
        for resource, path, expected in _documents(deployment, found)
        for finding in difference(str(resource), found=resource.grants(path), expected=expected)
    ]
    roles = {role.ref: set(role.inline_grants) for role in deployment.of_type("AWS::IAM::Role")}
    for policy in deployment.of_type(*POLICY_TYPES):
        for name in policy["Roles"] or []:
            roles.setdefault(str(name), set()).update(policy.grants("PolicyDocument"))
    expected_of = design_of(found).role_policies
    for name in sorted({*roles, *expected_of}):
        findings += difference(
            f"role {name}", found=roles.get(name, set()), expected=expected_of.get(name, set())
        )
    return findings


def _documents(
    deployment: AppDeployment, found: Environment
) -> Iterator[tuple[Resource, str, set[Grant]]]:
    design = design_of(found)
    for role in deployment.of_type("AWS::IAM::Role"):
        yield role, "AssumeRolePolicyDocument", design.trust.get(role.ref, set())
    for key in deployment.of_type("AWS::KMS::Key"):
        data = key.arn == found.data_key
        yield key, "KeyPolicy", design.data_key_policy if data else design.model_key_policy
    for endpoint in deployment.of_type("AWS::EC2::VPCEndpoint"):
        service = str(endpoint["ServiceName"]).rpartition(".")[2]
        yield endpoint, "PolicyDocument", design.endpoint_policies.get(service, set())
    buckets = {bucket.ref: bucket.arn for bucket in deployment.of_type("AWS::S3::Bucket")}
    for type_, data_policy, other in (
        ("AWS::S3::BucketPolicy", design.data_bucket_policy, design.logs_bucket_policy),
        ("AWS::SQS::QueuePolicy", design.queue_policy, design.queue_policy),
        ("AWS::SNS::TopicPolicy", design.topic_policy, design.topic_policy),
    ):
        for policy in deployment.of_type(type_):
            data = buckets.get(str(policy["Bucket"])) == found.data_bucket
            yield policy, "PolicyDocument", data_policy if data else other


@control
def the_keys_of_methods_are_those_of_the_settings(deployment: AppDeployment) -> list[str]:
    """Keys that logs and models of one's own lie under: no request names them."""
    wanted = {
        key
        for job in deployment.settings.jobs.values()
        for key in (job.base_model_key, job.invocation_logs and job.invocation_logs.key)
        if key
    }
    found = environment_of(deployment)
    own = {found.data_key, found.model_key}
    there = {
        grant.resource
        for grant in found.grants_of("customization")
        if grant.action.startswith("kms:") and grant.resource not in own
    }
    return _differs("keys of others", sorted(there), sorted(wanted))
