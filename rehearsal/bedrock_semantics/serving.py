"""Serving custom models: deployments on demand and provisioned throughput, over their records.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateCustomModelDeployment.html
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateProvisionedModelThroughput.html
Records are what the two Get operations answer, by ARN; of what was deleted nothing is left but its
token, which goes on answering with the ARN that it once made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from rehearsal.bedrock_semantics.errors import (
    ConflictError,
    ImpossibleError,
    NotFoundError,
    QuotaError,
    ServiceError,
    TooManyTagsError,
    ValidationError,
)
from rehearsal.bedrock_semantics.jobs import Record

CREATING, ACTIVE, IN_SERVICE, UPDATING, FAILED = (
    "Creating",
    "Active",
    "InService",
    "Updating",
    "Failed",
)
MOST_TAGS: Final = 50
MOST_DEPLOYMENTS: Final = 10
"""Custom model deployments per account and Region; adjustable."""
MOST_CREATING: Final = 2
"""Deployments that are being made at once; adjustable."""
COMMITTED_FOR: Final = {"OneMonth": timedelta(days=30), "SixMonths": timedelta(days=180)}


@dataclass(kw_only=True)
class Serving:
    """Deployments and throughput by ARN, and the operations on them.

    `model` finds a custom model by name or ARN or raises NotFoundError; `tags` is the store of all
    tags. `model_units` is how many units AWS Support has granted the account: by default none, as
    in a new account, and nothing can be bought.
    """

    clock: Callable[[], datetime]
    arn: Callable[[str], str]
    new_id: Callable[[], str]
    model: Callable[[str], Record]
    tags: MutableMapping[str, dict[str, str]]
    name_in_use: type[ServiceError]
    deployments: MutableMapping[str, Record] = field(default_factory=dict)
    throughputs: MutableMapping[str, Record] = field(default_factory=dict)
    tokens: MutableMapping[str, str] = field(default_factory=dict)
    most_deployments: int = MOST_DEPLOYMENTS
    most_creating: int = MOST_CREATING
    model_units: int = 0

    # Look-up

    def find_deployment(self, identifier: str) -> Record | None:
        """Return the deployment of a name or an ARN, None when there is none."""
        return _find(self.deployments, identifier, name="modelDeploymentName")

    def find_throughput(self, identifier: str) -> Record | None:
        """Return the throughput of a name or an ARN, None when there is none."""
        return _find(self.throughputs, identifier, name="provisionedModelName")

    def deployment(self, identifier: str) -> Record:
        """Return the deployment of a name or an ARN; raises NotFoundError."""
        found = self.find_deployment(identifier)
        if found is None:
            raise NotFoundError(f"Could not find the custom model deployment {identifier}")
        return found

    def throughput(self, identifier: str) -> Record:
        """Return the throughput of a name or an ARN; raises NotFoundError."""
        found = self.find_throughput(identifier)
        if found is None:
            raise NotFoundError(f"Could not find the provisioned model {identifier}")
        return found

    def uses(self, model_arn: str) -> bool:
        """Return whether a deployment or throughput uses a model, whatever its state."""
        return any(
            model_arn in (record["modelArn"], record.get("desiredModelArn"))
            for store in (self.deployments, self.throughputs)
            for record in list(store.values())
        )

    # On demand

    def create_deployment(self, request: Mapping[str, Any]) -> Record:
        """CreateCustomModelDeployment: a token that was seen before answers with its ARN."""
        known = self._with_token("deployment", request)
        if known is not None:
            return {"customModelDeploymentArn": known}
        _check_tags(request)
        model = self.model(request["modelArn"])
        if model["modelStatus"] != ACTIVE:
            raise ValidationError(f"The model {model['modelName']} is not Active")
        name = request["modelDeploymentName"]
        if self.find_deployment(name) is not None:
            raise self.name_in_use("The provided model deployment name is currently in use.")
        if len(self.deployments) >= self.most_deployments:
            raise QuotaError(f"at most {self.most_deployments} custom model deployments")
        making = [each for each in self.deployments.values() if each["status"] == CREATING]
        if len(making) >= self.most_creating:
            raise QuotaError(f"at most {self.most_creating} deployments in progress")
        now = self.clock()
        arn = self.arn(f"custom-model-deployment/{self.new_id()}")
        self.deployments[arn] = {
            "customModelDeploymentArn": arn,
            "modelDeploymentName": name,
            "modelArn": model["modelArn"],
            "createdAt": now,
            "lastUpdatedAt": now,
            "status": CREATING,
            **({"description": request["description"]} if "description" in request else {}),
        }
        self._keep("deployment", request, arn)
        return {"customModelDeploymentArn": arn}

    def get_deployment(self, request: Mapping[str, Any]) -> Record:
        """GetCustomModelDeployment."""
        return dict(self.deployment(request["customModelDeploymentIdentifier"]))

    def delete_deployment(self, request: Mapping[str, Any]) -> Record:
        """DeleteCustomModelDeployment: not while it is being made."""
        found = self.deployment(request["customModelDeploymentIdentifier"])
        if found["status"] == CREATING:
            raise ConflictError(f"The deployment {found['modelDeploymentName']} is being created")
        del self.deployments[found["customModelDeploymentArn"]]
        self.tags.pop(found["customModelDeploymentArn"], None)
        return {}

    def deployment_summaries(self, request: Mapping[str, Any]) -> list[Record]:
        """Return what ListCustomModelDeployments lists of the request's status and model."""
        return [
            {
                "customModelDeploymentArn": each["customModelDeploymentArn"],
                "customModelDeploymentName": each["modelDeploymentName"],
                **{
                    key: each[key]
                    for key in ("modelArn", "createdAt", "status", "lastUpdatedAt")
                    if key in each
                },
                **({"failureMessage": each["failureMessage"]} if "failureMessage" in each else {}),
            }
            for each in list(self.deployments.values())
            if request.get("statusEquals") in (None, each["status"])
            and request.get("modelArnEquals") in (None, each["modelArn"])
        ]

    def settle_deployment(self, identifier: str, status: str, failure: str | None = None) -> None:
        """Bring a deployment that is being made to Active or Failed.

        Raises:
            ImpossibleError: it is not being made any more.
        """
        _settle(
            self.deployment(identifier),
            status,
            failure=failure,
            allowed={ACTIVE, FAILED},
            moved={"lastUpdatedAt": self.clock()},
        )

    # Provisioned

    def create_throughput(self, request: Mapping[str, Any]) -> Record:
        """CreateProvisionedModelThroughput: a token that was seen before answers with its ARN."""
        known = self._with_token("throughput", request)
        if known is not None:
            return {"provisionedModelArn": known}
        _check_tags(request)
        model = self.model(request["modelId"])
        name, units = request["provisionedModelName"], request["modelUnits"]
        if self.find_throughput(name) is not None:
            raise self.name_in_use("The provided provisioned model name is currently in use.")
        bought = sum(each["modelUnits"] for each in self.throughputs.values())
        if bought + units > self.model_units:
            raise QuotaError(
                f"Your account has {self.model_units} model units for this model, {bought} of "
                f"them in use, and {units} more were requested"
            )
        now = self.clock()
        arn = self.arn(f"provisioned-model/{self.new_id()}")
        commitment = request.get("commitmentDuration")
        self.throughputs[arn] = {
            "modelUnits": units,
            "desiredModelUnits": units,
            "provisionedModelName": name,
            "provisionedModelArn": arn,
            "modelArn": model["modelArn"],
            "desiredModelArn": model["modelArn"],
            "foundationModelArn": model["baseModelArn"],
            "status": CREATING,
            "creationTime": now,
            "lastModifiedTime": now,
            **(
                {
                    "commitmentDuration": commitment,
                    "commitmentExpirationTime": now + COMMITTED_FOR[commitment],
                }
                if commitment
                else {}
            ),
        }
        self._keep("throughput", request, arn)
        return {"provisionedModelArn": arn}

    def get_throughput(self, request: Mapping[str, Any]) -> Record:
        """GetProvisionedModelThroughput."""
        return dict(self.throughput(request["provisionedModelId"]))

    def delete_throughput(self, request: Mapping[str, Any]) -> Record:
        """DeleteProvisionedModelThroughput: not before a commitment's end, nor while it is made.

        That one which is being made cannot be deleted is not documented; it is the harder case.
        """
        found = self.throughput(request["provisionedModelId"])
        name = found["provisionedModelName"]
        if found["status"] in {CREATING, UPDATING}:
            raise ConflictError(f"The provisioned model {name} is {found['status']}")
        ends = found.get("commitmentExpirationTime")
        if ends is not None and self.clock() < ends and found["status"] != FAILED:
            raise ConflictError(f"The commitment of {name} ends at {ends.isoformat()}")
        del self.throughputs[found["provisionedModelArn"]]
        self.tags.pop(found["provisionedModelArn"], None)
        return {}

    def throughput_summaries(self, request: Mapping[str, Any]) -> list[Record]:
        """Return what ListProvisionedModelThroughputs lists of the request's status and model."""
        return [
            {key: value for key, value in each.items() if key != "failureMessage"}
            for each in list(self.throughputs.values())
            if request.get("statusEquals") in (None, each["status"])
            and request.get("modelArnEquals") in (None, each["modelArn"])
        ]

    def settle_throughput(self, identifier: str, status: str, failure: str | None = None) -> None:
        """Bring throughput that is being made to InService or Failed.

        Raises:
            ImpossibleError: it is not being made any more.
        """
        _settle(
            self.throughput(identifier),
            status,
            failure=failure,
            allowed={IN_SERVICE, FAILED},
            moved={"lastModifiedTime": self.clock()},
        )

    # Tokens

    def _with_token(self, kind: str, request: Mapping[str, Any]) -> str | None:
        token = request.get("clientRequestToken")
        return self.tokens.get(f"{kind}/{token}") if token else None

    def _keep(self, kind: str, request: Mapping[str, Any], arn: str) -> None:
        self.tags[arn] = {tag["key"]: tag["value"] for tag in request.get("tags", [])}
        token = request.get("clientRequestToken")
        if token:
            self.tokens[f"{kind}/{token}"] = arn


def _find(store: Mapping[str, Record], identifier: str, *, name: str) -> Record | None:
    if identifier.startswith("arn:"):
        return store.get(identifier)
    named: Iterable[Record] = list(store.values())
    return next((each for each in named if each[name] == identifier), None)


def _check_tags(request: Mapping[str, Any]) -> None:
    if len(request.get("tags", [])) > MOST_TAGS:
        raise TooManyTagsError(f"tags: at most {MOST_TAGS} tags on a resource")


def _settle(
    record: Record,
    status: str,
    *,
    failure: str | None,
    allowed: set[str],
    moved: Mapping[str, datetime],
) -> None:
    if record["status"] != CREATING or status not in allowed:
        raise ImpossibleError(f"what is {record['status']} cannot be {status}")
    record["status"] = status
    record.update(moved)
    if failure:
        record["failureMessage"] = failure[:2048]
