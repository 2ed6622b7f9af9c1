"""Every decision of the table has a twin: templates that differ by the least that turns it."""

from __future__ import annotations

from collections import Counter

import pytest

from review.decisions.stage import Stage
from review.decisions.table import Row, table
from review.mutation.weaken import weakenings
from review.template.deployment import Deployment
from tests.review.decisions.twins import Twin, Twins


@pytest.fixture(scope="module")
def twins(dev: Deployment) -> dict[str, tuple[Row, Twin]]:
    """The twin of each decision that the templates can be asked for."""
    finder = Twins(dev)
    return {row.id: (row, finder.twin(row)) for row in table().rows if row.who != "stranger"}


def test_every_decision_is_turned_by_some_weakening(twins: dict[str, tuple[Row, Twin]]) -> None:
    without = {id_ for id_, (row, twin) in twins.items() if not twin.changes}
    said = {id_ for id_, (row, _) in twins.items() if row.entry.no_twin}
    assert without == said


def test_most_decisions_hang_on_one_policy_and_none_on_more_than_three(
    twins: dict[str, tuple[Row, Twin]],
) -> None:
    sizes = Counter(len(twin.changes) for _, twin in twins.values())
    assert max(sizes) == 3
    assert sizes[1] > sizes.total() * 0.9


def test_decisions_about_a_stranger_are_asked_where_one_is_named(dev: Deployment) -> None:
    """They have no twin among the others: without a stranger in a policy nobody is asked about."""
    rows = [row for row in table().rows if row.who == "stranger"]
    strangers = [each for each in weakenings(dev) if "everything for a stranger" in each.how]
    places = {(each.stack, each.logical_id) for each in strangers}
    assert len(rows) > 30
    turned: set[str] = set()
    for change in strangers:
        if change.type != "AWS::EC2::VPCEndpoint":
            stage = Stage(change.apply(dev))
            turned |= {row.id for row in rows if not stage.ask(row).holds}
    # A function and the data bucket need more than a statement that is added: the one has no
    # policy yet, the other denies everybody else besides.
    assert {row.to for row in rows if row.id not in turned} <= {
        "submitter-function", "completion-check-function", "follower-function",
        "dataset", "data-bucket",
    }  # fmt: skip
    assert len(places) > 10


def test_a_row_that_nothing_can_turn_is_found_out(dev: Deployment) -> None:
    """The search itself: where the widest policies are kept away, it finds no twin."""
    finder = Twins(dev)
    row = next(each for each in table().rows if each.id == "colleague-reads-the-table")
    assert finder.twin(row).changes
    finder.forget("AWS::DynamoDB::Table")
    assert not finder.twin(row).changes
