"""What the settings say of deployments is what is deployed; each control has its twin here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.security.app_deployment import AppDeployment
from tests.security.settings_controls import (
    the_deployments_are_those_of_the_settings,
    the_environment_is_that_of_the_settings,
)
from tests.security.synthesis import WITH_INFERENCE

REQUEST = "Custom::BedrockModelDeployment"


@pytest.fixture(scope="module")
def serving(variant: Callable[[Mapping[str, Any]], AppDeployment]) -> AppDeployment:
    return variant(WITH_INFERENCE)


def test_what_is_deployed_is_what_the_settings_say(serving: AppDeployment) -> None:
    assert the_deployments_are_those_of_the_settings(serving) == []
    assert the_environment_is_that_of_the_settings(serving) == []


@pytest.mark.parametrize(
    ("name", "value"), [("Kind", "on_demand"), ("ModelUnits", "20"), ("Hours", "700")]
)
def test_another_deployment_than_the_settings_say_is_found(
    serving: AppDeployment, name: str, value: str
) -> None:
    other = serving.put(REQUEST, name, value, where={"Job": "bought"})
    (found,) = the_deployments_are_those_of_the_settings(other)
    assert value in found


def test_a_deployment_that_is_not_made_is_found(serving: AppDeployment) -> None:
    fewer = serving.without_resources(REQUEST, Job="review")
    assert the_deployments_are_those_of_the_settings(fewer)


def test_a_key_that_bedrock_may_not_use_for_throughput_is_found(serving: AppDeployment) -> None:
    def change(templates: dict[str, Any]) -> None:
        for template in templates.values():
            for resource in template["Resources"].values():
                if resource["Type"] == "AWS::KMS::Key":
                    statements = resource["Properties"]["KeyPolicy"]["Statement"]
                    statements[:] = [
                        each
                        for each in statements
                        if each.get("Sid") != "PermissionsNovaProvisionedThroughput"
                    ]

    assert the_environment_is_that_of_the_settings(serving.changed(change)) == [
        "Bedrock's use of the model key for throughput is none, the settings say account"
    ]
