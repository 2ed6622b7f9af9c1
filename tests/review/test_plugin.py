"""As a plugin of the CDK our checks fail the synth on an error, on nothing else, and always."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import app
from tests.security.synthesis import VALUES, write_settings

SETTINGS = {**VALUES, "network": {"training_zones": ["a"]}}


@pytest.fixture
def synth(tmp_path: Path) -> Callable[..., tuple[bool, list[dict[str, Any]]]]:
    """Synthesise with our plugin alone; whether synth passed, and what the report says."""
    from aws_cdk import Validations  # noqa: PLC0415 - jsii takes a second to start

    from review.plugin import NAME, ReviewPlugin  # noqa: PLC0415 - the same

    def run(
        change: Callable[[Any], None] = lambda _: None, **settings: object
    ) -> tuple[bool, list[dict[str, Any]]]:
        write_settings(tmp_path / "config", "dev", {**SETTINGS, **settings})
        made = app.new_app(outdir=str(tmp_path / "out"))
        app.build_app(made, directory=tmp_path / "config", gates=False)
        Validations.of(made).add_plugins(ReviewPlugin())
        change(made)
        passed = True
        try:
            made.synth()
        except RuntimeError:
            passed = False
        file = tmp_path / "out" / "validation-report.json"
        reports = json.loads(file.read_text("utf-8"))["pluginReports"] if file.exists() else []
        ours = [each for each in reports if each["pluginName"] == NAME]
        return passed, [violation for each in ours for violation in each["violations"]]

    return run


Synth = Callable[..., tuple[bool, list[dict[str, Any]]]]
TAGGED = {"tags": {"project": "plugin"}}


def test_the_app_as_it_is_passes_and_nothing_is_reported(synth: Synth) -> None:
    assert synth(**TAGGED) == (True, [])


def test_a_warning_is_reported_and_passes(synth: Synth) -> None:
    passed, found = synth()
    assert passed
    assert {(each["ruleName"], each["severity"]) for each in found} == {("jobs.tagged", "warning")}


def test_an_error_of_a_rule_fails_the_synth_and_names_the_resource(synth: Synth) -> None:
    def weaken(made: Any) -> None:  # noqa: ANN401 - jsii's types are not checked here
        stack = made.node.find_child("finetune-dev-encryption")
        key = stack.node.find_child("ModelKey").node.default_child
        key.add_property_override("EnableKeyRotation", False)

    passed, found = synth(weaken, **TAGGED)
    assert not passed
    (rotation,) = [each for each in found if each["ruleName"] == "keys.rotate"]
    (place,) = rotation["violatingConstructs"]
    resource = place["cloudFormationResource"]
    assert resource["logicalId"].startswith("ModelKey")
    assert resource["propertyPaths"] == ["Properties.EnableKeyRotation"]


def test_an_error_of_a_decision_fails_the_synth(synth: Synth) -> None:
    def weaken(made: Any) -> None:  # noqa: ANN401 - jsii's types are not checked here
        stack = made.node.find_child("finetune-dev-storage")
        stack.node.find_child("S3Endpoint").node.default_child.add_property_deletion_override(
            "PolicyDocument"
        )

    passed, found = synth(weaken, **TAGGED)
    assert not passed
    assert any(each["ruleName"].startswith("decisions.") for each in found)


def test_what_cannot_be_resolved_fails_the_synth(synth: Synth) -> None:
    def weaken(made: Any) -> None:  # noqa: ANN401 - jsii's types are not checked here
        from aws_cdk import CfnParameter  # noqa: PLC0415 - jsii takes a second to start

        stack = made.node.find_child("finetune-dev-encryption")
        unknown = CfnParameter(stack, "Unknown")
        alias = stack.node.find_child("ModelKey").node.find_child("Alias").node.default_child
        alias.add_property_override("AliasName", unknown.value_as_string)

    passed, found = synth(weaken, **TAGGED)
    assert not passed
    assert "template.unresolved" in {each["ruleName"] for each in found}
