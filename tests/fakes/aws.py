"""The services as the functions see them, in memory, behind real boto3 clients.

Calls go through botocore up to the wire: arguments are validated and serialised by the service
model, and every answer is validated against the operation's output shape.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.model import OperationModel
from botocore.validate import ParamValidator

REGION = "eu-test-1"
ACCOUNT = "123456789012"
START = datetime(2026, 1, 1, tzinfo=UTC)


class RefusalError(Exception):
    """An error that a service answers."""

    def __init__(self, code: str, message: str = "no", status: int = 400) -> None:
        super().__init__(code)
        self.code, self.message, self.status = code, message, status


@dataclass
class Fault:
    """An error to answer instead of (or, with `after`, on top of) an operation's effect."""

    operation: str
    refusal: RefusalError | LostError
    times: int = 1
    after: bool = False


class LostError(Exception):
    """An answer that never comes: the call may have had its effect."""


@dataclass
class FakeStack:
    """A stack as CloudFormation describes it; `resources` maps a logical id to a physical one."""

    status: str
    resources: dict[str, str] = field(default_factory=dict)


@dataclass
class FakeAws:
    """The state of the services, and the calls that reached them."""

    now: datetime = START
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    objects: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    items: dict[str, dict[str, str]] = field(default_factory=dict)
    stacks: dict[str, FakeStack] = field(default_factory=dict)
    published: list[dict[str, Any]] = field(default_factory=list)
    invoked: list[bytes] = field(default_factory=list)
    quota: int = 100
    interfaces: dict[str, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    submitted: list[dict[str, Any]] = field(default_factory=list)
    by_caller: dict[str, set[tuple[str, str]]] = field(default_factory=dict)

    def sleep(self, seconds: float) -> None:
        """Let time pass without waiting for it."""
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)

    @contextmanager
    def called_by(self, caller: str) -> Iterator[None]:
        """Note the calls made meanwhile as a function's own."""
        before = len(self.calls)
        try:
            yield
        finally:
            self.by_caller.setdefault(caller, set()).update(self.calls[before:])

    def end_job(self, name: str, status: str, *, failure: str = "", phase: str = "") -> None:
        """Bring a job to a status; a completed one gets its model."""
        job = self.jobs[name]
        job["status"] = status
        if failure:
            job["failureMessage"] = failure
        if phase:
            job["statusDetails"] = {phase: {"status": "Failed"}}
        if status == "Completed":
            arn = job["jobArn"].replace("model-customization-job", "custom-model")
            job["outputModelArn"] = arn
            self.models[arn] = {
                "modelArn": arn,
                "modelName": name,
                "jobArn": job["jobArn"],
                "baseModelArn": job["baseModelArn"],
                "creationTime": self.now,
                "modelStatus": "Active",
            }

    def validated(self, name: str) -> None:
        """Let a job pass Bedrock's validation."""
        self.jobs[name]["statusDetails"] = {"validationDetails": {"status": "Completed"}}

    # Bedrock

    def create_model_customization_job(self, p: dict[str, Any]) -> dict[str, Any]:
        self.submitted.append(p)
        for job in self.jobs.values():
            if job["clientRequestToken"] == p["clientRequestToken"]:
                return {"jobArn": job["jobArn"]}
        if p["jobName"] in self.jobs:
            raise RefusalError("ValidationException", "The provided job name is currently in use.")
        running = [j for j in self.jobs.values() if j["status"] in {"InProgress", "Stopping"}]
        if len(running) >= self.quota:
            raise RefusalError("ServiceQuotaExceededException", "too many scheduled jobs")
        number = f"{len(self.jobs):012d}"
        arn = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:model-customization-job/made.model-v1/{number}"
        self.jobs[p["jobName"]] = {
            "jobArn": arn,
            "jobName": p["jobName"],
            "outputModelName": p["customModelName"],
            "clientRequestToken": p["clientRequestToken"],
            "roleArn": p["roleArn"],
            "status": "InProgress",
            "creationTime": self.now,
            "baseModelArn": f"arn:aws:bedrock:{REGION}::foundation-model/made.model-v1",
            "trainingDataConfig": p["trainingDataConfig"],
            "validationDataConfig": p.get("validationDataConfig", {"validators": []}),
            "outputDataConfig": p["outputDataConfig"],
        }
        self.tags[arn] = {tag["key"]: tag["value"] for tag in p.get("jobTags", [])}
        return {"jobArn": arn}

    def _job(self, identifier: str) -> dict[str, Any]:
        for job in self.jobs.values():
            if identifier in {job["jobName"], job["jobArn"]}:
                return job
        raise RefusalError("ResourceNotFoundException", "no such job", 404)

    def get_model_customization_job(self, p: dict[str, Any]) -> dict[str, Any]:
        return dict(self._job(p["jobIdentifier"]))

    def stop_model_customization_job(self, p: dict[str, Any]) -> dict[str, Any]:
        job = self._job(p["jobIdentifier"])
        if job["status"] != "InProgress":
            raise RefusalError("ConflictException", "the job is not in progress")
        job["status"] = "Stopping"
        return {}

    def list_tags_for_resource(self, p: dict[str, Any]) -> dict[str, Any]:
        tags = self.tags.get(p["resourceARN"], {})
        return {"tags": [{"key": key, "value": value} for key, value in tags.items()]}

    def get_custom_model(self, p: dict[str, Any]) -> dict[str, Any]:
        if p["modelIdentifier"] not in self.models:
            raise RefusalError("ResourceNotFoundException", "no such model", 404)
        return dict(self.models[p["modelIdentifier"]])

    def delete_custom_model(self, p: dict[str, Any]) -> dict[str, Any]:
        if p["modelIdentifier"] not in self.models:
            raise RefusalError("ResourceNotFoundException", "no such model", 404)
        del self.models[p["modelIdentifier"]]
        return {}

    # S3, DynamoDB, EC2

    def head_object(self, p: dict[str, Any]) -> dict[str, Any]:
        if (p["Bucket"], p["Key"]) not in self.objects:
            raise RefusalError("404", "Not Found", 404)
        return {"Metadata": self.objects[p["Bucket"], p["Key"]]}

    def get_item(self, p: dict[str, Any]) -> dict[str, Any]:
        # An eventually consistent read may see nothing of what was just written.
        item = self.items.get(p["Key"]["Id"]["S"]) if p.get("ConsistentRead") else None
        return {"Item": _typed(item)} if item else {}

    def update_item(self, p: dict[str, Any]) -> dict[str, Any]:
        key = p["Key"]["Id"]["S"]
        names, values = p["ExpressionAttributeNames"], p["ExpressionAttributeValues"]
        kept = self.items.get(key, {})
        condition = p.get("ConditionExpression")
        if condition and not holds(condition, item=kept, names=names, values=values):
            raise RefusalError("ConditionalCheckFailedException", "The conditional request failed")
        item = {"Id": key, **kept}
        sets, _, removes = p["UpdateExpression"].removeprefix("SET ").partition(" REMOVE ")
        for target, once, value in re.findall(r"(#\w+) = (?:(if_not_exists)\(#\w+, )?(:\w+)", sets):
            (plain,) = values[value].values()
            if not (once and names[target] in item):
                item[names[target]] = plain
        for target in filter(None, removes.split(", ")):
            item.pop(names[target], None)
        self.items[key] = item
        return {"Attributes": _typed(item)}

    def scan(self, p: dict[str, Any]) -> dict[str, Any]:
        names = p["ExpressionAttributeNames"]
        return {
            "Items": [
                _typed(item)
                for item in self.items.values()
                if holds(p["FilterExpression"], item=item, names=names, values={})
            ]
        }

    # CloudFormation, SNS, Lambda

    def describe_stacks(self, p: dict[str, Any]) -> dict[str, Any]:
        stack = self._stack(p["StackName"])
        return {
            "Stacks": [{"StackName": "made", "CreationTime": START, "StackStatus": stack.status}]
        }

    def describe_stack_resource(self, p: dict[str, Any]) -> dict[str, Any]:
        logical = p["LogicalResourceId"]
        resources = self._stack(p["StackName"]).resources
        if logical not in resources:
            raise RefusalError("ValidationError", f"Resource {logical} does not exist for stack")
        return {
            "StackResourceDetail": {
                "LogicalResourceId": logical,
                "PhysicalResourceId": resources[logical],
                "ResourceType": "Custom::BedrockModelCustomizationJob",
                "LastUpdatedTimestamp": self.now,
                "ResourceStatus": "CREATE_COMPLETE",
            }
        }

    def _stack(self, name: str) -> FakeStack:
        if name not in self.stacks:
            raise RefusalError("ValidationError", f"Stack with id {name} does not exist")
        return self.stacks[name]

    def publish(self, p: dict[str, Any]) -> dict[str, Any]:
        self.published.append(p)
        return {"MessageId": "made"}

    def invoke(self, p: dict[str, Any]) -> dict[str, Any]:
        assert p["InvocationType"] == "Event"
        self.invoked.append(p["Payload"])
        return {"StatusCode": 202}

    def describe_network_interfaces(self, p: dict[str, Any]) -> dict[str, Any]:
        filters = {entry["Name"]: entry["Values"] for entry in p["Filters"]}
        assert filters["tag:BedrockManaged"] == ["true"]
        (arn,) = filters["tag:BedrockModelCustomizationJobArn"]
        return {"NetworkInterfaces": [{} for _ in range(self.interfaces.get(arn, 0))]}

    # The wire

    def answer(self, model: OperationModel, params: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Answer one call as botocore hands it on: a response's status and its parsed body."""
        self.calls.append((model.service_model.service_name, model.name))
        try:
            self.before_call(model.name)
            method: Callable[[dict[str, Any]], dict[str, Any]] = getattr(self, _snake(model.name))
            body = method(params)
            self.after_call(model.name)
        except RefusalError as refusal:
            error = {"Code": refusal.code, "Message": refusal.message}
            return SimpleNamespace(status_code=refusal.status), {
                "Error": error,
                "ResponseMetadata": {"HTTPStatusCode": refusal.status},
            }
        except LostError:
            raise ReadTimeoutError(endpoint_url="https://made.example") from None
        if model.output_shape is not None:
            report = ParamValidator().validate(body, model.output_shape)
            assert not report.has_errors(), report.generate_report()
        return SimpleNamespace(status_code=200), {**body, "ResponseMetadata": {}}

    def before_call(self, operation: str) -> None:
        """Raise what is planted before an operation's effect."""
        self._raise_fault(operation, after=False)

    def after_call(self, operation: str) -> None:
        """Raise what is planted after an operation's effect."""
        self._raise_fault(operation, after=True)

    def _raise_fault(self, operation: str, *, after: bool) -> None:
        for fault in self.faults:
            if (fault.operation, fault.after) == (operation, after) and fault.times > 0:
                fault.times -= 1
                raise fault.refusal

    def direct(self, service: str) -> Any:  # noqa: ANN401 - a client of any service
        """Return a client without botocore in between, for many thousands of calls."""
        return _Direct(self, service)


def _typed(item: dict[str, str]) -> dict[str, Any]:
    return {key: {"S": value} for key, value in item.items()}


def holds(
    expression: str, *, item: dict[str, str], names: dict[str, str], values: dict[str, Any]
) -> bool:
    """Return whether a condition or filter of DynamoDB holds for an item."""

    def term(found: re.Match[str]) -> str:
        if found["function"]:
            there = names[found["of"]] in item
            return str(there == (found["function"] == "attribute_exists"))
        return str(item.get(names[found["left"]]) == values[found["right"]]["S"])

    pattern = (
        r"(?P<function>attribute_(?:not_)?exists)\((?P<of>#\w+)\)|(?P<left>#\w+) = (?P<right>:\w+)"
    )
    truth = re.sub(pattern, term, expression).replace("AND", "and").replace("OR", "or")
    assert re.fullmatch(r"[() ]*((True|False|and|or)[() ]*)+", truth), expression
    return bool(eval(truth))  # noqa: S307 - nothing but True, False, and, or, brackets


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


@dataclass
class Wire:
    """Where the clients' calls go; `aws` is set anew for every test."""

    aws: FakeAws = field(default_factory=FakeAws)

    def client(self, service: Any) -> Any:  # noqa: ANN401 - a client of any service
        """Return a boto3 client whose calls reach the fake and nothing else."""
        client = boto3.client(
            service,
            region_name=REGION,
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="made-up",
        )

        def keep(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
            context["fake_params"] = params

        def divert(model: OperationModel, context: dict[str, Any], **_: object) -> Any:  # noqa: ANN401
            return self.aws.answer(model, context["fake_params"])

        client.meta.events.register("before-parameter-build", keep)
        client.meta.events.register("before-call", divert)
        return client


class _Direct:
    """Calls of a fake by the names of a client's methods."""

    def __init__(self, aws: FakeAws, service: str) -> None:
        self._aws, self._service = aws, service
        self.meta = SimpleNamespace(service_model=None)

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        operation = "".join(part.capitalize() for part in name.split("_"))

        def call(**params: Any) -> dict[str, Any]:
            aws = self._aws
            aws.calls.append((self._service, operation))
            try:
                aws.before_call(operation)
                body: dict[str, Any] = getattr(aws, name)(params)
                aws.after_call(operation)
            except RefusalError as refusal:
                answer = {
                    "Error": {"Code": refusal.code, "Message": refusal.message},
                    "ResponseMetadata": {"HTTPStatusCode": refusal.status},
                }
                raise ClientError(answer, operation) from None  # type: ignore[arg-type] # the part that is read
            except LostError:
                raise ReadTimeoutError(endpoint_url="https://made.example") from None
            return body

        return call
