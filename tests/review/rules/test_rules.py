"""Rules: each passes on a good template and fails on its twin, and says enough of itself."""

from __future__ import annotations

import re

import pytest

from review.rules import RULES, rules_of, violations
from review.rules.standards import DATADOG, HIPAA, LENS, NIST, PCI, PROWLER
from review.template.deployment import Deployment
from tests.review.rules.app_twins import APP_TWINS, AppTwin
from tests.review.rules.logging_twins import LOGGING_TWINS
from tests.review.rules.serving_twins import SERVING_TWINS
from tests.review.rules.twins import Twin, good, twins
from tests.security.app_deployment import AppDeployment

TWINS = list(twins())


@pytest.fixture(scope="module")
def sound() -> Deployment:
    return good()


def test_the_good_template_is_understood(sound: Deployment) -> None:
    assert sound.problems == ()


def test_the_good_template_breaks_no_rule_for_everybody(sound: Deployment) -> None:
    assert [(rule.id, str(each)) for rule, each in violations(sound, "any")] == []


def test_every_rule_for_everybody_has_a_failing_twin() -> None:
    assert {twin.rule for twin in TWINS} == {rule.id for rule in rules_of("any")}


@pytest.mark.parametrize("twin", TWINS, ids=str)
def test_a_twin_breaks_its_rule_and_no_other(twin: Twin) -> None:
    found = {rule.id: str(each) for rule, each in violations(twin.applied(), "any")}
    assert "cannot be understood" not in "".join(found.values())
    assert set(found) == {twin.rule} | twin.also


@pytest.mark.parametrize("profile", ["any", "app"])
def test_what_the_app_makes_breaks_no_rule(deployment: AppDeployment, profile: str) -> None:
    assert profile in ("any", "app")
    found = violations(deployment, "any" if profile == "any" else "app")
    assert [(rule.id, str(each)) for rule, each in found] == []


def test_every_rule_for_the_app_has_a_failing_twin() -> None:
    own = {rule.id for rule in RULES.values() if rule.profile == "app"}
    serving = {twin.rule for twin in SERVING_TWINS} | {rule for rule, _ in LOGGING_TWINS.values()}
    assert own <= {twin.rule for twin in APP_TWINS} | serving
    assert {twin.rule for twin in APP_TWINS} <= own


@pytest.mark.parametrize("twin", APP_TWINS, ids=str)
def test_a_weakened_app_breaks_the_rule(dev: AppDeployment, twin: AppTwin) -> None:
    found = [str(each) for each in RULES[twin.rule](twin.change(dev))]
    assert found
    assert "cannot be understood" not in "".join(found)


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_a_rule_says_what_why_and_what_to_do(rule: object) -> None:
    said = RULES[getattr(rule, "id", "")]
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*\.[a-z0-9]+(-[a-z0-9]+)*", said.id)
    for text in (said.requirement, said.risk, said.remedy):
        assert text.endswith(".")
        assert text[0].isupper() or text.startswith("iam:")
    assert said.check.__doc__
    assert said.step is None or re.fullmatch(r"W(\d|1[0-7])", said.step)
    assert set(said.standards) <= {HIPAA, PCI, NIST, LENS, PROWLER, DATADOG}
    assert all(said.standards.values())


def test_a_policy_that_cannot_be_read_is_a_finding(dev: AppDeployment) -> None:
    broken = dev.put("AWS::KMS::Key", "KeyPolicy.Statement.0", {"Effect": "Allow"})
    assert any("cannot be understood" in str(each) for _, each in violations(broken, "app")) or any(
        "missing" in str(each) for _, each in violations(broken, "app")
    )
