"""The controls: each looks at a whole deployment and returns what is wrong with it, or nothing.

A test applies a control to what the app makes and expects nothing; its twin applies the same
control to a weakened copy and expects a finding, so no control here can pass whatever it is given.
`CONTROLS` is all of them: the weakening tests run every one.
"""

from __future__ import annotations

import functools
import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from tests.security.deployment import Deployment, Resource, UnresolvedError
from tests.security.permissions import permissions_of
from tests.security.policies import Grant, MalformedPolicyError, difference

Control = Callable[[Deployment], list[str]]

CONTROLS: Final[list[Control]] = []
"""All controls, in the order of this file."""


_NOT_UNDERSTOOD: Final = (
    UnresolvedError,
    MalformedPolicyError,
    # A template that lacks what CloudFormation requires, such as the key of a tag.
    AttributeError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
)


def control(check: Control) -> Control:
    """Registers a control; what it cannot take apart is a finding, as nobody has looked at it."""

    @functools.wraps(check)
    def checked(deployment: Deployment) -> list[str]:
        try:
            return check(deployment)
        except _NOT_UNDERSTOOD as error:
            return [f"cannot be understood: {type(error).__name__} {error}"]

    CONTROLS.append(checked)
    return checked


JOB: Final = "Custom::BedrockModelCustomizationJob"
DEFAULT_GROUP: Final = "Custom::VpcRestrictDefaultSG"

# What the app is made of. A type that is not here is looked at by no control, so it is a finding.
EXPECTED_TYPES: Final = frozenset(
    {
        "AWS::DynamoDB::Table",
        "AWS::EC2::FlowLog",
        "AWS::EC2::RouteTable",
        "AWS::EC2::SecurityGroup",
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::EC2::Subnet",
        "AWS::EC2::SubnetRouteTableAssociation",
        "AWS::EC2::VPC",
        "AWS::EC2::VPCEndpoint",
        "AWS::Events::Rule",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Policy",
        "AWS::IAM::Role",
        "AWS::KMS::Alias",
        "AWS::KMS::Key",
        "AWS::Lambda::Function",
        "AWS::Logs::LogGroup",
        "AWS::S3::Bucket",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::Topic",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy",
        "AWS::StepFunctions::StateMachine",
        DEFAULT_GROUP,
        JOB,
    }
)

RETAINED_TYPES: Final = frozenset(
    {
        "AWS::DynamoDB::Table",
        "AWS::KMS::Key",
        "AWS::Logs::LogGroup",
        "AWS::S3::Bucket",
    }
)
"""Data, keys, logs and state: kept or destroyed as `storage.retain` says."""

UNTAGGED_BY_THE_LIBRARY: Final = frozenset(
    {
        "CustomVpcRestrictDefaultSGCustomResourceProviderHandler",
        "CustomVpcRestrictDefaultSGCustomResourceProviderRole",
    }
)
"""Raw resources that the CDK writes, which its `Tags` do not reach; checked for staleness."""


# --- what there is -------------------------------------------------------------------------------


@control
def only_known_resources(deployment: Deployment) -> list[str]:
    """Nothing is deployed that these controls do not look at."""
    return [
        f"{resource}: a type that no control looks at"
        for resource in deployment.resources
        if resource.type not in EXPECTED_TYPES
    ]


@control
def keeps_what_the_settings_keep(deployment: Deployment) -> list[str]:
    """Data, keys, logs and state outlive the stacks exactly when `storage.retain` says so."""
    expected = "Retain" if deployment.settings.storage.retain else "Delete"
    findings = [
        f"{resource}: {when} is {resource.attributes.get(when)}, expected {expected}"
        for resource in deployment.of_type(*RETAINED_TYPES)
        for when in ("DeletionPolicy", "UpdateReplacePolicy")
        if resource.attributes.get(when) != expected
    ]
    # What is not data goes: a job that is kept would never hear that its stack is gone.
    findings += [
        f"{resource}: {when} is {resource.attributes[when]}"
        for resource in deployment.resources
        for when in ("DeletionPolicy", "UpdateReplacePolicy")
        if resource.type not in RETAINED_TYPES
        and resource.attributes.get(when, "Delete") != "Delete"
    ]
    findings += [
        f"{table}: deletion protection is {table['DeletionProtectionEnabled']}"
        for table in deployment.of_type("AWS::DynamoDB::Table")
        if table["DeletionProtectionEnabled"] is not deployment.settings.storage.retain
    ]
    protected = {name for name in deployment.templates if "-job-" not in name}
    if deployment.settings.storage.retain:
        findings += [
            f"{name}: no termination protection"
            for name in sorted(protected - deployment.protected)
        ]
    return findings


@control
def carries_its_tags(deployment: Deployment) -> list[str]:
    """Every resource that takes tags carries the environment's, by which leftovers are found."""
    expected = {
        "finetune:environment": deployment.settings.environment,
        **deployment.settings.tags,
    }
    untaggable = {
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::EC2::SubnetRouteTableAssociation",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Policy",
        "AWS::KMS::Alias",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::QueuePolicy",
        DEFAULT_GROUP,
        JOB,
    }
    findings = []
    for resource in deployment.resources:
        if resource.type in untaggable or resource.ref in UNTAGGED_BY_THE_LIBRARY:
            continue
        tags = {tag["Key"]: tag["Value"] for tag in resource["Tags"] or []}
        for key, value in expected.items():
            if tags.get(key) != value:
                findings.append(f"{resource}: tag {key} is {tags.get(key)}, expected {value}")
    return findings


@control
def stacks_wait_for_what_they_use(deployment: Deployment) -> list[str]:
    """What a stack uses while it works is there before it and goes after it."""
    parts = ("identity", "encryption", "network", "storage", "access", "engine")
    env = deployment.settings.environment
    waiting = {
        "network": {"identity", "encryption"},
        "storage": {"identity", "encryption", "network"},
        "access": {"identity", "encryption", "network", "storage"},
        # The submitter needs its permissions, and reaches S3 and DynamoDB through the storage's
        # endpoints; no value of these passes.
        "engine": {"access", "storage"},
        # A job runs with the permissions until it ends.
        **{f"job-{job}": set(parts) for job in deployment.settings.jobs},
    }
    return [
        f"{part} does not wait for {each}"
        for part, needed in waiting.items()
        for each in sorted(needed)
        if f"finetune-{env}-{each}" not in deployment.dependencies.get(f"finetune-{env}-{part}", ())
    ]


@control
def a_zone_can_be_dropped(deployment: Deployment) -> list[str]:
    """No subnet is exported: an export that a job's stack imports could not be taken away."""
    subnets = {
        (subnet.stack, subnet.logical_id): subnet
        for subnet in deployment.of_type("AWS::EC2::Subnet")
    }
    return [
        f"{subnets[stack, output['Value']['Ref']]}: exported as {name}"
        for stack, template in deployment.templates.items()
        for name, output in template.get("Outputs", {}).items()
        if "Export" in output
        and isinstance(output["Value"], dict)
        and (stack, output["Value"].get("Ref")) in subnets
    ]


# --- network -------------------------------------------------------------------------------------


@control
def no_way_to_the_internet(deployment: Deployment) -> list[str]:
    """No gateway, no route but the local one, no address that is reachable from outside."""
    ways = re.compile(
        r"AWS::EC2::(.*Gateway.*|Route|EIP.*|.*Peering.*|Transit.*|VPN.*|ClientVpn.*|"
        r"VPCCidrBlock|NetworkInterface.*|Instance)|AWS::NetworkManager::.*|AWS::VpcLattice::.*"
    )
    findings = [
        f"{resource}: a way out of the network"
        for resource in deployment.resources
        if ways.fullmatch(resource.type)
    ]
    for subnet in deployment.of_type("AWS::EC2::Subnet"):
        if subnet["MapPublicIpOnLaunch"] is not False:
            findings.append(f"{subnet}: MapPublicIpOnLaunch is {subnet['MapPublicIpOnLaunch']}")
        findings += [
            f"{subnet}: {name}: an IPv6 or outpost subnet"
            for name in subnet.properties
            if "Ipv6" in name or "Outpost" in name
        ]
    return findings


@control
def one_subnet_in_every_zone(deployment: Deployment) -> list[str]:
    """A training subnet in each zone of the settings, service subnets in theirs, in fixed slots."""
    network = deployment.settings.network
    (vpcs, findings) = _exactly(deployment, "AWS::EC2::VPC", 1)
    if not vpcs:
        return findings
    vpc = vpcs[0]
    if vpc["CidrBlock"] != network.cidr:
        findings.append(f"{vpc}: CidrBlock is {vpc['CidrBlock']}, expected {network.cidr}")
    expected = {
        (f"{deployment.region}{zone}", cidr, purpose)
        for purpose, cidrs in (
            ("training", deployment.training_cidrs),
            ("service", deployment.service_cidrs),
        )
        for zone, cidr in cidrs.items()
    }
    middle = ipaddress.ip_network(network.cidr)
    half = int(middle.network_address) + middle.num_addresses // 2
    found = set()
    tables: dict[str, set[Any]] = {"training": set(), "service": set()}
    associations: dict[str, list[str]] = {}
    for link in deployment.of_type("AWS::EC2::SubnetRouteTableAssociation"):
        associations.setdefault(link["SubnetId"], []).append(link["RouteTableId"])
    for subnet in deployment.of_type("AWS::EC2::Subnet"):
        block = ipaddress.ip_network(str(subnet["CidrBlock"]))
        purpose = "training" if int(block.network_address) < half else "service"
        found.add((subnet["AvailabilityZone"], subnet["CidrBlock"], purpose))
        own = associations.get(subnet.ref, [])
        if len(own) != 1:
            findings.append(f"{subnet}: {len(own)} route tables; without its own it takes the main")
        tables[purpose].update(own)
        if subnet["VpcId"] != vpc.ref:
            findings.append(f"{subnet}: not in the VPC")
    findings += [f"subnet missing: {each}" for each in sorted(expected - found, key=str)]
    findings += [f"subnet unexpected: {each}" for each in sorted(found - expected, key=str)]
    route_tables = {table.ref: table for table in deployment.of_type("AWS::EC2::RouteTable")}
    for purpose, used in tables.items():
        if len(used) != 1 or not used <= set(route_tables):
            findings.append(f"{purpose} subnets use the route tables {sorted(map(str, used))}")
    if tables["training"] & tables["service"]:
        findings.append("training and service subnets share a route table")
    findings += [
        f"{table}: not in the VPC" for table in route_tables.values() if table["VpcId"] != vpc.ref
    ]
    return findings


@control
def names_resolve_to_the_endpoints(deployment: Deployment) -> list[str]:
    """DNS support and host names: private DNS and the S3 gateway endpoint rest on them."""
    return [
        f"{vpc}: {name} is {vpc[name]}"
        for vpc in deployment.of_type("AWS::EC2::VPC")
        for name in ("EnableDnsSupport", "EnableDnsHostnames")
        if vpc[name] is not True
    ]


@control
def all_traffic_is_logged(deployment: Deployment) -> list[str]:
    """One flow log for the VPC, of accepted and refused traffic, to an encrypted log group."""
    logs, findings = _exactly(deployment, "AWS::EC2::FlowLog", 1)
    permissions = permissions_of(deployment)
    vpc = _first(deployment.of_type("AWS::EC2::VPC"))
    expected = {
        "ResourceId": vpc.ref if vpc else None,
        "ResourceType": "VPC",
        "TrafficType": "ALL",
        "LogDestinationType": "cloud-watch-logs",
        "LogGroupName": f"/finetune/{deployment.settings.environment}/flow-logs",
        "DeliverLogsPermissionArn": permissions.roles["flow-logs"],
        "MaxAggregationInterval": 60,
    }
    for log in logs:
        findings += _properties(log, expected, also={"Tags"})
        findings += [
            f"{log}: does not wait for the permission to write"
            for _ in [0]
            if not log.attributes.get("DependsOn")
        ]
    return findings


@control
def the_default_group_is_closed(deployment: Deployment) -> list[str]:
    """A custom resource takes every rule from the VPC's default security group."""
    found, findings = _exactly(deployment, DEFAULT_GROUP, 1)
    vpc = _first(deployment.of_type("AWS::EC2::VPC"))
    handlers = {
        function.arn
        for function in deployment.where("AWS::Lambda::Function", Handler="__entrypoint__.handler")
    }
    for each in found:
        if vpc is None or each["DefaultSecurityGroupId"] != f"{vpc.ref}.DefaultSecurityGroup":
            findings.append(f"{each}: closes {each['DefaultSecurityGroupId']}")
        if each["Account"] != deployment.account:
            findings.append(f"{each}: account {each['Account']}")
        if each["ServiceToken"] not in handlers:
            findings.append(f"{each}: handled by {each['ServiceToken']}")
    return findings


class Rule(NamedTuple):
    """What a security group lets through, as EC2 sees it; the peer is a group, list or range."""

    group: str
    direction: str
    protocol: str
    from_port: str
    to_port: str
    peer: str


EVERYWHERE: Final = "0.0.0.0/0"
_NOTHING: Final = ("icmp", "252", "86", "255.255.255.255/32")


def effective_rules(deployment: Deployment) -> set[Rule]:
    """The rules in force: those in the groups, those beside them, and EC2's own default.

    A group whose SecurityGroupEgress is absent or empty gets from EC2 a rule that lets everything
    out, whatever standalone egress rules there are. A rule to an address that no host can have is
    how one writes that nothing is let out; it counts for nothing.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-securitygroup.html
    """
    rules: set[Rule] = set()
    for group in deployment.of_type("AWS::EC2::SecurityGroup"):
        egress = group["SecurityGroupEgress"] or []
        if not egress:
            rules.add(Rule(group.ref, "egress", "-1", "None", "None", EVERYWHERE))
        rules.update(_rule(group.ref, "egress", each) for each in egress)
        rules.update(
            _rule(group.ref, "ingress", each) for each in group["SecurityGroupIngress"] or []
        )
    for type_, direction in (
        ("AWS::EC2::SecurityGroupEgress", "egress"),
        ("AWS::EC2::SecurityGroupIngress", "ingress"),
    ):
        rules.update(
            _rule(str(each["GroupId"] or each["GroupName"]), direction, each.properties)
            for each in deployment.of_type(type_)
        )
    return {rule for rule in rules if rule[2:] != _NOTHING}


_PEERS: Final = (
    "CidrIp",
    "CidrIpv6",
    "DestinationPrefixListId",
    "DestinationSecurityGroupId",
    "SourcePrefixListId",
    "SourceSecurityGroupId",
    "SourceSecurityGroupName",
)


def _rule(group: str, direction: str, properties: Mapping[str, Any]) -> Rule:
    peers = [str(properties[name]) for name in _PEERS if name in properties]
    return Rule(
        group,
        direction,
        str(properties.get("IpProtocol")),
        str(properties.get("FromPort")),
        str(properties.get("ToPort")),
        " and ".join(peers) or "nobody",
    )


class Groups(NamedTuple):
    """Security groups by what is in them."""

    job: str | None
    functions: str | None
    kms: str | None
    bedrock: str | None


def groups_in_use(deployment: Deployment) -> Groups:
    """Which group is whose, found through what uses it."""

    def only(values: object) -> str | None:
        return values[0] if isinstance(values, list) and len(values) == 1 else None

    job = _first(deployment.of_type(JOB))
    policy_group = _job_group_of_the_role(deployment)
    submitter = _function(deployment, "submitter")
    endpoints = {_service(endpoint): endpoint for endpoint in _endpoints(deployment)}
    return Groups(
        job=only(job["Request.vpcConfig.securityGroupIds"]) if job else policy_group,
        functions=only(submitter["VpcConfig.SecurityGroupIds"]) if submitter else None,
        kms=only(endpoints["kms"]["SecurityGroupIds"]) if "kms" in endpoints else None,
        bedrock=only(endpoints["bedrock"]["SecurityGroupIds"]) if "bedrock" in endpoints else None,
    )


def _job_group_of_the_role(deployment: Deployment) -> str | None:
    """Without a job in the settings, the group that the customization role may use."""
    name = permissions_of(deployment).names["customization"]
    groups = {
        grant.resource.rsplit("/", maxsplit=1)[-1]
        for grant in _role_grants(deployment, name)
        if ":security-group/" in grant.resource
    }
    return groups.pop() if len(groups) == 1 else None


@control
def groups_let_only_these_paths_through(deployment: Deployment) -> list[str]:
    """Job to itself, to S3 and to KMS; functions to S3, DynamoDB and Bedrock; and nothing else."""
    job, functions, kms, bedrock = groups_in_use(deployment)
    s3 = deployment.settings.s3_prefix_list_id
    dynamodb = deployment.settings.dynamodb_prefix_list_id

    def https(group: str | None, direction: str, peer: str | None) -> Rule:
        return Rule(str(group), direction, "tcp", "443", "443", str(peer))

    expected = {
        Rule(str(job), "ingress", "-1", "None", "None", str(job)),
        Rule(str(job), "egress", "-1", "None", "None", str(job)),
        https(job, "egress", s3),
        https(job, "egress", kms),
        https(kms, "ingress", job),
        https(functions, "egress", s3),
        https(functions, "egress", dynamodb),
        https(functions, "egress", bedrock),
        https(bedrock, "ingress", functions),
    }
    found = effective_rules(deployment)
    groups = deployment.of_type("AWS::EC2::SecurityGroup")
    used = {job, functions, kms, bedrock}
    vpc = _first(deployment.of_type("AWS::EC2::VPC"))
    return [
        *(f"rule that nothing needs: {rule}" for rule in sorted(found - expected)),
        *(f"rule missing: {rule}" for rule in sorted(expected - found)),
        *(f"{group}: a group that nothing uses" for group in groups if group.ref not in used),
        *(f"{group}: not in the VPC" for group in groups if not vpc or group["VpcId"] != vpc.ref),
        *(
            []
            if None not in used and len(used) == 4
            else [f"groups are shared or missing: {job}, {functions}, {kms}, {bedrock}"]
        ),
    ]


@control
def endpoints_are_private_ways_for_these_calls(deployment: Deployment) -> list[str]:
    """Four endpoints, where they must be, each with a policy of exactly the calls made through."""
    permissions = permissions_of(deployment)
    endpoints = _endpoints(deployment)
    services = sorted(_service(endpoint) for endpoint in endpoints)
    findings = (
        []
        if services == ["bedrock", "dynamodb", "kms", "s3"]
        else [f"endpoints of the services {services}"]
    )
    groups = groups_in_use(deployment)
    vpc = _first(deployment.of_type("AWS::EC2::VPC"))
    cidrs = deployment.service_cidrs.values()
    tables = sorted(table.ref for table in deployment.of_type("AWS::EC2::RouteTable"))
    for endpoint in endpoints:
        service = _service(endpoint)
        gateway = service in {"s3", "dynamodb"}
        placement: dict[str, Any] = (
            {"RouteTableIds": tables}
            if gateway
            else {
                "SubnetIds": sorted(f"subnet-{cidr}" for cidr in cidrs),
                "SecurityGroupIds": [getattr(groups, service, None)],
                "PrivateDnsEnabled": True,
            }
        )
        findings += _properties(
            endpoint,
            {
                "VpcId": vpc.ref if vpc else None,
                "VpcEndpointType": "Gateway" if gateway else "Interface",
                "ServiceName": f"com.amazonaws.{deployment.region}.{service}",
                **placement,
            },
            also={"PolicyDocument", "Tags"},
        )
        findings += _policy(
            endpoint, "PolicyDocument", permissions.endpoint_policies.get(service, set())
        )
    return findings


# --- encryption ----------------------------------------------------------------------------------


@control
def two_rotating_keys(deployment: Deployment) -> list[str]:
    """A data key and a model key: symmetric, of the customer, rotating, in one Region."""
    keys, findings = _exactly(deployment, "AWS::KMS::Key", 2)
    env = deployment.settings.environment
    names = {f"key-finetune-{env}-data", f"key-finetune-{env}-model"}
    if {key.ref for key in keys} != names:
        findings.append(f"keys {sorted(key.ref for key in keys)}, expected {sorted(names)}")
    window = deployment.settings.keys.pending_window_days
    for key in keys:
        # What is absent is AWS's default: enabled, symmetric, encrypt and decrypt, one Region.
        findings += _properties(
            key,
            {"EnableKeyRotation": True, "PendingWindowInDays": window},
            also={"KeyPolicy", "Description", "Tags"},
        )
    return findings


@control
def keys_are_used_for_what_they_are_for(deployment: Deployment) -> list[str]:
    """Each key's policy names who uses it through which service; the account administers."""
    permissions = permissions_of(deployment)
    env = deployment.settings.environment
    expected = {
        f"key-finetune-{env}-data": permissions.data_key_policy,
        f"key-finetune-{env}-model": permissions.model_key_policy,
    }
    return [
        finding
        for key in deployment.of_type("AWS::KMS::Key")
        for finding in _policy(key, "KeyPolicy", expected.get(key.ref, set()))
    ]


@control
def keys_and_roles_agree(deployment: Deployment) -> list[str]:
    """What a role may do with a key, the key's policy lets it do, and the other way round.

    The account is the principal of the keys' statements, so both sides have to allow: a permission
    on one side alone is denied, and nobody sees it before a job fails.
    """
    policies = {key.arn: key.grants("KeyPolicy") for key in deployment.of_type("AWS::KMS::Key")}
    roles = {role.arn: role.ref for role in deployment.of_type("AWS::IAM::Role")}
    by_role = {arn: _role_grants(deployment, name) for arn, name in roles.items()}
    findings = []
    for arn, said in by_role.items():
        for grant in said:
            if not grant.action.startswith("kms:") or grant.resource not in policies:
                continue
            service = _values(grant, "kms:ViaService")
            if not any(
                each.action == grant.action
                and _values(each, "kms:ViaService") in (set(), service)
                and (_values(each, "aws:PrincipalArn") or {arn}) & {arn}
                for each in policies[grant.resource]
                if each.principal.startswith("AWS:")
            ):
                findings.append(f"{roles[arn]}: the key's policy does not admit it: {grant}")
    for key, policy in policies.items():
        for each in policy:
            for arn in _values(each, "aws:PrincipalArn") & set(by_role):
                service = _values(each, "kms:ViaService")
                # A role that reads may be admitted together with those that write.
                if not any(
                    grant.resource == key and _values(grant, "kms:ViaService") == service
                    for grant in by_role[arn]
                ):
                    findings.append(f"{roles[arn]}: has no permission of its own for: {each}")
    return sorted(findings)


def _values(grant: Grant, key: str) -> set[str]:
    """What a grant's conditions say of a key; empty when they say nothing."""
    return {value for _, name, values in grant.conditions if name == key for value in values}


@control
def everything_stored_is_encrypted(deployment: Deployment) -> list[str]:
    """Bucket, logs, table, queue and topic under the data key."""
    key = permissions_of(deployment).data_key
    key_id = key.rsplit("/", maxsplit=1)[-1]
    findings = []

    def check(resource: Resource, what: str, found: object, expected: object) -> None:
        if found != expected:
            findings.append(f"{resource}: {what} is {json.dumps(found)}, expected {expected}")

    for bucket in deployment.of_type("AWS::S3::Bucket"):
        rules = bucket["BucketEncryption.ServerSideEncryptionConfiguration"]
        # S3's log delivery writes with SSE-S3: the access-log bucket is the one exception.
        check(
            bucket,
            "encryption",
            rules,
            [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            if bucket.ref == "bucket-logs"
            else [
                {
                    "BucketKeyEnabled": True,
                    "ServerSideEncryptionByDefault": {
                        "KMSMasterKeyID": key,
                        "SSEAlgorithm": "aws:kms",
                    },
                }
            ],
        )
    for group in deployment.of_type("AWS::Logs::LogGroup"):
        check(group, "KmsKeyId", group["KmsKeyId"], key)
    for table in deployment.of_type("AWS::DynamoDB::Table"):
        check(
            table,
            "SSESpecification",
            table["SSESpecification"],
            {"KMSMasterKeyId": key, "SSEEnabled": True, "SSEType": "KMS"},
        )
    for resource in deployment.of_type("AWS::SQS::Queue", "AWS::SNS::Topic"):
        # Both take the key's id as well as its ARN.
        if resource["KmsMasterKeyId"] != key_id:
            check(resource, "KmsMasterKeyId", resource["KmsMasterKeyId"], key)
    return findings


# --- storage -------------------------------------------------------------------------------------


@control
def buckets_are_private_and_versioned(deployment: Deployment) -> list[str]:
    """Two buckets: no public access, no ACLs, versions kept, access logged, logs expiring."""
    buckets, findings = _exactly(deployment, "AWS::S3::Bucket", 2)
    if sorted(bucket.ref for bucket in buckets) != ["bucket-data", "bucket-logs"]:
        findings.append("expected one bucket with access logs and one that takes them")
    abort = {"DaysAfterInitiation": 7}
    days = deployment.settings.storage.access_log_retention_days
    for bucket in buckets:
        data = bucket.ref == "bucket-data"
        rule: dict[str, Any] = {"AbortIncompleteMultipartUpload": abort, "Status": "Enabled"}
        if not data:
            rule |= {
                "ExpirationInDays": days,
                "NoncurrentVersionExpiration": {"NoncurrentDays": 7},
            }
        rules = [
            {key: value for key, value in each.items() if key != "Id"}
            for each in bucket["LifecycleConfiguration.Rules"] or []
        ]
        if rules != [rule]:
            findings.append(f"{bucket}: lifecycle rules {rules}, expected {rule}")
        expected: dict[str, Any] = {
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            },
            "VersioningConfiguration": {"Status": "Enabled"},
        }
        if data:
            expected["LoggingConfiguration"] = {
                "DestinationBucketName": "bucket-logs",
                "LogFilePrefix": "training-bucket/",
            }
        findings += _properties(
            bucket, expected, also={"BucketEncryption", "LifecycleConfiguration", "Tags"}
        )
    return findings


@control
def buckets_have_one_policy_each(deployment: Deployment) -> list[str]:
    """TLS 1.2, the right key, only these people, datasets written once, our endpoint."""
    permissions = permissions_of(deployment)
    expected = {
        "bucket-data": permissions.data_bucket_policy,
        "bucket-logs": permissions.logs_bucket_policy,
    }
    findings = []
    policies = deployment.of_type("AWS::S3::BucketPolicy")
    if sorted(str(policy["Bucket"]) for policy in policies) != sorted(expected):
        findings.append(f"bucket policies for {[policy['Bucket'] for policy in policies]}")
    for policy in policies:
        findings += _policy(policy, "PolicyDocument", expected.get(str(policy["Bucket"]), set()))
    return findings


# --- identity and access -------------------------------------------------------------------------


@control
def roles_are_taken_only_by(deployment: Deployment) -> list[str]:
    """Each role's trust policy: one service or the named people, with every condition inside."""
    permissions = permissions_of(deployment)
    expected = permissions.trust
    roles = deployment.of_type("AWS::IAM::Role")
    findings = [
        f"role missing: {name}" for name in sorted(set(expected) - {role.ref for role in roles})
    ]
    for role in roles:
        if role.ref not in expected:
            findings.append(f"{role}: a role that the design does not know")
        findings += _policy(role, "AssumeRolePolicyDocument", expected.get(role.ref, set()))
        findings += _properties(
            role,
            {},
            also={
                "AssumeRolePolicyDocument",
                "Description",
                "ManagedPolicyArns",
                "PermissionsBoundary",
                "Policies",
                "RoleName",
                "Tags",
            },
        )
    return findings


@control
def the_customization_role_is_guarded_against_confused_deputies(
    deployment: Deployment,
) -> list[str]:
    """Account and job stand inside the only statement of the trust policy."""
    name = permissions_of(deployment).names["customization"]
    role = next((each for each in deployment.of_type("AWS::IAM::Role") if each.ref == name), None)
    if role is None:
        return [f"no role {name}"]
    statements = role["AssumeRolePolicyDocument.Statement"]
    if len(statements) != 1:
        return [f"{role}: {len(statements)} statements; Allow statements are a union"]
    when = {
        key: value
        for operator, keys in statements[0].get("Condition", {}).items()
        if operator in {"StringEquals", "ArnEquals"}
        for key, value in keys.items()
    }
    findings = []
    if when.get("aws:SourceAccount") != deployment.account:
        findings.append(f"{role}: aws:SourceAccount is {when.get('aws:SourceAccount')}")
    if when.get("aws:SourceArn") != deployment.arn("bedrock", "model-customization-job/*"):
        findings.append(f"{role}: aws:SourceArn is {when.get('aws:SourceArn')}")
    if "AmazonBedrock" not in name:
        findings.append(f"{role}: no AmazonBedrock in its name")
    return findings


@control
def roles_may_do_only_this(deployment: Deployment) -> list[str]:
    """Everything attached to a role, inline or managed, is exactly what the design says."""
    permissions = permissions_of(deployment)
    group = groups_in_use(deployment).job
    expected = permissions.role_policies(str(group))
    roles = {role.ref for role in deployment.of_type("AWS::IAM::Role")}
    findings = []
    for name in sorted(roles | set(expected)):
        try:
            found = _role_grants(deployment, name)
        except MalformedPolicyError as error:
            findings.append(f"role {name}: {error}")
            continue
        findings += difference(f"role {name}", found=found, expected=expected.get(name, set()))
    attached: set[str] = set()
    for policy in deployment.of_type("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"):
        attached.update(policy["Roles"] or [])
        findings += _properties(
            policy,
            {"Path": "/"} if policy.type == "AWS::IAM::ManagedPolicy" else {},
            also={"Description", "PolicyDocument", "PolicyName", "Roles"},
        )
    findings += [f"policy on a role of another app: {name}" for name in sorted(attached - roles)]
    return findings


@control
def every_role_is_bounded(deployment: Deployment) -> list[str]:
    """The permissions boundary of the settings is on every role, or on none."""
    name = deployment.settings.permissions_boundary
    arn = (
        name if name is None or name.startswith("arn:") else deployment.arn("iam", f"policy/{name}")
    )
    return [
        f"{role}: permissions boundary {role['PermissionsBoundary']}, expected {arn}"
        for role in deployment.of_type("AWS::IAM::Role")
        if role["PermissionsBoundary"] != arn
    ]


# --- engine --------------------------------------------------------------------------------------


@control
def functions_run_where_and_as_designed(deployment: Deployment) -> list[str]:
    """Six functions: role, place, log group, dead letters, time limits, and no secrets."""
    findings = []
    functions = deployment.of_type("AWS::Lambda::Function")
    expected = _expected_functions(deployment)
    names = sorted(function.ref for function in functions)
    if names != sorted(expected):
        findings.append(f"functions {names}, expected {sorted(expected)}")
    for function in functions:
        findings += _properties(
            function,
            expected.get(function.ref, {}),
            also={"Code", "Description", "FunctionName", "Tags"},
        )
    return findings


def _expected_functions(deployment: Deployment) -> dict[str, dict[str, Any]]:
    permissions = permissions_of(deployment)
    settings = deployment.settings
    env = settings.environment
    concurrency = (
        {}
        if settings.engine.reserved_concurrency is None
        else {"ReservedConcurrentExecutions": settings.engine.reserved_concurrency}
    )
    dead_letters = {"DeadLetterConfig": {"TargetArn": permissions.queue}, **concurrency}

    def ours(
        purpose: str, *, timeout: int, more_variables: Mapping[str, str], **more: object
    ) -> dict[str, Any]:
        variables = {
            "POWERTOOLS_SERVICE_NAME": purpose,
            "POWERTOOLS_LOG_LEVEL": settings.engine.log_level,
            **more_variables,
        }
        return {
            "Architectures": ["arm64"],
            "Environment": {"Variables": variables},
            "Handler": f"{purpose.replace('-', '_')}.handler.handler",
            "LoggingConfig": {"LogGroup": f"/aws/lambda/finetune-{env}-{purpose}"},
            "MemorySize": 512,
            "Role": permissions.roles[purpose],
            "Runtime": "python3.13",
            "Timeout": timeout,
            **dead_letters,
            **more,
        }

    found = {
        f"finetune-{env}-submitter": ours(
            "submitter",
            timeout=300,
            more_variables={"TABLE_NAME": f"finetune-{env}-jobs", "PROPAGATION_SECONDS": "60"},
            VpcConfig={
                "SecurityGroupIds": [groups_in_use(deployment).functions],
                "SubnetIds": [f"subnet-{cidr}" for cidr in deployment.service_cidrs.values()],
            },
        ),
        f"finetune-{env}-completion-check": ours("completion-check", timeout=60, more_variables={}),
        "CustomVpcRestrictDefaultSGCustomResourceProviderHandler": {
            "Handler": "__entrypoint__.handler",
            "LoggingConfig": {"LogGroup": f"/aws/lambda/finetune-{env}-default-group"},
            "MemorySize": 128,
            "Role": permissions.roles["default-group"],
            "Runtime": NODE,
            "Timeout": 900,
        },
    }
    for step, role in (
        ("onEvent", "on-event"),
        ("isComplete", "complete"),
        ("onTimeout", "complete"),
    ):
        variables = {
            "USER_ON_EVENT_FUNCTION_ARN": permissions.function("submitter"),
            "USER_IS_COMPLETE_FUNCTION_ARN": permissions.function("completion-check"),
            **(
                {
                    "WAITER_STATE_MACHINE_ARN": deployment.arn(
                        "states", "stateMachine:EngineFrameworkProviderwaiterstatemachine"
                    )
                }
                if step == "onEvent"
                else {}
            ),
        }
        found[f"EngineFrameworkProviderframework{step}"] = {
            "Environment": {"Variables": variables},
            "Handler": f"framework.{step}",
            "LoggingConfig": {
                "ApplicationLogLevel": "WARN",
                "LogFormat": "JSON",
                "LogGroup": f"/aws/lambda/finetune-{env}-framework",
            },
            "MemorySize": 256,
            "Role": permissions.roles[role],
            "Runtime": NODE,
            "Timeout": 900,
            **dead_letters,
        }
    return found


NODE: Final = "nodejs24.x"
"""The runtime of the library's functions: what the pinned aws-cdk-lib writes."""


@control
def functions_start_after_their_permissions(deployment: Deployment) -> list[str]:
    """What runs with a role waits for the role's policies: before them its logs would be lost."""
    findings = []
    for runner in deployment.of_type("AWS::Lambda::Function", "AWS::StepFunctions::StateMachine"):
        role = str(runner["Role"] or runner["RoleArn"]).rsplit("/", maxsplit=1)[-1]
        waits_for = runner.attributes.get("DependsOn", [])
        # Those of another stack are there: its stack waits for that one.
        needed = [
            each
            for each in deployment.of_type("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy")
            if each.stack == runner.stack and role in (each["Roles"] or [])
        ]
        findings += [
            f"{runner}: does not wait for {each.ref}"
            for each in needed
            if each.logical_id not in waits_for
        ]
        if not waits_for:
            findings.append(f"{runner}: waits for nothing")
    return findings


@control
def code_comes_from_the_accounts_own_assets(deployment: Deployment) -> list[str]:
    """Code by its content from the bootstrap bucket of this account and Region, and no other."""
    bucket = f"cdk-hnb659fds-assets-{deployment.account}-{deployment.region}"
    return [
        f"{function}: code from {function['Code']}"
        for function in deployment.of_type("AWS::Lambda::Function")
        if function["Code.S3Bucket"] != bucket
        or not re.fullmatch(r"[0-9a-f]{64}\.zip", str(function["Code.S3Key"]))
        or set(function["Code"]) != {"S3Bucket", "S3Key"}
    ]


@control
def logs_are_kept_as_long_as_set(deployment: Deployment) -> list[str]:
    """A log group for each function and for the flow logs, with the retention of the settings."""
    settings = deployment.settings
    env = settings.environment
    expected = {
        f"/aws/lambda/finetune-{env}-{purpose}": settings.engine.log_retention_days
        for purpose in ("submitter", "completion-check", "framework", "default-group")
    }
    expected[f"/finetune/{env}/flow-logs"] = settings.network.flow_log_retention_days
    groups = deployment.of_type("AWS::Logs::LogGroup")
    findings = [
        f"log group missing: {name}" for name in sorted(set(expected) - {g.ref for g in groups})
    ]
    for group in groups:
        days = expected.get(group.ref)
        findings += _properties(
            group, {"RetentionInDays": days}, also={"KmsKeyId", "LogGroupName", "Tags"}
        )
    return findings


@control
def nothing_failed_is_lost(deployment: Deployment) -> list[str]:
    """Dead letters stay two weeks; queue and topic take them over TLS, from the rule alone."""
    permissions = permissions_of(deployment)
    queues, findings = _exactly(deployment, "AWS::SQS::Queue", 1)
    for queue in queues:
        findings += _properties(
            queue, {"MessageRetentionPeriod": 14 * 24 * 3600}, also={"KmsMasterKeyId", "Tags"}
        )
    policies, more = _exactly(deployment, "AWS::SQS::QueuePolicy", 1)
    findings += more
    for policy in policies:
        if policy["Queues"] != [queue.ref for queue in queues]:
            findings.append(f"{policy}: on {policy['Queues']}")
        findings += _policy(policy, "PolicyDocument", permissions.queue_policy)
    return findings


@control
def people_hear_of_jobs_that_ended(deployment: Deployment) -> list[str]:
    """A rule for the environment's jobs, a topic that only the rule publishes to."""
    permissions = permissions_of(deployment)
    env = deployment.settings.environment
    rules, findings = _exactly(deployment, "AWS::Events::Rule", 1)
    for rule in rules:
        findings += _properties(
            rule,
            {
                "Name": f"finetune-{env}-job-state",
                "EventPattern": {
                    "source": ["aws.bedrock"],
                    "detail-type": ["Model Customization Job State Change"],
                    "detail": {
                        "jobStatus": ["Completed", "Failed", "Stopped"],
                        "jobName": [{"prefix": f"{env}-"}],
                    },
                },
                "Targets": [
                    {
                        "Arn": permissions.topic,
                        "DeadLetterConfig": {"Arn": permissions.queue},
                        "Id": "Topic",
                    }
                ],
            },
            also={"Description", "Tags"},
        )
    topics, more = _exactly(deployment, "AWS::SNS::Topic", 1)
    findings += more
    for topic in topics:
        findings += _properties(topic, {}, also={"DisplayName", "KmsMasterKeyId", "Tags"})
    policies, more = _exactly(deployment, "AWS::SNS::TopicPolicy", 1)
    findings += more
    for policy in policies:
        if policy["Topics"] != [topic.ref for topic in topics]:
            findings.append(f"{policy}: on {policy['Topics']}")
        findings += _policy(policy, "PolicyDocument", permissions.topic_policy)
    return findings


@control
def state_can_be_restored(deployment: Deployment) -> list[str]:
    """One table, by the job's id, restorable to any second of 35 days."""
    tables, findings = _exactly(deployment, "AWS::DynamoDB::Table", 1)
    for table in tables:
        findings += _properties(
            table,
            {
                "AttributeDefinitions": [{"AttributeName": "Id", "AttributeType": "S"}],
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{"AttributeName": "Id", "KeyType": "HASH"}],
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                "TableName": f"finetune-{deployment.settings.environment}-jobs",
            },
            also={"DeletionProtectionEnabled", "SSESpecification", "Tags"},
        )
    return findings


@control
def the_waiter_calls_the_framework_only(deployment: Deployment) -> list[str]:
    """The provider's state machine asks the completion check for half an hour, then gives up."""
    permissions = permissions_of(deployment)
    machines, findings = _exactly(deployment, "AWS::StepFunctions::StateMachine", 1)
    expected = {
        "framework-isComplete-task": permissions.framework("isComplete"),
        "framework-onTimeout-task": permissions.framework("onTimeout"),
    }
    for machine in machines:
        findings += _properties(
            machine,
            {"RoleArn": permissions.roles["waiter"]},
            also={"DefinitionString", "Tags"},
        )
        try:
            states = json.loads(machine["DefinitionString"] or "{}").get("States", {})
        except ValueError:
            findings.append(f"{machine}: its definition is no JSON")
            continue
        if {name: state.get("Resource") for name, state in states.items()} != expected:
            findings.append(f"{machine}: states {sorted(states)}")
            continue
        waiting = states["framework-isComplete-task"]
        (retry,) = waiting.get("Retry") or [{}]
        if retry.get("IntervalSeconds", 0) * retry.get("MaxAttempts", 0) != 30 * 60:
            findings.append(f"{machine}: waits {retry}")
        if [catch.get("Next") for catch in waiting.get("Catch", [])] != [
            "framework-onTimeout-task"
        ]:
            findings.append(f"{machine}: a job that is never complete is not given up")
    return findings


# --- jobs ----------------------------------------------------------------------------------------


@control
def jobs_are_private(deployment: Deployment) -> list[str]:
    """Each job of the settings has its subnets, group, role, model key and its own output."""
    permissions = permissions_of(deployment)
    settings = deployment.settings
    jobs = {str(job["Job"]): job for job in deployment.of_type(JOB)}
    findings = (
        []
        if sorted(jobs) == sorted(settings.jobs)
        else [f"jobs {sorted(jobs)}, expected {sorted(settings.jobs)}"]
    )
    subnets = [f"subnet-{cidr}" for cidr in deployment.training_cidrs.values()]
    # The policy of the customization role names the group, so a job's own word is checked by it.
    group = _job_group_of_the_role(deployment)
    for name, job in settings.jobs.items():
        if name not in jobs:
            continue
        data, validation = job.training_data, job.validation_data
        tags = [
            {"key": key, "value": value}
            for key, value in sorted({**settings.tags, **job.tags}.items())
        ]
        request: dict[str, Any] = {
            "roleArn": permissions.roles["customization"],
            "baseModelIdentifier": job.base_model,
            "customizationType": job.customization_type,
            "customModelKmsKeyId": permissions.model_key,
            "hyperParameters": dict(job.hyperparameters),
            "trainingDataConfig": {"s3Uri": f"s3://bucket-data/{data.key}"},
            "outputDataConfig": {"s3Uri": f"s3://bucket-data/outputs/{name}/"},
            "vpcConfig": {"subnetIds": subnets, "securityGroupIds": [group]},
            "jobTags": tags,
            "customModelTags": tags,
        }
        control = {
            "ServiceToken": permissions.framework("onEvent"),
            "ServiceTimeout": "3600",
            "Environment": settings.environment,
            "Job": name,
            "Run": str(job.run),
            "DatasetName": job.dataset,
            "DatasetDigest": data.sha256,
            "KeyName": "model",
            "WaitFor": job.wait_for,
            "ValidationMinutes": str(settings.engine.validation_minutes),
            "OnReplace": job.on_replace,
            "OnDelete": job.on_delete,
        }
        if validation:
            control |= {
                "ValidationDatasetName": str(job.validation_dataset),
                "ValidationDatasetDigest": validation.sha256,
            }
            request["validationDataConfig"] = {
                "validators": [{"s3Uri": f"s3://bucket-data/{validation.key}"}]
            }
        resource = jobs[name]
        found = dict(resource["Request"] or {})
        findings += _differences(f"job {name} Request", found, request)
        findings += _properties(resource, control, also={"Request"})
    return findings


# --- the list ------------------------------------------------------------------------------------


def findings(deployment: Deployment) -> set[str]:
    """What all controls together find."""
    return {f"{check.__name__}: {each}" for check in CONTROLS for each in check(deployment)}


# --- helpers -------------------------------------------------------------------------------------


def _exactly(deployment: Deployment, type_: str, count: int) -> tuple[list[Resource], list[str]]:
    found = deployment.of_type(type_)
    wrong = [] if len(found) == count else [f"{len(found)} of {type_}, expected {count}"]
    return found, wrong


def _first(resources: Iterable[Resource]) -> Resource | None:
    return next(iter(resources), None)


def _function(deployment: Deployment, purpose: str) -> Resource | None:
    name = f"finetune-{deployment.settings.environment}-{purpose}"
    return _first(deployment.where("AWS::Lambda::Function", FunctionName=name))


def _endpoints(deployment: Deployment) -> list[Resource]:
    return deployment.of_type("AWS::EC2::VPCEndpoint")


def _service(endpoint: Resource) -> str:
    return str(endpoint["ServiceName"]).rsplit(".", maxsplit=1)[-1]


def _properties(
    resource: Resource, expected: Mapping[str, Any], *, also: Iterable[str] = ()
) -> list[str]:
    """The properties that differ, and those that nobody has looked at.

    Args:
        also: Properties that another control looks at, or that say nothing about security.
    """
    looked_at = {
        name: value for name, value in resource.properties.items() if name not in set(also)
    }
    return _differences(str(resource), looked_at, expected)


def _differences(what: str, found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    return [
        f"{what}: {name} is {json.dumps(found.get(name))}, "
        f"expected {json.dumps(expected.get(name))}"
        for name in sorted(set(found) | set(expected))
        if _sorted(found.get(name)) != _sorted(expected.get(name))
    ]


def _sorted(value: Any) -> Any:  # noqa: ANN401 - a piece of a template
    """A list of texts in order: in a template their order says nothing."""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return sorted(value)
    if isinstance(value, dict):
        return {key: _sorted(each) for key, each in value.items()}
    return value


def _policy(resource: Resource, path: str, expected: set[Grant]) -> list[str]:
    if not isinstance(resource[path], Mapping):
        return [f"{resource}: no policy, so AWS's default applies"]
    try:
        found = resource.grants(path)
    except MalformedPolicyError as error:
        return [f"{resource}: {error}"]
    return difference(str(resource), found=found, expected=expected)


def _role_grants(deployment: Deployment, name: str) -> set[Grant]:
    """Everything a role may do: its inline policies, those beside it, and the managed ones."""
    found: set[Grant] = set()
    for role in deployment.of_type("AWS::IAM::Role"):
        if role.ref == name:
            if role["ManagedPolicyArns"]:
                raise MalformedPolicyError(f"managed policies {role['ManagedPolicyArns']}")
            found |= role.inline_grants
    for policy in deployment.of_type("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"):
        if name in (policy["Roles"] or []):
            found |= policy.grants("PolicyDocument")
    return found
