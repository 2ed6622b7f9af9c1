"""A wish for a deployment as CloudFormation sends it, and the job whose model it serves."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from aws_lambda_powertools.utilities.typing import LambdaContext

import deployer.handler
from customization.identity import names_for, owner_tags
from tests.fakes.aws import FakeAws, FakeStack
from tests.fakes.cloudformation import Context, Resource

BASE_MODEL = "amazon.nova-2-lite-v1:0:256k"
GROUP = "made-group"
ROLE = "arn:aws:iam::123456789012:role/made-scheduler"
KEY = "arn:aws:kms:eu-test-1:123456789012:key/12345678-1234-1234-1234-123456789012"
VARIABLES = {
    "ENVIRONMENT": "dev",
    "DEPLOYMENTS_TABLE": "made-deployments",
    "SCHEDULE_GROUP": GROUP,
    "SCHEDULER_ROLE_ARN": ROLE,
    "DATA_KEY_ARN": KEY,
    "DEPLOYER_FUNCTION": "made-deployer",
}


def job_name(*, job: str = "tone", digest: str = "1") -> str:
    """Return the physical id of a made-up job."""
    return names_for(environment="dev", job=job, digest=digest * 16)


def plant_job(
    aws: FakeAws, *, job: str = "tone", digest: str = "1", status: str = "Completed"
) -> str:
    """Let Bedrock have a job of ours, in a status, and return its name."""
    name = job_name(job=job, digest=digest)
    tags = owner_tags(environment="dev", job=job, digest=digest * 16)
    listed = [{"key": key, "value": value} for key, value in tags.items()]
    aws.bedrock.create_job(
        {
            "jobName": name,
            "customModelName": name,
            "roleArn": "arn:aws:iam::123456789012:role/made",
            "baseModelIdentifier": BASE_MODEL,
            "trainingDataConfig": {"s3Uri": "s3://made-bucket/made.jsonl"},
            "outputDataConfig": {"s3Uri": "s3://made-bucket/outputs/"},
            "jobTags": listed,
            "customModelTags": listed,
        }
    )
    if status != "InProgress":
        aws.end_job(name, status)
    return name


def wish(**changes: Any) -> dict[str, Any]:
    """Return the properties of a wish on demand, with changes: every value a string."""
    properties = {
        "ServiceToken": "arn:aws:lambda:eu-test-1:123456789012:function:framework",
        "ServiceTimeout": "3600",
        "Environment": "dev",
        "Job": "tone",
        "JobName": job_name(),
        "Kind": "on_demand",
        "ModelUnits": "1",
        "Commitment": "",
        "Hours": "",
        "SmokeTests": '[{"prompt": "made up"}]',
        "Tags": [{"key": "project", "value": "made"}],
    }
    return {**properties, **changes}


def provisioned(**changes: Any) -> dict[str, Any]:
    """Return the properties of a wish for throughput that lives eight hours, with changes."""
    return wish(**{"Kind": "provisioned", "Hours": "8", **changes})


@dataclass
class WishResource(Resource):
    """The custom resource of a wish: as that of a job, under another type and logical id."""

    logical_id: str = "Deployment"

    def at_rest(self, status: str = "CREATE_COMPLETE", physical_id: str | None = None) -> None:
        """Let the stack have ended its operation, with an id for its resource."""
        resources = {self.logical_id: str(physical_id or self.physical_id)}
        self.aws.stacks[self.stack] = FakeStack(status=status, resources=resources)

    def _call(self, event: dict[str, Any]) -> dict[str, Any]:
        event["LogicalResourceId"] = self.logical_id
        event["ResourceType"] = "Custom::BedrockModelDeployment"
        return super()._call(event)

    def replace(self, properties: dict[str, Any]) -> str:
        """Update to other properties, have the clean-up sent, and return the old name."""
        old_properties, old = copy.deepcopy(self.properties), str(self.physical_id)
        self.update(properties)
        new = self.physical_id
        if new != old:
            self.delete(old, old_properties)
        self.at_rest("UPDATE_COMPLETE")
        return old

    def row(self, name: str | None = None) -> dict[str, str]:
        """Return the row of the current name, or of another one."""
        return self.aws.items[str(name or self.physical_id)]


def deploy(aws: FakeAws, event: dict[str, Any] | None = None) -> dict[str, Any]:
    """Invoke the deployer with an event, by default one that has it sweep."""
    aws.invoked.clear()
    with aws.called_by("deployer"):
        result = deployer.handler.handler(event or {}, cast("LambdaContext", Context()))
    return dict(json.loads(json.dumps(result)))


def ask(aws: FakeAws, name: str | None = None, execution: str | None = None) -> dict[str, Any]:
    """Ask the deployer about a job, as an execution does: by default one that may be answered."""
    asked = name or job_name()
    rows = [row for row in aws.items.values() if row.get("JobName") == asked]
    taken = [row["FollowedUpBy"] for row in rows if "FollowedUpBy" in row]
    asks = execution or (taken[0] if taken else asked)
    return deploy(aws, {"Deploy": {"job_name": asked, "execution": asks}})


def serve(aws: FakeAws, status: str = "Active", failure: str | None = None) -> None:
    """Let Bedrock finish everything that it is making."""
    for each in list(aws.bedrock.deployments.values()):
        if each["status"] == "Creating":
            name = each["modelDeploymentName"]
            aws.bedrock.settle_deployment(name, status, failure)
    for each in list(aws.bedrock.throughputs.values()):
        if each["status"] == "Creating":
            in_service = "InService" if status == "Active" else status
            aws.bedrock.settle_throughput(each["provisionedModelName"], in_service, failure)


def later(aws: FakeAws, *, minutes: float = 0, hours: float = 0) -> None:
    """Let time pass."""
    aws.now += timedelta(minutes=minutes, hours=hours)
