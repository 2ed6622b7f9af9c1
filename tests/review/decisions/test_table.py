"""The table: every decision comes out as it says, everywhere, and it leaves nobody out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from review.decisions import calls, purposes
from review.decisions.run import ask_all, decision_findings, run
from review.decisions.stage import Stage
from review.decisions.table import (
    FILE,
    SERVING_FILE,
    load,
    serving,
    table,
    table_with_serving,
)
from review.mutation import neutral
from review.template.deployment import Deployment
from tests.security.synthesis import EVERY_OPTION

GIVEN_AWAY: Mapping[str, dict[str, Any]] = {
    "storage.require_endpoint": {"storage": {"require_endpoint": False}},
    "network.scoped_s3_endpoint_policy": {"network": {"scoped_s3_endpoint_policy": False}},
    "keys.direct_kms": {"keys": {"direct_kms": True}},
    "keys.submitter_uses_model_key": {"keys": {"submitter_uses_model_key": False}},
}
"""Settings that say otherwise than the table."""


def test_every_decision_comes_out_as_the_table_says(deployment: Deployment) -> None:
    findings, asked = decision_findings(deployment, "app")
    assert findings == []
    assert asked > 150


def test_what_holds_for_everybody_holds_for_us(deployment: Deployment) -> None:
    findings, asked = decision_findings(deployment, "any")
    assert findings == []
    assert asked > 50


@pytest.mark.slow
@pytest.mark.parametrize("setting", sorted(GIVEN_AWAY))
def test_a_setting_turns_the_decisions_that_name_it_and_no_others(
    setting: str, variant: Callable[[Mapping[str, Any]], Deployment]
) -> None:
    stage = Stage(variant(GIVEN_AWAY[setting]))
    turned = {each.row.entry.setting for each in ask_all(stage, "app") if not each.holds}
    assert turned == {setting}


def test_decisions_hold_without_a_job_and_without_invokers(
    variant: Callable[[Mapping[str, Any]], Deployment],
) -> None:
    people = {
        "uploaders": ["role/engineer"],
        "readers": ["user/auditor"],
        "administrators": ["role/administrator"],
    }
    made = variant({"jobs": {}, "people": people})
    findings, asked = decision_findings(made, "app")
    assert findings == []
    assert asked > 1000


@pytest.mark.slow
def test_with_every_option_only_settings_are_to_blame(
    variant: Callable[[Mapping[str, Any]], Deployment],
) -> None:
    stage = Stage(variant(EVERY_OPTION))
    blamed = {each.row.entry.setting for each in ask_all(stage, "app") if not each.holds}
    assert blamed == {"network.scoped_s3_endpoint_policy", "keys.direct_kms"}


def test_every_setting_of_the_table_is_tried() -> None:
    named = {entry.setting for entry in table().entries if entry.setting}
    assert {entry.setting for entry in serving().entries} == {None, "keys.throughput"}
    # What the submitter is allowed by its setting no denied row can be about.
    assert named == set(GIVEN_AWAY)


@pytest.mark.parametrize("name", sorted(neutral.NEUTRAL))
def test_neutral_changes_turn_no_decision(name: str, dev: Deployment) -> None:
    assert run(neutral.applied(dev, name, seed=7)) == []


# Whom and what it is about.


def test_every_role_asks_and_is_asked_about() -> None:
    for rows, roles in (
        (table().rows, purposes.ROLES),
        (serving().rows, purposes.SERVING_ROLES),
    ):
        assert set(roles) <= {row.who for row in rows}
        assert set(roles) <= {row.to for row in rows if row.does == "take-role"}


def test_every_principal_limit_and_thing_is_used() -> None:
    for found, file in ((table(), FILE), (serving(), SERVING_FILE)):
        assert {row.who for row in found.rows} >= set(found.principals)
        assert {name for row in found.rows for name in row.through} == set(found.limits)
        written = file.read_text(encoding="utf-8")
        unused = {
            name
            for name in found.things
            if written.count(name) < 2 and name not in {"job", "interface"}
        }
        assert unused == set()


def test_every_policy_of_the_templates_is_asked(dev: Deployment) -> None:
    stage = Stage(dev)
    asked: set[str] = set()
    world = stage.scene.world
    for row in table().rows:
        if row.who == "stranger":
            continue
        for request in stage.requests(row):
            asked |= {policy.name for policy in request.principal.policies}
            policy = world.policy_of(request.resource, action=request.action)
            asked |= set(policy.name.split(" and ")) if policy else set()
            if request.endpoint in world.endpoints:
                endpoint = world.endpoints[str(request.endpoint)].policy
                asked |= {endpoint.name} if endpoint else set()
    with_policies = {
        resource.logical_id
        for resource in dev.resources
        if resource["PolicyDocument"] or resource["KeyPolicy"] or resource["Policies"]
        or resource["AssumeRolePolicyDocument"] or resource.type == "AWS::Lambda::Permission"
    }  # fmt: skip
    sources = {
        stage.scene.sources[name].logical_id for name in asked if name in stage.scene.sources
    }
    assert with_policies == sources


def test_inside_and_outside_right_and_wrong_are_all_asked() -> None:
    rows = table_with_serving().rows
    sources = {row.source for row in rows}
    assert {"anywhere", "another-endpoint"} < sources
    assert {name for name in purposes.PURPOSES if name.endswith("-endpoint")} < sources
    words = {(name, str(value)) for row in rows for name, value in row.given.items()}
    for word, values in {
        "key": {"data-key", "model-key", "another-key", "aws-managed"},
        "tls": {"none", "1.0", "1.1"},
        "encryption": {"AES256"},
        "source-account": {"{account}", "444455556666"},
    }.items():
        assert {value for name, value in words if name == word} == values
    assert {limit.kind for limit in table().limits.values()} == {
        "scp", "rcp", "boundary", "session",
    }  # fmt: skip
    both = {row.expect for row in rows if row.through}
    assert both == {"allowed", "denied"}


def test_every_verb_is_used() -> None:
    used = {row.does for row in table_with_serving().rows}
    assert set(calls.CALLS) <= used


def test_asking_everything_takes_far_less_than_a_second(dev: Deployment) -> None:
    """No timed test: a bound so wide that only an evaluator gone wrong meets it."""
    run(dev)
    begun = time.perf_counter()
    run(dev)
    assert time.perf_counter() - begun < 10


# The file.

SMALL = """
things: {}
principals: {somebody: {means: Somebody of the account., role: somebody}}
limits: {}
sections:
  - title: All there is.
    rows:
      - {id: one, who: somebody, does: "s3:GetObject", to: data-bucket, expect: denied,
         because: Nobody reads a bucket.}
"""


def test_a_table_of_ones_own_can_be_asked(dev: Deployment) -> None:
    findings, asked = decision_findings(dev, "app", of=load(SMALL))
    assert (findings, asked) == ([], 1)
    findings, _ = decision_findings(dev, "app", of=load(SMALL.replace("denied", "allowed")))
    assert [each.id for each in findings] == ["decisions.one"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("expect: denied", "expect: maybe", "expect"),
        ("because: Nobody reads a bucket.", "because: No", "because"),
        ("who: somebody, ", "", "who"),
        ("id: one", "id: One thing", "id"),
        ("expect: denied", "expect: denied, expects: denied", "expects"),
    ],
)
def test_a_malformed_row_is_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(SMALL.replace(old, new))


def test_two_rows_of_one_id_are_refused() -> None:
    row = SMALL[SMALL.index("      - {id") :]
    with pytest.raises(ValueError, match="two rows have the id 'one'"):
        load(SMALL + row)


def test_an_entry_for_several_is_several_rows() -> None:
    several = SMALL.replace('does: "s3:GetObject"', 'does: ["s3:GetObject", "s3:GetObjectAcl"]')
    assert [row.id for row in load(several).rows] == ["one-get-object", "one-get-object-acl"]
