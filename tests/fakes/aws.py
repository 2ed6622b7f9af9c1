"""The services as the functions see them, in memory, behind real boto3 clients.

Calls go through botocore up to the wire: arguments are validated and serialised by the service
model, and every answer is validated against the operation's output shape.
"""

from __future__ import annotations

import io
import itertools
import json
import re
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.model import OperationModel
from botocore.validate import ParamValidator

from customization.errors import CustomizationError
from rehearsal.bedrock_semantics.errors import LostError, ServiceError
from rehearsal.bedrock_semantics.jobs import COMPLETED, Record, enter
from rehearsal.bedrock_semantics.service import Bedrock, Fault, raise_planted

RefusalError = ServiceError
__all__ = [
    "SERVICES",
    "STATE_MACHINE",
    "FakeAws",
    "FakeStack",
    "Fault",
    "LostError",
    "RefusalError",
    "Wire",
    "client_name",
    "holds",
]

REGION = "eu-test-1"
ACCOUNT = "123456789012"
START = datetime(2026, 1, 1, tzinfo=UTC)
STATE_MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:made-follow-up"
SERVICES = (
    "bedrock",
    "bedrock-runtime",
    "cloudformation",
    "dynamodb",
    "ec2",
    "lambda",
    "s3",
    "scheduler",
    "sns",
    "stepfunctions",
)
"""The services that functions call, by botocore's names."""


def client_name(service: str) -> str:
    """Return what a service's client is called in `customization.clients`."""
    return {"lambda": "functions"}.get(service, service.replace("-", "_"))


def _echo(prompt: str) -> str:
    return f"made up, on {prompt}"


@dataclass
class FakeStack:
    """A stack as CloudFormation describes it; `resources` maps a logical id to a physical one."""

    status: str
    resources: dict[str, str] = field(default_factory=dict)


@dataclass
class FakeAws:
    """The state of the services, and the calls that reached them."""

    now: datetime = START
    bedrock: Bedrock = field(init=False)
    objects: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    outputs: dict[str, list[bytes]] = field(default_factory=dict)
    """Objects of the bucket `made-bucket` by key, each with its versions, the oldest first."""
    says: Callable[[str], str] = field(default=_echo)
    """What a model answers to a prompt."""
    items: dict[str, dict[str, str]] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)
    """The table of an item that was written, by its id; one that was planted is in any."""
    stacks: dict[str, FakeStack] = field(default_factory=dict)
    published: list[dict[str, Any]] = field(default_factory=list)
    executions: dict[str, dict[str, Any]] = field(default_factory=dict)
    schedules: dict[str, dict[str, Any]] = field(default_factory=dict)
    invoked: list[bytes] = field(default_factory=list)
    interfaces: dict[str, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    submitted: list[dict[str, Any]] = field(default_factory=list)
    by_caller: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    waited_for: Callable[[bytes], Any] | None = None
    """The function that is called by one that waits for its answer."""
    _of_the_called: set[int] = field(default_factory=set)
    """Places in `calls` of what such a function called: not its caller's own."""

    def __post_init__(self) -> None:
        ids = itertools.count()
        self.bedrock = Bedrock(
            clock=lambda: self.now,
            arn=_arn,
            new_id=lambda: f"{next(ids):012d}",
            quota=100,
            # Faults of all services are planted at the wire.
            check_each=False,
        )

    @property
    def jobs(self) -> MutableMapping[str, Record]:
        """Bedrock's jobs by name."""
        return self.bedrock.jobs

    @property
    def models(self) -> MutableMapping[str, Record]:
        """Bedrock's custom models by ARN."""
        return self.bedrock.models

    @property
    def tags(self) -> MutableMapping[str, dict[str, str]]:
        """The tags of jobs and models by ARN."""
        return self.bedrock.tags

    @property
    def quota(self) -> int:
        """How many jobs may run in the account at once."""
        return self.bedrock.quota

    @quota.setter
    def quota(self, jobs: int) -> None:
        self.bedrock.quota = jobs

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
            own = [
                call
                for place, call in enumerate(self.calls[before:], before)
                if place not in self._of_the_called
            ]
            self.by_caller.setdefault(caller, set()).update(own)

    def end_job(self, name: str, status: str, *, failure: str = "", phase: str = "") -> None:
        """Bring a job to a status; a completed one gets its model."""
        if phase:
            enter(self.jobs[name], phase, "Failed", now=self.now)
        if status != self.jobs[name]["status"]:
            self.bedrock.end_job(name, status, failure=failure or None)

    def validated(self, name: str) -> None:
        """Let a job pass Bedrock's validation."""
        enter(self.jobs[name], "validationDetails", COMPLETED, now=self.now)

    # Bedrock; subclasses look at some of these.

    def create_model_customization_job(self, p: dict[str, Any]) -> dict[str, Any]:
        self.submitted.append(p)
        return self.bedrock.call("CreateModelCustomizationJob", p)

    def get_model_customization_job(self, p: dict[str, Any]) -> dict[str, Any]:
        return self.bedrock.call("GetModelCustomizationJob", p)

    def stop_model_customization_job(self, p: dict[str, Any]) -> dict[str, Any]:
        return self.bedrock.call("StopModelCustomizationJob", p)

    def list_tags_for_resource(self, p: dict[str, Any]) -> dict[str, Any]:
        # What is no ARN at all is a test's stand-in for something without tags.
        if not p["resourceARN"].startswith("arn:"):
            return {"tags": []}
        return self.bedrock.call("ListTagsForResource", p)

    def get_custom_model(self, p: dict[str, Any]) -> dict[str, Any]:
        return self.bedrock.call("GetCustomModel", p)

    def delete_custom_model(self, p: dict[str, Any]) -> dict[str, Any]:
        return self.bedrock.call("DeleteCustomModel", p)

    # S3, DynamoDB, EC2

    def head_object(self, p: dict[str, Any]) -> dict[str, Any]:
        if (p["Bucket"], p["Key"]) not in self.objects:
            raise RefusalError("404", "Not Found", 404)
        return {"Metadata": self.objects[p["Bucket"], p["Key"]]}

    def list_objects_v2(self, p: dict[str, Any]) -> dict[str, Any]:
        # A page holds two keys: every listing has several.
        keys = sorted(key for key in self.outputs if key.startswith(p["Prefix"]))
        start = int(p.get("ContinuationToken", "0"))
        after = start + 2
        more = {"NextContinuationToken": str(after)} if after < len(keys) else {}
        contents = [{"Key": key} for key in keys[start:after]]
        return {"Contents": contents, "IsTruncated": bool(more), **more}

    def get_object(self, p: dict[str, Any]) -> dict[str, Any]:
        if p["Key"] not in self.outputs:
            raise RefusalError("NoSuchKey", "The specified key does not exist.", 404)
        content = self.outputs[p["Key"]][-1]
        return {"ContentLength": len(content), "Body": io.BytesIO(content)}

    def put_object(self, p: dict[str, Any]) -> dict[str, Any]:
        assert p["Bucket"] == "made-bucket"
        if p.get("IfNoneMatch") == "*" and p["Key"] in self.outputs:
            raise RefusalError("PreconditionFailed", "At least one precondition failed", 412)
        body = p["Body"]  # botocore makes a file of bytes
        content = body if isinstance(body, bytes) else body.getvalue()
        self.outputs.setdefault(p["Key"], []).append(content)
        return {}

    def get_item(self, p: dict[str, Any]) -> dict[str, Any]:
        # An eventually consistent read may see nothing of what was just written.
        item = self.items.get(p["Key"]["Id"]["S"]) if p.get("ConsistentRead") else None
        return {"Item": _typed(item)} if item else {}

    def update_item(self, p: dict[str, Any]) -> dict[str, Any]:
        key = p["Key"]["Id"]["S"]
        names, values = p["ExpressionAttributeNames"], p.get("ExpressionAttributeValues", {})
        assert values or "ExpressionAttributeValues" not in p, "DynamoDB takes no empty map"
        kept = self.items.get(key, {})
        condition = p.get("ConditionExpression")
        if condition and not holds(condition, item=kept, names=names, values=values):
            raise RefusalError("ConditionalCheckFailedException", "The conditional request failed")
        item = {"Id": key, **kept}
        text = p["UpdateExpression"]
        clauses = re.fullmatch(r"(?:SET (?P<set>#.+?))?(?:(?:^| )REMOVE (?P<remove>#.+))?", text)
        assert clauses is not None, f"DynamoDB refuses {text!r}"
        sets, removes = clauses["set"] or "", clauses["remove"] or ""
        for target, once, value in re.findall(r"(#\w+) = (?:(if_not_exists)\(#\w+, )?(:\w+)", sets):
            (plain,) = values[value].values()
            if not (once and names[target] in item):
                item[names[target]] = plain
        for target in filter(None, removes.split(", ")):
            item.pop(names[target], None)
        self.items[key] = item
        self.tables[key] = p["TableName"]
        return {"Attributes": _typed(item)}

    def scan(self, p: dict[str, Any]) -> dict[str, Any]:
        names = p["ExpressionAttributeNames"]
        return {
            "Items": [
                _typed(item)
                for key, item in self.items.items()
                if self.tables.get(key, p["TableName"]) == p["TableName"]
                and holds(p["FilterExpression"], item=item, names=names, values={})
            ]
        }

    # CloudFormation, Step Functions, SNS, Lambda

    def describe_stacks(self, p: dict[str, Any]) -> dict[str, Any]:
        stack = self._stack(p["StackName"])
        return {
            "Stacks": [{"StackName": "made", "CreationTime": START, "StackStatus": stack.status}]
        }

    def describe_stack_resource(self, p: dict[str, Any]) -> dict[str, Any]:
        logical = p["LogicalResourceId"]
        stack = self._stack(p["StackName"])
        resources = stack.resources
        if logical not in resources:
            raise RefusalError("ValidationError", f"Resource {logical} does not exist for stack")
        return {
            "StackResourceDetail": {
                "LogicalResourceId": logical,
                "PhysicalResourceId": resources[logical],
                "ResourceType": "Custom::BedrockModelCustomizationJob",
                "LastUpdatedTimestamp": self.now,
                "ResourceStatus": stack.status
                if stack.status == "DELETE_FAILED"
                else "CREATE_COMPLETE",
            }
        }

    def _stack(self, name: str) -> FakeStack:
        if name not in self.stacks:
            raise RefusalError("ValidationError", f"Stack with id {name} does not exist")
        return self.stacks[name]

    def get_template(self, p: dict[str, Any]) -> dict[str, Any]:
        self._stack(p["StackName"])
        # As it comes over the wire; botocore makes JSON of it.
        return {"TemplateBody": json.dumps({"Resources": {}})}

    def start_execution(self, p: dict[str, Any]) -> dict[str, Any]:
        if p["name"] in self.executions:
            raise RefusalError("ExecutionAlreadyExists", f"Execution already exists: {p['name']}")
        self.executions[p["name"]] = json.loads(p["input"])
        return {"executionArn": f"{p['stateMachineArn']}:{p['name']}", "startDate": self.now}

    def publish(self, p: dict[str, Any]) -> dict[str, Any]:
        self.published.append(p)
        return {"MessageId": "made"}

    def invoke(self, p: dict[str, Any]) -> dict[str, Any]:
        if p["InvocationType"] == "RequestResponse":
            return self._invoke_and_wait(p["Payload"])
        assert p["InvocationType"] == "Event"
        self.invoked.append(p["Payload"])
        return {"StatusCode": 202}

    def _invoke_and_wait(self, payload: bytes) -> dict[str, Any]:
        assert self.waited_for is not None
        before = len(self.calls)
        failed = {}
        try:
            body = self.waited_for(payload)
        except CustomizationError as error:
            body = {"errorType": type(error).__name__, "errorMessage": str(error)}
            failed = {"FunctionError": "Unhandled"}
        finally:
            self._of_the_called.update(range(before, len(self.calls)))
        return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(body).encode()), **failed}

    def describe_network_interfaces(self, p: dict[str, Any]) -> dict[str, Any]:
        filters = {entry["Name"]: entry["Values"] for entry in p["Filters"]}
        assert filters["tag:BedrockManaged"] == ["true"]
        (arn,) = filters["tag:BedrockModelCustomizationJobArn"]
        return {"NetworkInterfaces": [{} for _ in range(self.interfaces.get(arn, 0))]}

    # Bedrock's runtime

    def converse(self, p: dict[str, Any]) -> dict[str, Any]:
        bedrock = self.bedrock
        served = bedrock.find_deployment(p["modelId"]) or bedrock.find_throughput(p["modelId"])
        if served is None:
            raise RefusalError("ResourceNotFoundException", "Could not find the model", 404)
        if served["status"] not in {"Active", "InService"}:
            raise RefusalError("ModelNotReadyException", "The model is not ready", 429)
        text = self.says(p["messages"][0]["content"][0]["text"])
        tokens = len(text.split())
        return {
            "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 7, "outputTokens": tokens, "totalTokens": 7 + tokens},
            "metrics": {"latencyMs": 1},
        }

    # Scheduler

    def create_schedule(self, p: dict[str, Any]) -> dict[str, Any]:
        if p["Name"] in self.schedules:
            raise RefusalError("ConflictException", f"Schedule {p['Name']} already exists.", 409)
        return self._keep_schedule(p)

    def update_schedule(self, p: dict[str, Any]) -> dict[str, Any]:
        self._schedule(p)
        return self._keep_schedule(p)

    def get_schedule(self, p: dict[str, Any]) -> dict[str, Any]:
        return {"Name": p["Name"], "GroupName": p["GroupName"], **self._schedule(p)}

    def delete_schedule(self, p: dict[str, Any]) -> dict[str, Any]:
        self._schedule(p)
        del self.schedules[p["Name"]]
        return {}

    def _schedule(self, p: dict[str, Any]) -> dict[str, Any]:
        if p["Name"] not in self.schedules:
            raise RefusalError(
                "ResourceNotFoundException", f"Schedule {p['Name']} does not exist.", 404
            )
        return self.schedules[p["Name"]]

    def _keep_schedule(self, p: dict[str, Any]) -> dict[str, Any]:
        self.schedules[p["Name"]] = {
            key: value
            for key, value in p.items()
            if key not in {"Name", "GroupName", "ClientToken"}
        }
        group = p["GroupName"]
        return {"ScheduleArn": f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/{group}/{p['Name']}"}

    def fire_schedules(self) -> list[str]:
        """Let the schedules happen that are due; return those whose target took the call.

        The others are tried again: the Scheduler does so for a day.
        """
        fired = []
        for name, schedule in list(self.schedules.items()):
            at = datetime.fromisoformat(schedule["ScheduleExpression"][3:-1]).replace(tzinfo=UTC)
            if at > self.now:
                continue
            target = json.loads(schedule["Target"]["Input"])["ProvisionedModelId"]
            found = self.bedrock.find_throughput(target)
            # The Scheduler's role may delete what carries our tag; denied, it gives up after a day.
            tags = self.tags.get(found["provisionedModelArn"], {}) if found else {}
            if found and tags.get("finetune:environment") != "dev":
                del self.schedules[name]
                continue
            try:
                self.bedrock.delete_throughput({"provisionedModelId": target})
            except RefusalError as refusal:
                if refusal.code != "ResourceNotFoundException":
                    continue
            del self.schedules[name]
            fired.append(name)
        return fired

    # The wire

    def answer(self, model: OperationModel, params: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Answer one call as botocore hands it on: a response's status and its parsed body."""
        self.calls.append((model.service_model.service_name, model.name))
        try:
            self.before_call(model.name)
            body = self.serve(model.name, params)
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

    def serve(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        """Serve an operation of any of the services."""
        own: Callable[[dict[str, Any]], dict[str, Any]] | None
        own = getattr(self, _snake(operation), None)
        return self.bedrock.call(operation, params) if own is None else own(params)

    def before_call(self, operation: str) -> None:
        """Raise what is planted before an operation's effect."""
        self._raise_fault(operation, after=False)

    def after_call(self, operation: str) -> None:
        """Raise what is planted after an operation's effect."""
        self._raise_fault(operation, after=True)

    def _raise_fault(self, operation: str, *, after: bool) -> None:
        raise_planted(self.faults, operation, after=after)

    def direct(self, service: str) -> Any:  # noqa: ANN401 - a client of any service
        """Return a client without botocore in between, for many thousands of calls."""
        return _Direct(self, service)


def _arn(resource: str) -> str:
    owner = "" if resource.startswith("foundation-model/") else ACCOUNT
    return f"arn:aws:bedrock:{REGION}:{owner}:{resource}"


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
                body = aws.serve(operation, params)
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
