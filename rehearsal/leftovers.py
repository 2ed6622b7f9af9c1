"""What is still in the emulated account after everything was destroyed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from rehearsal.client import Client

_BOOTSTRAP = "cdk-"
_TOOLKIT = "CDKToolkit"


def _names(items: Iterable[str], *, ignoring: Iterable[str] = ()) -> list[str]:
    ignored = set(ignoring)
    return sorted(
        item
        for item in items
        if not item.startswith((_BOOTSTRAP, _TOOLKIT)) and item not in ignored
    )


def find(*, client: Client, ignored_roles: Iterable[str] = ()) -> dict[str, list[str]]:
    """Everything left, by kind; empty when nothing is.

    The CDK's own bucket and roles, the default VPC and ended jobs (Bedrock keeps their records)
    do not count, nor keys that wait for their deletion.
    """

    def stacks() -> list[str]:
        answer = client.service("cloudformation").describe_stacks()["Stacks"]
        return _names(stack["StackName"] for stack in answer)

    def jobs() -> list[str]:
        bedrock = client.service("bedrock")
        summaries = bedrock.list_model_customization_jobs()["modelCustomizationJobSummaries"]
        return [s["jobName"] for s in summaries if s["status"] in ("InProgress", "Stopping")]

    def models() -> list[str]:
        answer = client.service("bedrock").list_custom_models()["modelSummaries"]
        return [model["modelName"] for model in answer]

    def buckets() -> list[str]:
        return _names(b["Name"] for b in client.service("s3").list_buckets()["Buckets"])

    def functions() -> list[str]:
        answer = client.service("lambda").list_functions()["Functions"]
        return _names(function["FunctionName"] for function in answer)

    def vpcs() -> list[str]:
        answer = client.service("ec2").describe_vpcs()["Vpcs"]
        return [vpc["VpcId"] for vpc in answer if not vpc["IsDefault"]]

    def interfaces() -> list[str]:
        answer = client.service("ec2").describe_network_interfaces()["NetworkInterfaces"]
        return [interface["NetworkInterfaceId"] for interface in answer]

    def endpoints() -> list[str]:
        answer = client.service("ec2").describe_vpc_endpoints()["VpcEndpoints"]
        return [endpoint["VpcEndpointId"] for endpoint in answer]

    def roles() -> list[str]:
        answer = client.service("iam").list_roles(MaxItems=1000)["Roles"]
        return _names(
            (role["RoleName"] for role in answer if "/aws-service-role/" not in role["Path"]),
            ignoring=ignored_roles,
        )

    def policies() -> list[str]:
        answer = client.service("iam").list_policies(Scope="Local")["Policies"]
        return _names(policy["PolicyName"] for policy in answer)

    def log_groups() -> list[str]:
        answer = client.service("logs").describe_log_groups()["logGroups"]
        return [group["logGroupName"] for group in answer]

    def keys() -> list[str]:
        kms = client.service("kms")
        described = (
            kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in kms.list_keys()["Keys"]
        )
        return [
            key["KeyId"]
            for key in described
            if key["KeyState"] != "PendingDeletion" and key.get("KeyManager") != "AWS"
        ]

    def tables() -> list[str]:
        return list(client.service("dynamodb").list_tables()["TableNames"])

    def topics() -> list[str]:
        return [topic["TopicArn"] for topic in client.service("sns").list_topics()["Topics"]]

    def queues() -> list[str]:
        return list(client.service("sqs").list_queues().get("QueueUrls", []))

    def state_machines() -> list[str]:
        answer = client.service("stepfunctions").list_state_machines()["stateMachines"]
        return [machine["name"] for machine in answer]

    def rules() -> list[str]:
        return [rule["Name"] for rule in client.service("events").list_rules()["Rules"]]

    def alarms() -> list[str]:
        answer = client.service("cloudwatch").describe_alarms()["MetricAlarms"]
        return [alarm["AlarmName"] for alarm in answer]

    def deployments() -> list[str]:
        answer = client.service("bedrock").list_custom_model_deployments()
        return [each["customModelDeploymentName"] for each in answer["modelDeploymentSummaries"]]

    def throughputs() -> list[str]:
        answer = client.service("bedrock").list_provisioned_model_throughputs()
        return [each["provisionedModelName"] for each in answer["provisionedModelSummaries"]]

    def schedule_groups() -> list[str]:
        answer = client.service("scheduler").list_schedule_groups()["ScheduleGroups"]
        return _names((group["Name"] for group in answer), ignoring=["default"])

    def schedules() -> list[str]:
        return [each["Name"] for each in client.service("scheduler").list_schedules()["Schedules"]]

    def dashboards() -> list[str]:
        answer = client.service("cloudwatch").list_dashboards()["DashboardEntries"]
        return [dashboard["DashboardName"] for dashboard in answer]

    looks: dict[str, Callable[[], list[str]]] = {
        "stacks": stacks,
        "jobs in progress": jobs,
        "custom models": models,
        "buckets": buckets,
        "functions": functions,
        "VPCs": vpcs,
        "network interfaces": interfaces,
        "endpoints": endpoints,
        "roles": roles,
        "policies": policies,
        "log groups": log_groups,
        "keys": keys,
        "tables": tables,
        "topics": topics,
        "queues": queues,
        "state machines": state_machines,
        "event rules": rules,
        "alarms": alarms,
        "dashboards": dashboards,
        "deployments": deployments,
        "provisioned throughput": throughputs,
        "schedules": schedules,
        "schedule groups": schedule_groups,
    }
    with ThreadPoolExecutor(max_workers=4) as pool:
        found = dict(zip(looks, pool.map(lambda look: look(), looks.values()), strict=True))
    return {kind: names for kind, names in found.items() if names}
