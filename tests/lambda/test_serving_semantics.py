"""The fake Bedrock serves models as Bedrock says it does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rehearsal.bedrock_semantics.errors import ImpossibleError, ServiceError
from rehearsal.bedrock_semantics.serving import MOST_DEPLOYMENTS
from rehearsal.bedrock_semantics.shapes import input_problems
from tests.fakes.aws import FakeAws
from tests.fakes.deployments import plant_job


@pytest.fixture
def served(aws: FakeAws) -> tuple[FakeAws, str]:
    """An account with a custom model and three model units."""
    plant_job(aws)
    aws.bedrock.serving.model_units = 3
    return aws, next(iter(aws.models))


def call(aws: FakeAws, operation: str, **parameters: Any) -> dict[str, Any]:
    assert not input_problems(operation=operation, parameters=parameters)
    return aws.bedrock.call(operation, parameters)


def deployed(aws: FakeAws, model: str, name: str = "made", **more: Any) -> str:
    answer = call(
        aws, "CreateCustomModelDeployment", modelDeploymentName=name, modelArn=model, **more
    )
    return str(answer["customModelDeploymentArn"])


def bought(aws: FakeAws, model: str, name: str = "made", units: int = 1, **more: Any) -> str:
    answer = call(
        aws,
        "CreateProvisionedModelThroughput",
        provisionedModelName=name,
        modelId=model,
        modelUnits=units,
        **more,
    )
    return str(answer["provisionedModelArn"])


def refused(code: str) -> Any:  # noqa: ANN401 - pytest's own
    return pytest.raises(ServiceError, check=lambda error: error.code == code)


def test_a_deployment_is_made_found_and_listed(served: tuple[FakeAws, str]) -> None:
    aws, model = served
    arn = deployed(aws, model, tags=[{"key": "a", "value": "b"}])
    for identifier in ("made", arn):
        found = call(aws, "GetCustomModelDeployment", customModelDeploymentIdentifier=identifier)
        assert found["status"] == "Creating"
    aws.bedrock.settle_deployment("made", "Active")
    (listed,) = call(aws, "ListCustomModelDeployments", statusEquals="Active", nameContains="ad")[
        "modelDeploymentSummaries"
    ]
    assert listed["customModelDeploymentArn"] == arn
    assert not call(aws, "ListCustomModelDeployments", nameContains="other")[
        "modelDeploymentSummaries"
    ]
    tags = call(aws, "ListTagsForResource", resourceARN=arn)["tags"]
    assert tags == [{"key": "a", "value": "b"}]


def test_a_token_that_was_seen_makes_nothing(served: tuple[FakeAws, str]) -> None:
    aws, model = served
    first = deployed(aws, model, clientRequestToken="token")
    assert deployed(aws, model, clientRequestToken="token") == first
    assert len(aws.bedrock.deployments) == 1
    first = bought(aws, model, clientRequestToken="token")
    assert bought(aws, model, clientRequestToken="token") == first
    assert len(aws.bedrock.throughputs) == 1


def test_a_name_is_taken_once(served: tuple[FakeAws, str]) -> None:
    aws, model = served
    deployed(aws, model)
    with refused("ValidationException"):
        deployed(aws, model)
    bought(aws, model)
    with refused("ValidationException"):
        bought(aws, model)


def test_what_is_being_made_or_is_committed_cannot_be_deleted(
    served: tuple[FakeAws, str],
) -> None:
    aws, model = served
    deployed(aws, model)
    with refused("ConflictException"):
        call(aws, "DeleteCustomModelDeployment", customModelDeploymentIdentifier="made")
    bought(aws, model, commitmentDuration="OneMonth")
    aws.bedrock.settle_throughput("made", "InService")
    aws.now += timedelta(days=29)
    with refused("ConflictException"):
        call(aws, "DeleteProvisionedModelThroughput", provisionedModelId="made")
    aws.now += timedelta(days=1)
    call(aws, "DeleteProvisionedModelThroughput", provisionedModelId="made")
    with refused("ResourceNotFoundException"):
        call(aws, "GetProvisionedModelThroughput", provisionedModelId="made")


def test_what_costs_by_the_hour_without_a_commitment_can_go_at_once(
    served: tuple[FakeAws, str],
) -> None:
    aws, model = served
    bought(aws, model)
    aws.bedrock.settle_throughput("made", "InService")
    call(aws, "DeleteProvisionedModelThroughput", provisionedModelId="made")
    assert not aws.bedrock.throughputs


def test_units_that_were_not_granted_cannot_be_bought(served: tuple[FakeAws, str]) -> None:
    aws, model = served
    bought(aws, model, units=2)
    with refused("ServiceQuotaExceededException"):
        bought(aws, model, name="more", units=2)
    bought(aws, model, name="more", units=1)


def test_deployments_have_quotas(served: tuple[FakeAws, str]) -> None:
    aws, model = served
    deployed(aws, model, name="one")
    deployed(aws, model, name="two")
    with refused("ServiceQuotaExceededException"):
        deployed(aws, model, name="three")
    for number in range(2, MOST_DEPLOYMENTS):
        for name in ("one", "two") if number == 2 else (f"n{number - 1}",):
            aws.bedrock.settle_deployment(name, "Active")
        deployed(aws, model, name=f"n{number}")
    aws.bedrock.settle_deployment(f"n{number}", "Active")
    with refused("ServiceQuotaExceededException"):
        deployed(aws, model, name="last")


def test_a_model_that_something_uses_cannot_be_deleted(served: tuple[FakeAws, str]) -> None:
    aws, model = served
    bought(aws, model)
    with refused("ConflictException"):
        call(aws, "DeleteCustomModel", modelIdentifier=model)
    aws.bedrock.settle_throughput("made", "InService")
    call(aws, "DeleteProvisionedModelThroughput", provisionedModelId="made")
    call(aws, "DeleteCustomModel", modelIdentifier=model)


def test_what_was_made_is_not_made_again(served: tuple[FakeAws, str]) -> None:
    aws, model = served
    deployed(aws, model)
    aws.bedrock.settle_deployment("made", "Failed", "made-up reason")
    with pytest.raises(ImpossibleError):
        aws.bedrock.settle_deployment("made", "Active")
    found = call(aws, "GetCustomModelDeployment", customModelDeploymentIdentifier="made")
    assert found["failureMessage"] == "made-up reason"
