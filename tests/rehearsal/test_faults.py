"""The planted faults fit the app, and a refusal counts only for its own reason."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rehearsal.errors import RehearsalError
from rehearsal.faults import catalogue
from rehearsal.faults.batch import judge, plant
from rehearsal.faults.catalogue import FAULTS, Fault
from rehearsal.faults.edits import Template, drop_resources, drop_statement
from rehearsal.layout import ROOT

if TYPE_CHECKING:
    from tests.security.app_deployment import AppDeployment

PREFIX = "finetune-dev-"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_changes_something_in_the_app(fault: Fault, dev: AppDeployment) -> None:
    sound = {name: dict(template) for name, template in dev.templates.items()}
    before = copy.deepcopy(sound)
    changed = plant(fault=fault, templates=sound, prefix=PREFIX)
    assert all(template != before[stack] for stack, template in changed.items())
    assert sound == before


def test_a_fault_that_no_longer_fits_the_app_is_an_error() -> None:
    empty: dict[str, Template] = {f"{PREFIX}network": {"Resources": {}}}
    fault = next(fault for fault in FAULTS if fault.stack == "network")
    with pytest.raises(RehearsalError, match="found nothing to change"):
        plant(fault=fault, templates=empty, prefix=PREFIX)


def test_there_are_at_least_twelve_with_names_of_their_own() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(set(names)) == len(names) >= 12
    assert catalogue.ALL not in names


def test_the_faults_of_the_makefile_exist() -> None:
    text = Path(ROOT / "Makefile").read_text(encoding="utf-8")
    wanted = set(re.findall(r"--fault ([a-z0-9-]+)", text)) - {catalogue.ALL}
    assert wanted
    assert wanted <= {fault.name for fault in FAULTS}


def test_names_are_chosen_once_and_unknown_ones_refused() -> None:
    assert catalogue.named([catalogue.ALL]) == FAULTS
    twice = catalogue.named(["wrong-model", "wrong-model"])
    assert [fault.name for fault in twice] == ["wrong-model"]
    with pytest.raises(KeyError):
        catalogue.named(["no-such-fault"])


def test_only_the_expected_reason_counts_and_only_when_it_comes_first() -> None:
    fault = next(fault for fault in FAULTS if fault.name == "trust-other-account")
    expected = "Could not assume provided IAM role."
    assert judge(fault=fault, refusals=[expected, "and then that"]).ok
    assert not judge(fault=fault, refusals=["something else", expected]).ok
    assert not judge(fault=fault, refusals=[]).ok


def test_dropping_a_resource_drops_what_waits_for_it() -> None:
    template: Template = {
        "Resources": {
            "Rule": {"Type": "Rule", "Properties": {"From": "a"}},
            "Endpoint": {"Type": "Endpoint", "Properties": {}, "DependsOn": ["Rule", "Other"]},
        }
    }
    assert drop_resources("Rule", lambda properties: properties["From"] == "a")(template) == 1
    assert template["Resources"] == {
        "Endpoint": {"Type": "Endpoint", "Properties": {}, "DependsOn": ["Other"]}
    }
    assert drop_resources("Rule", lambda _: True)(template) == 0


def test_a_statement_is_dropped_where_it_was_asked_for_only() -> None:
    def holding(sid: str) -> Template:
        return {"Properties": {"PolicyDocument": {"Statement": [{"Sid": sid}]}}}

    template: Template = {
        "Resources": {
            "RoleOne": {"Type": "Policy", **holding("Write")},
            "Endpoint": {"Type": "Endpoint", **holding("Write")},
        }
    }
    assert drop_statement("Write", resource_type="Endpoint")(template) == 1
    assert template["Resources"]["RoleOne"] == {"Type": "Policy", **holding("Write")}
