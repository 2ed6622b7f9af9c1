"""An account in memory that holds what the app owns, behind real boto3 clients.

Lists are empty unless a test fills them; what is deleted is gone from the next list.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.session
from botocore.loaders import create_loader
from botocore.model import OperationModel

from tests.finetune.aws_fake import ACCOUNT, REGION, FakeAws, RefusalError

LOADER = create_loader()
CREATED = datetime(2026, 11, 20, tzinfo=UTC)
TAG = "finetune:environment"
MODEL_TYPE = "Custom::BedrockModelCustomizationJob"


@dataclass
class HeldStack:
    """A stack of the account."""

    name: str
    environment: str = "dev"
    status: str = "CREATE_COMPLETE"
    protected: bool = False
    resources: list[dict[str, str]] = field(default_factory=list)
    template: dict[str, Any] = field(default_factory=lambda: {"Resources": {}})
    refused: list[str] = field(default_factory=list)
    """Reasons with which its next deletions fail, one each."""
    events: list[dict[str, Any]] = field(default_factory=list)
    created: datetime = CREATED
    tagged: bool = True

    @property
    def id(self) -> str:
        return f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{self.name}/1"

    def holds(
        self, type_: str, physical_id: str, *, stays: bool = False, **properties: str
    ) -> HeldStack:
        """Add a resource, and return the stack."""
        logical_id = f"R{len(self.resources)}"
        self.resources.append(
            {
                "LogicalResourceId": logical_id,
                "PhysicalResourceId": physical_id,
                "ResourceType": type_,
                "ResourceStatus": "CREATE_COMPLETE",
            }
        )
        self.template["Resources"][logical_id] = {
            "Type": type_,
            "DeletionPolicy": "Retain" if stays else "Delete",
            "Properties": properties,
        }
        return self


class OwnedAccount(FakeAws):
    """What the app owns in one account and Region."""

    def __init__(self) -> None:
        super().__init__(stacks={})
        self.held: list[HeldStack] = []
        self.deleted: list[HeldStack] = []
        self.models: dict[str, dict[str, str]] = {}
        """Job of each model by its name; and its key, where a test names one."""
        self.throughputs: dict[str, dict[str, Any]] = {}
        self.deployments: dict[str, dict[str, Any]] = {}
        self.tags: dict[str, dict[str, str]] = {}
        """Tags of what Bedrock has, by ARN."""
        self.tagged: dict[str, str] = {}
        """Environment by ARN, as the tagging API tells."""
        self.refused_tags = ""
        """Code of the error with which Bedrock refuses to tell tags."""
        self.buckets: dict[str, list[str]] = {}
        """Keys of the objects in each bucket."""
        self.keys: dict[str, str] = {}
        """State of each key by its id."""
        self.topics: dict[str, dict[str, str]] = {}
        """Tags of each topic by its name."""
        self.identity_outputs: dict[str, str] = {}
        self.interfaces: list[dict[str, Any]] = []
        self.functions: dict[str, Any] = {}
        """What a function answers, or the error of its call."""
        self._asked = threading.local()

    def session(self, **arguments: Any) -> boto3.Session:
        """As its parent's, without reading the service models for each test anew."""
        botocore_session = botocore.session.get_session()
        botocore_session.register_component("data_loader", LOADER)
        return super().session(botocore_session=botocore_session, **arguments)

    def _remember(self, params: dict[str, Any], model: OperationModel, **more: Any) -> None:
        # Several threads ask at once.
        self._asked.params = dict(params)
        super()._remember(params, model, **more)

    def _answer(self, model: OperationModel, **_: Any) -> tuple[SimpleNamespace, dict[str, Any]]:
        service = model.service_model.service_name
        try:
            if model.name in self.refusals:
                raise self.refusals[model.name]
            handler = getattr(self, f"_on_{service}_{model.name}", None) or getattr(
                self, f"_on_{model.name}", None
            )
            answer = handler(self._asked.params) if handler else {}
        except RefusalError as refusal:
            error = {
                "Error": {"Code": refusal.code, "Message": refusal.message},
                "ResponseMetadata": {"HTTPStatusCode": refusal.status},
            }
            return SimpleNamespace(status_code=refusal.status), error
        return SimpleNamespace(status_code=200), answer

    # What a test fills in

    def stack(self, part: str, **values: Any) -> HeldStack:
        """Add a stack of the environment `dev`."""
        held = HeldStack(name=f"finetune-dev-{part}", **values)
        self.held.append(held)
        return held

    def job_stack(
        self, job: str, model: str, *, on_delete: str = "delete-model", **values: Any
    ) -> HeldStack:
        """Add the stack of a job, and the model that it stands for."""
        held = self.stack(f"job-{job}", **values).holds(
            MODEL_TYPE, model, OnDelete=on_delete, OnReplace="keep-model"
        )
        self.model(model, job=job)
        return held

    def model(self, name: str, *, job: str, key: str = "") -> None:
        """Add a custom model with our tags."""
        self.models[name] = {"job": job, "key": key}
        self.tags[_arn("custom-model", name)] = {TAG: "dev", "finetune:job": job}

    def throughput(self, name: str, *, job: str, **values: Any) -> None:
        """Add provisioned throughput with our tags."""
        self.throughputs[name] = {"status": "InService", "modelUnits": 1, **values}
        self.tags[_arn("provisioned-model", name)] = {TAG: "dev", "finetune:job": job}

    def deployment(self, name: str, *, job: str, **values: Any) -> None:
        """Add a deployment with our tags."""
        self.deployments[name] = {"status": "Active", **values}
        self.tags[_arn("custom-model-deployment", name)] = {TAG: "dev", "finetune:job": job}

    # CloudFormation

    def _find(self, name: str) -> HeldStack:
        for held in [*self.held, *self.deleted]:
            if name == held.id or (name == held.name and held in self.held):
                return held
        raise RefusalError("ValidationError", f"Stack with id {name} does not exist")

    def _on_DescribeStacks(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        named = arguments.get("StackName")
        found = [self._find(named)] if named else self.held
        answer = []
        for held in found:
            described = {
                "StackName": held.name,
                "StackId": held.id,
                "StackStatus": held.status,
                "CreationTime": held.created,
                "EnableTerminationProtection": held.protected,
                "Tags": [{"Key": TAG, "Value": held.environment}] if held.tagged else [],
                "Outputs": [
                    {"OutputKey": key, "OutputValue": value}
                    for key, value in self.identity_outputs.items()
                    if held.name.endswith("-identity")
                ],
            }
            answer.append(described)
            if held.status == "DELETE_IN_PROGRESS":
                self._end_deletion(held)
        return {"Stacks": answer}

    def _end_deletion(self, held: HeldStack) -> None:
        if held.refused:
            reason = held.refused.pop(0)
            held.status = "DELETE_FAILED"
            held.events.insert(
                0,
                {
                    "EventId": f"event-{len(held.events)}",
                    "LogicalResourceId": "It",
                    "ResourceStatus": "DELETE_FAILED",
                    "ResourceStatusReason": reason,
                },
            )
            return
        held.status = "DELETE_COMPLETE"
        self.held.remove(held)
        self.deleted.append(held)
        for resource in held.resources:
            stays = held.template["Resources"][resource["LogicalResourceId"]]
            if stays["DeletionPolicy"] == "Retain":
                continue
            name = resource["PhysicalResourceId"]
            if stays["Properties"].get("OnDelete") == "delete-model":
                self.models.pop(name, None)
            self.buckets.pop(name, None)
            if name in self.keys:
                self.keys[name] = "PendingDeletion"

    def _on_DeleteStack(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        held = self._find(arguments["StackName"])
        if held.protected:
            raise RefusalError("ValidationError", "TerminationProtection is enabled")
        held.status = "DELETE_IN_PROGRESS"
        return {}

    def _on_UpdateTerminationProtection(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        held = self._find(arguments["StackName"])
        held.protected = arguments["EnableTerminationProtection"]
        return {"StackId": held.id}

    def _on_DescribeStackEvents(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"StackEvents": self._find(arguments["StackName"]).events}

    def _on_ListStackResources(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"StackResourceSummaries": self._find(arguments["StackName"]).resources}

    def _on_GetTemplate(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"TemplateBody": json.dumps(self._find(arguments["StackName"]).template)}

    def _on_ListStacks(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        assert arguments["StackStatusFilter"] == ["DELETE_COMPLETE"]
        return {
            "StackSummaries": [
                {
                    "StackName": held.name,
                    "StackId": held.id,
                    "StackStatus": "DELETE_COMPLETE",
                    "CreationTime": held.created,
                }
                for held in self.deleted
            ]
        }

    # Bedrock

    def _on_ListCustomModels(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        del arguments
        return {
            "modelSummaries": [
                {
                    "modelName": name,
                    "modelArn": _arn("custom-model", name),
                    "creationTime": CREATED,
                    "baseModelArn": f"arn:aws:bedrock:{REGION}::foundation-model/"
                    "amazon.nova-2-lite-v1:0:256k",
                    "modelStatus": "Active",
                }
                for name in self.models
            ]
        }

    def _on_GetCustomModel(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        name = arguments["modelIdentifier"].rpartition("/")[2]
        if name not in self.models:
            raise RefusalError("ResourceNotFoundException", status=404)
        key = self.models[name]["key"]
        return {"modelName": name, **({"modelKmsKeyArn": _key_arn(key)} if key else {})}

    def _on_DeleteCustomModel(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        name = arguments["modelIdentifier"].rpartition("/")[2]
        if any(each.get("model") == name for each in self.throughputs.values()):
            raise RefusalError("ConflictException", "the model is in use", 409)
        del self.models[name]
        return {}

    def _on_ListProvisionedModelThroughputs(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        del arguments
        return {
            "provisionedModelSummaries": [
                {
                    "provisionedModelName": name,
                    "provisionedModelArn": _arn("provisioned-model", name),
                    "foundationModelArn": f"arn:aws:bedrock:{REGION}::foundation-model/"
                    "amazon.nova-2-lite-v1:0:256k",
                    "creationTime": CREATED,
                    **{key: value for key, value in about.items() if key != "model"},
                }
                for name, about in self.throughputs.items()
            ]
        }

    def _on_GetProvisionedModelThroughput(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        name = arguments["provisionedModelId"].rpartition("/")[2]
        if name not in self.throughputs:
            raise RefusalError("ResourceNotFoundException", status=404)
        return {"provisionedModelName": name}

    def _on_DeleteProvisionedModelThroughput(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        del self.throughputs[arguments["provisionedModelId"].rpartition("/")[2]]
        return {}

    def _on_ListCustomModelDeployments(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        del arguments
        return {
            "modelDeploymentSummaries": [
                {
                    "customModelDeploymentName": name,
                    "customModelDeploymentArn": _arn("custom-model-deployment", name),
                    "createdAt": CREATED,
                    **about,
                }
                for name, about in self.deployments.items()
            ]
        }

    def _on_ListModelCustomizationJobs(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return super()._on_ListModelCustomizationJobs({"nameContains": "", **arguments})

    def _on_bedrock_ListTagsForResource(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        if self.refused_tags:
            raise RefusalError(self.refused_tags)
        tags = self.tags.get(arguments["resourceARN"], {})
        return {"tags": [{"key": key, "value": value} for key, value in tags.items()]}

    # The rest

    def _on_GetResources(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        del arguments
        return {
            "ResourceTagMappingList": [
                {"ResourceARN": arn, "Tags": [{"Key": TAG, "Value": environment}]}
                for arn, environment in self.tagged.items()
            ]
        }

    def _on_GetCallerIdentity(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        del arguments
        return {"Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/me", "UserId": "x"}

    def _on_AssumeRole(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {
            "Credentials": {
                "AccessKeyId": arguments["RoleArn"].rpartition("/")[2],
                "SecretAccessKey": "secret",
                "SessionToken": "token",
                "Expiration": datetime(2030, 1, 1, tzinfo=UTC),
            }
        }

    def _on_ListBuckets(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        del arguments
        return {
            "Buckets": [
                {"Name": name, "CreationDate": CREATED, "BucketRegion": REGION}
                for name in self.buckets
            ]
        }

    def _on_GetBucketTagging(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        del arguments
        return {"TagSet": [{"Key": TAG, "Value": "dev"}]}

    def _on_ListObjectVersions(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        if arguments["Bucket"] not in self.buckets:
            raise RefusalError("NoSuchBucket", status=404)
        keys = self.buckets[arguments["Bucket"]]
        return {"Versions": [{"Key": key, "VersionId": "1"} for key in keys]}

    def _on_DeleteObjects(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        for each in arguments["Delete"]["Objects"]:
            self.buckets[arguments["Bucket"]].remove(each["Key"])
        return {}

    def _on_DeleteBucket(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        if self.buckets[arguments["Bucket"]]:
            raise RefusalError("BucketNotEmpty", status=409)
        del self.buckets[arguments["Bucket"]]
        return {}

    def _on_ListKeys(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        del arguments
        return {"Keys": [{"KeyId": key, "KeyArn": _key_arn(key)} for key in self.keys]}

    def _on_ListResourceTags(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        del arguments
        return {"Tags": [{"TagKey": TAG, "TagValue": "dev"}]}

    def _on_DescribeKey(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        key = arguments["KeyId"]
        return {
            "KeyMetadata": {
                "KeyId": key,
                "CreationDate": CREATED,
                "KeyState": self.keys[key],
                "Description": key,
                **(
                    {"DeletionDate": datetime(2026, 12, 1, tzinfo=UTC)}
                    if self.keys[key] == "PendingDeletion"
                    else {}
                ),
            }
        }

    def _on_ScheduleKeyDeletion(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.keys[arguments["KeyId"]] = "PendingDeletion"
        return {"DeletionDate": datetime(2026, 12, 1, tzinfo=UTC)}

    def _on_ListTopics(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        del arguments
        return {"Topics": [{"TopicArn": _topic(name)} for name in self.topics]}

    def _on_sns_ListTagsForResource(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        tags = self.topics[arguments["ResourceArn"].rpartition(":")[2]]
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def _on_DeleteTopic(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        del self.topics[arguments["TopicArn"].rpartition(":")[2]]
        return {}

    def _on_DescribeVpcs(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        del arguments
        tags = [{"Key": TAG, "Value": "dev"}]
        there = any(held.name.endswith("-network") for held in self.held)
        return {"Vpcs": [{"VpcId": "vpc-1", "Tags": tags, "State": "available"}] if there else []}

    def _on_DescribeNetworkInterfaces(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        del arguments
        found = list(self.interfaces)
        # AWS releases one between two looks.
        del self.interfaces[:1]
        return {"NetworkInterfaces": found}

    def _on_Invoke(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        name = arguments["FunctionName"]
        if name not in self.functions:
            raise RefusalError("ResourceNotFoundException", "Function not found", 404)
        answer = self.functions[name]
        failed = "errorMessage" in answer
        return {
            "StatusCode": 200,
            "Payload": _Body(json.dumps(answer).encode()),
            **({"FunctionError": "Unhandled"} if failed else {}),
        }


@dataclass(frozen=True)
class _Body:
    content: bytes

    def read(self) -> bytes:
        return self.content


def _arn(kind: str, name: str) -> str:
    return f"arn:aws:bedrock:{REGION}:{ACCOUNT}:{kind}/{name}"


def _key_arn(key: str) -> str:
    return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{key}"


def _topic(name: str) -> str:
    return f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}"
