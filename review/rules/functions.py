"""Functions: what runs, where, with which code, and who may call it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from review.rules.design import design_of
from review.rules.environment import MISSING, POLICY_TYPES, Environment, environment_of
from review.rules.rule import (
    Violation,
    at,
    many,
    of_the_whole,
    rule,
    shown,
    unexpected_properties,
)
from review.rules.standards import (
    LEAST_PRIVILEGE,
    LOGGED,
    PRIVATE_NETWORK,
    PRIVATE_STORE,
    also,
)
from review.template.deployment import Deployment, Resource

FUNCTION: Final = "AWS::Lambda::Function"
NODE: Final = "nodejs24.x"
"""The runtime of the library's functions: what the pinned aws-cdk-lib writes."""

_ENDED: Final = re.compile(
    # https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
    r"python(2\.\d|3\.[6-9])|nodejs([468]|1\d|20)?(\.\d+)?(\.x)?|ruby2\..*|dotnetcore.*|"
    r"dotnet[567]|go1\.x|java8|provided"
)


@rule(
    id="functions.supported-runtimes",
    requirement="Functions run on runtimes that AWS still repairs.",
    risk="Known holes of the language stay open.",
    remedy="Move the function to a current runtime.",
    standards={"Prowler": ("awslambda_function_using_supported_runtimes",)},
)
def runtimes_are_supported(deployment: Deployment) -> Iterator[Violation]:
    """Those that are past their end; an image brings its own."""
    for function in deployment.of_type(FUNCTION):
        runtime = function["Runtime"]
        if runtime is not None and _ENDED.fullmatch(str(runtime)):
            yield at(function, f"Runtime {runtime} is past its end", "Runtime")


_SECRET_NAME: Final = re.compile(
    r"(?i)(^|_)(password|passwd|secret|secret_key|api_?key|access_key_id|private_key|credentials?|"
    r"auth_token|session_token)($|_)"
)
_SECRET_VALUE: Final = re.compile(
    r"(AKIA|ASIA)[0-9A-Z]{16}|-----BEGIN |\{\{resolve:(secretsmanager|ssm-secure):"
)


@rule(
    id="functions.no-secrets",
    requirement="No variable of a function holds a secret.",
    risk="Whoever may look at the function's configuration, or at the template, has the secret.",
    remedy="Give the function permission to read the secret from Secrets Manager.",
    standards={"Prowler": ("awslambda_function_no_secrets_in_variables",)},
)
def functions_hold_no_secrets(deployment: Deployment) -> Iterator[Violation]:
    """By names that secrets have, and by forms of credentials; the value is never shown."""
    for function in deployment.of_type(FUNCTION):
        for name, value in (function["Environment.Variables"] or {}).items():
            reference = str(value).startswith("arn:")
            if _SECRET_VALUE.search(str(value)) or (
                _SECRET_NAME.search(str(name)) and not reference
            ):
                yield at(function, f"the variable {name} looks like a secret", "Environment")


@rule(
    id="functions.not-public",
    requirement="A function is called by principals of the account and by services for this account"
    " alone, and has no address without authentication.",
    risk="Anybody submits jobs, or feeds the app events of his own.",
    remedy="Give each permission a SourceArn and a SourceAccount, and URLs the type AWS_IAM.",
    standards=also(
        PRIVATE_STORE,
        prowler=("awslambda_function_not_publicly_accessible", "awslambda_function_url_public"),
    ),
)
def functions_are_not_public(deployment: Deployment) -> Iterator[Violation]:
    """Permissions, layers' permissions and URLs."""
    for permission in deployment.of_type(
        "AWS::Lambda::Permission", "AWS::Lambda::LayerVersionPermission"
    ):
        principal = str(permission["Principal"])
        narrowed = any(
            permission[name] is not None
            for name in ("SourceArn", "SourceAccount", "PrincipalOrgID", "OrganizationId")
        )
        if principal == "*" and not narrowed:
            yield at(permission, "everybody may call it", "Principal")
        elif principal.endswith((".com", ".com.cn")) and not narrowed:
            yield at(permission, f"{principal} may call it for any account", "SourceAccount")
        elif re.search(r"\d{12}", principal) and deployment.account not in principal:
            yield at(permission, f"another account may call it: {principal}", "Principal")
        account = permission["SourceAccount"]
        if account is not None and str(account) != deployment.account:
            yield at(permission, f"for the account {account}", "SourceAccount")
        if permission["FunctionUrlAuthType"] == "NONE":
            yield at(permission, "by its URL without authentication", "FunctionUrlAuthType")
    for url in deployment.of_type("AWS::Lambda::Url"):
        if url["AuthType"] != "AWS_IAM":
            yield at(url, f"AuthType is {shown(url['AuthType'])}", "AuthType")


@rule(
    id="functions.no-foreign-code",
    requirement="Functions take no layer from another account.",
    risk="Somebody else's code runs with the function's role.",
    remedy="Bundle what the function needs into its own asset.",
    standards=LEAST_PRIVILEGE,
)
def no_code_of_others(deployment: Deployment) -> Iterator[Violation]:
    """Layers are by ARN, which names the account."""
    for function in deployment.of_type(FUNCTION):
        for layer in many(function["Layers"]):
            parts = str(layer).split(":")
            if len(parts) > 4 and parts[4] != deployment.account:
                yield at(function, f"a layer of the account {parts[4]}", "Layers")


@rule(
    id="functions.known-log-groups",
    requirement="Functions write to log groups that these templates make.",
    risk="Lambda makes a group of its own: without a key, kept for ever.",
    remedy="Name a log group of the templates in LoggingConfig.",
    step="W14",
    standards=LOGGED,
)
def functions_write_to_known_groups(deployment: Deployment) -> Iterator[Violation]:
    """By LoggingConfig, or by Lambda's own naming."""
    groups = {group.ref for group in deployment.of_type("AWS::Logs::LogGroup")}
    for function in deployment.of_type(FUNCTION):
        named = function["LoggingConfig.LogGroup"] or f"/aws/lambda/{function.ref}"
        if named not in groups:
            yield at(function, f"logs go to {named}", "LoggingConfig")


_SIZES: Final = (
    "Code",
    "Description",
    "EphemeralStorage",
    "FunctionName",
    "MemorySize",
    "ReservedConcurrentExecutions",
    "Tags",
    "Timeout",
)
"""What another rule looks at, or what is a matter of size."""


@rule(
    id="functions.as-designed",
    requirement="Seven functions, and three more where models are deployed, with their role, place,"
    " log group, dead letters and variables.",
    risk="A function runs with another role, outside the VPC, or loses what failed.",
    remedy="Take the change back.",
    step="W13",
    standards=also(PRIVATE_NETWORK, prowler="awslambda_function_inside_vpc"),
    profile="app",
)
def functions_run_where_and_as_designed(deployment: Deployment) -> Iterator[Violation]:
    """Variables whose values the settings decide are looked at for their form."""
    environment = environment_of(deployment)
    expected = _expected_functions(environment)
    names = sorted(function.ref for function in deployment.of_type(FUNCTION))
    if names != sorted(expected):
        yield of_the_whole(f"functions {names}, expected {sorted(expected)}")
    for function in deployment.of_type(FUNCTION):
        wanted = dict(expected.get(function.ref, {}))
        variables = wanted.pop("Environment", None)
        yield from unexpected_properties(function, wanted, also={*_SIZES, "Environment"})
        found = function["Environment.Variables"] or {}
        forms = (variables or {}).get("Variables", {})
        for name in sorted({*found, *forms}):
            path = f"Environment.Variables.{name}"
            if name not in forms or name not in found:
                yield at(function, f"variable {name} is {shown(found.get(name))}", path)
            elif not re.fullmatch(forms[name], str(found[name])):
                yield at(
                    function, f"variable {name} is {found[name]!r}, expected {forms[name]}", path
                )
        if function["Environment"] and set(function["Environment"]) != {"Variables"}:
            yield at(function, f"Environment is {shown(function['Environment'])}", "Environment")
        yield from _sizes(function)


_LIMITS: Final = {
    # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
    "Timeout": (30, 900, 3),
    "MemorySize": (128, 10240, 128),
}
"""The least with which a function does its work, the most that Lambda takes, and its default."""


def _sizes(function: Resource) -> Iterator[Violation]:
    """A function that is given no time, or no place to run, leaves jobs unfollowed."""
    for name, (least, most, default) in _LIMITS.items():
        found = default if function[name] is None else int(function[name])
        if not least <= found <= most:
            yield at(function, f"{name} is {found}, expected {least} to {most}", name)
    reserved = function["ReservedConcurrentExecutions"]
    if reserved is not None and int(reserved) < 1:
        yield at(
            function,
            f"ReservedConcurrentExecutions is {reserved}: the function is switched off",
            "ReservedConcurrentExecutions",
        )


def _expected_functions(environment: Environment) -> dict[str, dict[str, Any]]:
    """Properties by the function's name; variables as regular expressions."""
    env = environment.name
    dead_letters = {"DeadLetterConfig": {"TargetArn": environment.queue}}
    number = r"[1-9]\d{0,3}"

    def ours(purpose: str, more_variables: Mapping[str, str], **more: object) -> dict[str, Any]:
        variables = {
            "POWERTOOLS_SERVICE_NAME": re.escape(purpose),
            "POWERTOOLS_LOG_LEVEL": "DEBUG|INFO|WARNING|ERROR",
            **more_variables,
        }
        return {
            "Architectures": ["arm64"],
            "Environment": {"Variables": variables},
            "Handler": f"{purpose.replace('-', '_')}.handler.handler",
            "LoggingConfig": {"LogGroup": f"/aws/lambda/finetune-{env}-{purpose}"},
            "Role": environment.roles[purpose],
            "Runtime": "python3.13",
            **dead_letters,
            **more,
        }

    queue = {"TABLE_NAME": re.escape(f"finetune-{env}-jobs"), "MAX_JOBS_IN_PROGRESS": number}
    deployments, follow_up, woken = {}, {}, {}
    if environment.serves:
        deployments = {"DEPLOYMENTS_TABLE": re.escape(f"finetune-{env}-deployments")}
        follow_up = {"FOLLOW_UP_STATE_MACHINE": re.escape(environment.follow_up)}
        woken = {"DEPLOYER_FUNCTION": re.escape(environment.function_ref("deployer"))}

    def in_the_service_subnets(group: str) -> dict[str, Any]:
        return {
            "SecurityGroupIds": [environment.groups.get(group, MISSING)],
            "SubnetIds": [subnet.ref for subnet in environment.subnets["service"]],
        }

    found = {
        environment.function_ref("submitter"): ours(
            "submitter",
            {**queue, **deployments, "PROPAGATION_SECONDS": number},
            VpcConfig=in_the_service_subnets("functions"),
        ),
        environment.function_ref("completion-check"): ours("completion-check", woken),
        environment.function_ref("follower"): ours(
            "follower",
            {
                **queue,
                **follow_up,
                "TOPIC_ARN": re.escape(environment.topic),
                "SUBMITTER_FUNCTION": re.escape(environment.function_ref("submitter")),
            },
        ),
        environment.function_ref("default-group"): {
            "Handler": "__entrypoint__.handler",
            "LoggingConfig": {"LogGroup": f"/aws/lambda/finetune-{env}-default-group"},
            "Role": environment.roles["default-group"],
            "Runtime": NODE,
        },
    }
    for step, handler, role in (
        ("on-event", "onEvent", "on-event"),
        ("is-complete", "isComplete", "complete"),
        ("on-timeout", "onTimeout", "complete"),
    ):
        variables = {
            "USER_ON_EVENT_FUNCTION_ARN": re.escape(environment.function_arn("submitter")),
            "USER_IS_COMPLETE_FUNCTION_ARN": re.escape(
                environment.function_arn("completion-check")
            ),
        }
        if step == "on-event":
            variables["WAITER_STATE_MACHINE_ARN"] = re.escape(environment.state_machine)
        found[environment.function_ref(f"framework-{step}")] = {
            "Environment": {"Variables": variables},
            "Handler": f"framework.{handler}",
            "LoggingConfig": {
                "ApplicationLogLevel": "FATAL",
                "LogFormat": "JSON",
                "LogGroup": f"/aws/lambda/finetune-{env}-framework",
            },
            "Role": environment.roles[role],
            "Runtime": NODE,
            **dead_letters,
        }
    if environment.serves:
        whose = {"ENVIRONMENT": re.escape(env)}
        found |= {
            environment.function_ref("deployer"): ours(
                "deployer",
                {
                    **whose,
                    **deployments,
                    **follow_up,
                    "DATA_KEY_ARN": re.escape(environment.data_key),
                    "SCHEDULE_GROUP": re.escape(environment.schedule_group),
                    "SCHEDULER_ROLE_ARN": re.escape(environment.roles["scheduler"]),
                },
            ),
            environment.function_ref("invoker"): ours(
                "invoker", {**whose, **deployments}, VpcConfig=in_the_service_subnets("invoker")
            ),
            environment.function_ref("model-report"): ours(
                "model-report",
                {
                    **whose,
                    "BUCKET_NAME": re.escape(environment.data_bucket.rpartition(":")[2]),
                    "TABLE_NAME": queue["TABLE_NAME"],
                },
                VpcConfig=in_the_service_subnets("functions"),
            ),
        }
    return found


@rule(
    id="functions.start-after-permissions",
    requirement="What runs with a role of its stack waits for the role's policies.",
    risk="Its first calls fail, and its first logs are lost with the reason.",
    remedy="Add the policies to DependsOn.",
    standards=LOGGED,
    profile="app",
)
def functions_start_after_their_permissions(deployment: Deployment) -> Iterator[Violation]:
    """Those of another stack are there: its stack waits for that one."""
    policies = deployment.of_type(*POLICY_TYPES)
    for runner in deployment.of_type(FUNCTION, "AWS::StepFunctions::StateMachine"):
        role = str(runner["Role"] or runner["RoleArn"]).rsplit("/", maxsplit=1)[-1]
        waits_for = many(runner.attribute("DependsOn"))
        for policy in policies:
            if (
                policy.stack == runner.stack
                and role in (policy["Roles"] or [])
                and policy.logical_id not in waits_for
            ):
                yield at(runner, f"does not wait for {policy.ref}")
        if not waits_for:
            yield at(runner, "waits for nothing")


@rule(
    id="functions.code-of-the-account",
    requirement="Code comes by its content's digest from the account's own bootstrap bucket.",
    risk="Somebody replaces the code in a bucket nobody looks at.",
    remedy="Deploy functions as assets of the CDK.",
    standards=LEAST_PRIVILEGE,
    profile="app",
)
def code_comes_from_the_accounts_own_assets(deployment: Deployment) -> Iterator[Violation]:
    """Code by its content from the bootstrap bucket of this account and Region, and no other."""
    bucket = f"cdk-hnb659fds-assets-{deployment.account}-{deployment.region}"
    for function in deployment.of_type(FUNCTION):
        if (
            function["Code.S3Bucket"] != bucket
            or not re.fullmatch(r"[0-9a-f]{64}\.zip", str(function["Code.S3Key"]))
            or set(function["Code"] or ()) != {"S3Bucket", "S3Key"}
        ):
            yield at(function, f"code from {shown(function['Code'])}", "Code")


@rule(
    id="functions.requests-do-not-grow-old",
    requirement="What Lambda could not deliver to a function within minutes it drops.",
    risk="A request of hours ago starts a paid job that nobody wants any more.",
    remedy="Take the change back.",
    step="W13",
    standards=LOGGED,
    profile="app",
)
def requests_do_not_grow_old(deployment: Deployment) -> Iterator[Violation]:
    """Seconds, and how often Lambda tries again. Follower and deployer are called again anyway."""
    environment = environment_of(deployment)
    expected = {
        environment.function_ref("framework-on-event"): (600, 2),
        environment.function_ref("submitter"): (600, 2),
        environment.function_ref("follower"): (60, 0),
    }
    if environment.serves:
        expected[environment.function_ref("deployer")] = (60, 0)
    configs = deployment.of_type("AWS::Lambda::EventInvokeConfig")
    of = sorted(str(config["FunctionName"]) for config in configs)
    if of != sorted(expected):
        yield of_the_whole(f"limits for {of}, expected {sorted(expected)}")
    for config in configs:
        age, retries = expected.get(str(config["FunctionName"]), (0, 0))
        yield from unexpected_properties(
            config,
            {
                "MaximumEventAgeInSeconds": age,
                "MaximumRetryAttempts": retries,
                "Qualifier": "$LATEST",
            },
            also={"FunctionName"},
        )


def _target(environment: Environment, purpose: str) -> dict[str, Any]:
    return {
        "Arn": environment.function_arn(purpose),
        "DeadLetterConfig": {"Arn": environment.queue},
        "Id": purpose.title(),
    }


@rule(
    id="functions.follower-called-by-its-rules",
    requirement="One rule hears of the environment's jobs, another calls the follower every few"
    " minutes, and one the deployer where there is one; nobody else may call them.",
    risk="Ends of jobs go unheard, or somebody makes up ends of jobs.",
    remedy="Take the change back.",
    step="W14",
    standards=LEAST_PRIVILEGE,
    profile="app",
)
def the_follower_is_called_by_its_rules_alone(deployment: Deployment) -> Iterator[Violation]:
    """How often it is called is the settings' to say; an hour is the longest they take."""
    environment = environment_of(deployment)
    design = design_of(environment)
    expected: dict[str, dict[str, Any]] = {
        design.job_state_rule: {
            "EventPattern": {
                "source": ["aws.bedrock"],
                "detail-type": ["Model Customization Job State Change"],
                "detail": {
                    "jobStatus": ["Completed", "Failed", "Stopped"],
                    "jobName": [{"prefix": f"{environment.name}-"}],
                },
            },
        },
        design.follow_rule: {},
    }
    targets = {
        design.job_state_rule: _target(environment, "follower"),
        design.follow_rule: _target(environment, "follower"),
    }
    scheduled_rules = [design.follow_rule]
    if environment.serves:
        expected[design.serving.reap_rule] = {}
        targets[design.serving.reap_rule] = _target(environment, "deployer")
        scheduled_rules.append(design.serving.reap_rule)
    rules = deployment.of_type("AWS::Events::Rule")
    if sorted(each.arn for each in rules) != sorted(expected):
        yield of_the_whole(f"rules {[each.arn for each in rules]}, expected {sorted(expected)}")
    for each in rules:
        scheduled = each.arn in scheduled_rules
        target = targets.get(each.arn, {})
        yield from unexpected_properties(
            each,
            {**expected.get(each.arn, {}), "Targets": [target]},
            also={"Description", "Name", "Tags", *(["ScheduleExpression"] if scheduled else [])},
        )
        schedule = str(each["ScheduleExpression"])
        if scheduled and not re.fullmatch(r"rate\((([1-9]|[1-5]\d) minutes?|1 hour)\)", schedule):
            yield at(each, f"ScheduleExpression is {schedule}", "ScheduleExpression")
    permitted = deployment.of_type("AWS::Lambda::Permission")
    sources = sorted(str(permission["SourceArn"]) for permission in permitted)
    if sources != sorted(expected):
        yield of_the_whole(f"callers {sources}, expected {sorted(expected)}")
    for permission in permitted:
        yield from unexpected_properties(
            permission,
            {
                "Action": "lambda:InvokeFunction",
                "FunctionName": targets.get(str(permission["SourceArn"]), {}).get("Arn"),
                "Principal": "events.amazonaws.com",
                "SourceAccount": deployment.account,
            },
            also={"SourceArn"},
        )
