"""Rules on an environment that logs model invocations, and on weakened copies of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from review.rules import RULES, violations
from review.rules.environment import LOGGING, LOGGING_ROLE, environment_of
from tests.review.rules.logging_twins import LOGGING_TWINS
from tests.security.app_deployment import AppDeployment
from tests.security.synthesis import WITH_INFERENCE

Maker = Callable[[Mapping[str, Any]], AppDeployment]


@pytest.fixture(scope="module")
def logging(variant: Maker) -> AppDeployment:
    return variant({**WITH_INFERENCE, "inference": {"enabled": True, "invocation_logging": True}})


def _errors(made: AppDeployment) -> list[tuple[str, str]]:
    found = violations(made, "app")
    return [(rule.id, str(each)) for rule, each in found if rule.level == "error"]


def test_an_environment_that_logs_invocations_breaks_no_rule(logging: AppDeployment) -> None:
    assert environment_of(logging).logs_invocations
    assert _errors(logging) == []


def test_one_that_does_not_is_known_as_such(dev: AppDeployment) -> None:
    assert not environment_of(dev).logs_invocations
    assert LOGGING_ROLE not in environment_of(dev).role_names


@pytest.mark.parametrize("what", LOGGING_TWINS)
def test_a_weakened_one_breaks_the_rule(logging: AppDeployment, what: str) -> None:
    rule, change = LOGGING_TWINS[what]
    found = [str(each) for each in RULES[rule](change(logging))]
    assert found
    assert "cannot be understood" not in "".join(found)


def test_a_resource_that_waits_for_nothing_is_told(logging: AppDeployment) -> None:
    def careless(templates: dict[str, Any]) -> None:
        for template in templates.values():
            for resource in template["Resources"].values():
                if resource["Type"] == LOGGING:
                    resource["DependsOn"] = []

    found = RULES["invocation-logging.as-designed"](logging.changed(careless))
    assert any("does not wait for" in str(each) for each in found)
