"""How each call about deployments is reached, and what must be so after its errors are over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from tests.fakes.aws import FakeAws
from tests.fakes.deployments import (
    WishResource,
    deploy,
    later,
    plant_job,
    provisioned,
    serve,
    wish,
)

Reach = Callable[[FakeAws, WishResource], Callable[[], object]]


def _wanted(aws: FakeAws, wished: WishResource, properties: dict[str, Any]) -> None:
    plant_job(aws)
    aws.bedrock.serving.model_units = 10
    wished.properties = properties
    wished.create()
    wished.at_rest()


def _active(aws: FakeAws, wished: WishResource, properties: dict[str, Any]) -> None:
    _wanted(aws, wished, properties)
    deploy(aws)
    serve(aws)
    deploy(aws)


def _make(aws: FakeAws, wished: WishResource) -> Callable[[], object]:
    _wanted(aws, wished, wish())
    return lambda: deploy(aws)


def _buy(aws: FakeAws, wished: WishResource) -> Callable[[], object]:
    _wanted(aws, wished, provisioned())
    return lambda: deploy(aws)


def _follow_up(aws: FakeAws, wished: WishResource) -> Callable[[], object]:
    plant_job(aws)
    later(aws, minutes=1)
    wished.properties = wish()
    wished.create()
    wished.at_rest()
    return lambda: deploy(aws)


def _extend(aws: FakeAws, wished: WishResource) -> Callable[[], object]:
    _active(aws, wished, provisioned())
    wished.update(provisioned(Hours="9"))
    wished.at_rest("UPDATE_COMPLETE")
    return lambda: deploy(aws)


def _remove(aws: FakeAws, wished: WishResource) -> Callable[[], object]:
    _active(aws, wished, wish())
    wished.gone()
    later(aws, minutes=20)
    return lambda: deploy(aws)


def _remove_bought(aws: FakeAws, wished: WishResource) -> Callable[[], object]:
    _active(aws, wished, provisioned())
    wished.gone()
    later(aws, minutes=20)
    return lambda: deploy(aws)


def _wait_for_removal(aws: FakeAws, wished: WishResource) -> Callable[[], object]:
    _active(aws, wished, provisioned())
    wished.delete()
    return wished.is_complete


REACHED: Final[dict[tuple[str, str], Reach]] = {
    ("completion_check", "GetCustomModelDeployment"): _wait_for_removal,
    ("completion_check", "GetProvisionedModelThroughput"): _wait_for_removal,
    ("completion_check", "ListTagsForResource"): _wait_for_removal,
    ("completion_check", "Invoke"): _wait_for_removal,
    ("deployer", "CreateCustomModelDeployment"): _make,
    ("deployer", "CreateProvisionedModelThroughput"): _buy,
    ("deployer", "DeleteCustomModelDeployment"): _remove,
    ("deployer", "DeleteProvisionedModelThroughput"): _remove_bought,
    ("deployer", "GetCustomModelDeployment"): _make,
    ("deployer", "GetModelCustomizationJob"): _make,
    ("deployer", "GetProvisionedModelThroughput"): _buy,
    ("deployer", "ListCustomModelDeployments"): _make,
    ("deployer", "ListProvisionedModelThroughputs"): _make,
    ("deployer", "ListTagsForResource"): _make,
    ("deployer", "DescribeStackResource"): _make,
    ("deployer", "DescribeStacks"): _make,
    ("deployer", "GetItem"): _make,
    ("deployer", "Scan"): _make,
    ("deployer", "UpdateItem"): _make,
    ("deployer", "CreateSchedule"): _buy,
    ("deployer", "DeleteSchedule"): _remove_bought,
    ("deployer", "GetSchedule"): _buy,
    ("deployer", "UpdateSchedule"): _extend,
    ("deployer", "StartExecution"): _follow_up,
}
"""For each call about deployments, what leads to it."""

OUTCOMES: Final = {
    "refused": "the deployment is Failed, with cause and remedy, and the follow-up tells it",
    "asked for again": "Bedrock is asked again at the next sweeps, for an hour",
}
"""What may come of a cell about deployments, besides what may come of any."""


def word_of(wished: WishResource) -> str | None:
    """Return what came of a sweep for a wish, None when it is as if nothing had been."""
    row = wished.aws.items.get(str(wished.physical_id), {})
    if row.get("State") == "Failed":
        return "refused"
    if row.get("State") == "Wanted" and "Failure" in row:
        return "asked for again"
    return None


def afterwards(aws: FakeAws, wished: WishResource) -> None:
    """Let all that follows come without errors, and look at what is left."""
    gone = wished.last["RequestType"] == "Delete"
    for _ in range(6):
        later(aws, minutes=10)
        serve(aws)
        deploy(aws)
    if gone:
        assert wished.is_complete() == {"IsComplete": True}
    bedrock = aws.bedrock
    names = [each["modelDeploymentName"] for each in bedrock.deployments.values()]
    names += [each["provisionedModelName"] for each in bedrock.throughputs.values()]
    assert not [name for name, number in Counter(names).items() if number > 1], names
    if gone or aws.stacks[wished.stack].status == "DELETE_COMPLETE":
        assert not names, "something serves that nobody wants"
        assert not aws.schedules
        return
    state = wished.row()["State"]
    assert bool(names) == (state == "Active"), (state, names)
    assert state in {"Active", "Failed"}, state
    assert set(aws.schedules) == {each for each in names if bedrock.find_throughput(each)}
