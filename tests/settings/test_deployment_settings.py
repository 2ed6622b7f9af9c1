"""What a job may say of how its model is served: what AWS does not sell is refused, and so is what
nobody accepted to pay for. Each refusal has its twin that is accepted.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from settings import Finding, SettingsError, load_settings
from settings.cost import costs_of
from settings.model import Job
from tests.settings.settings_folder import CORRECT, Folder, lock_entry

NOVA_2 = {"base_model": "amazon.nova-2-lite-v1:0:256k", "dataset": "nova-2"}
LLAMA_3_3 = {
    "base_model": "meta.llama3-3-70b-instruct-v1:0:128k",
    "dataset": "llama-3-3",
    "accept_retired_base_model": True,
}
LLAMA_3_1 = {
    "base_model": "meta.llama3-1-8b-instruct-v1:0:128k",
    "dataset": "llama",
    "accept_retired_base_model": True,
}


def settings_with(
    deployment: Mapping[str, Any],
    *,
    job: Mapping[str, Any] = NOVA_2,
    enabled: bool = True,
    region: str = "us-east-1",
    **top: Any,
) -> dict[str, Any]:
    return {
        **copy.deepcopy(dict(CORRECT)),
        "region": region,
        "inference": {"enabled": enabled},
        "jobs": {"review": {**job, "deployment": dict(deployment)}},
        **top,
    }


def job_with(folder: Folder, deployment: Mapping[str, Any]) -> Job:
    return folder.load(settings_with(deployment)).jobs["review"]


def refused(folder: Folder, settings: Mapping[str, Any]) -> Finding:
    (finding,) = folder.findings(settings)
    return finding


def test_nothing_is_deployed_unless_a_job_asks_for_it(folder: Folder) -> None:
    settings = folder.load(CORRECT)

    assert settings.inference.enabled is False
    assert all(not job.deployment.wanted for job in settings.jobs.values())


def test_throughput_ends_after_eight_hours_unless_said_otherwise(folder: Folder) -> None:
    assert job_with(folder, {"kind": "provisioned"}).deployment.ends_after_hours == 8
    assert job_with(folder, {"kind": "on_demand"}).deployment.ends_after_hours is None


def test_a_deployment_without_what_removes_it_is_refused(folder: Folder) -> None:
    wish = {"kind": "on_demand"}
    finding = refused(folder, settings_with(wish, enabled=False))

    assert finding.id == "settings.inference-not-enabled"
    assert finding.field == "jobs.review.deployment.kind"
    assert "inference: {enabled: true}" in finding.fix
    assert folder.load(settings_with(wish))


def test_switching_a_deployment_off_needs_no_other_change(folder: Folder) -> None:
    off = {"kind": "none", "hours": 100, "smoke_tests": [{"prompt": "Who are you?"}]}

    assert not folder.load(settings_with(off, enabled=False)).jobs["review"].deployment.wanted


WRONG: dict[str, tuple[dict[str, Any], str, str, dict[str, Any]]] = {
    "hours of an on-demand deployment": (
        {"kind": "on_demand", "hours": 3},
        "setting-of-other-kind",
        "hours",
        {"kind": "provisioned", "hours": 3},
    ),
    "units of an on-demand deployment": (
        {"kind": "on_demand", "model_units": 2},
        "setting-of-other-kind",
        "model_units",
        {"kind": "provisioned", "model_units": 2},
    ),
    "more than a day": (
        {"kind": "provisioned", "hours": 25},
        "cost-beyond-a-day",
        "hours",
        {"kind": "provisioned", "hours": 25, "accept_cost_beyond_a_day": True},
    ),
    "more than thirty days": (
        {"kind": "provisioned", "hours": 721, "accept_cost_beyond_a_day": True},
        "out-of-range",
        "hours",
        {"kind": "provisioned", "hours": 720, "accept_cost_beyond_a_day": True},
    ),
    "a commitment": (
        {"kind": "provisioned", "commitment": "OneMonth"},
        "commitment-not-accepted",
        "commitment",
        {"kind": "provisioned", "commitment": "OneMonth", "accept_commitment_cost": True},
    ),
    "hours of a commitment": (
        {
            "kind": "provisioned",
            "commitment": "SixMonths",
            "accept_commitment_cost": True,
            "hours": 8,
        },
        "hours-of-commitment",
        "hours",
        {"kind": "provisioned", "commitment": "SixMonths", "accept_commitment_cost": True},
    ),
    "a pattern that is none": (
        {"kind": "on_demand", "smoke_tests": [{"prompt": "Hello", "matches": "(a"}]},
        "bad-pattern",
        "smoke_tests[0].matches",
        {"kind": "on_demand", "smoke_tests": [{"prompt": "Hello", "matches": "(a)"}]},
    ),
    "a test without a question": (
        {"kind": "on_demand", "smoke_tests": [{"contains": ["a"]}]},
        "missing-setting",
        "smoke_tests[0].prompt",
        {"kind": "on_demand", "smoke_tests": [{"prompt": "Hello", "contains": ["a"]}]},
    ),
    "tests that take too long together": (
        {"kind": "on_demand", "smoke_tests": [{"prompt": "Hello", "max_seconds": 120}] * 8},
        "smoke-tests-too-long",
        "smoke_tests",
        {"kind": "on_demand", "smoke_tests": [{"prompt": "Hello", "max_seconds": 120}] * 7},
    ),
    "an unknown kind": (
        {"kind": "on-demand"},
        "out-of-range",
        "kind",
        {"kind": "on_demand"},
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_refused_at_its_place_and_its_twin_accepted(
    folder: Folder, what: str
) -> None:
    wrong, kind, field, right = WRONG[what]
    finding = refused(folder, settings_with(wrong))

    assert finding.id == f"settings.{kind}"
    assert finding.field == f"jobs.review.deployment.{field}"
    assert finding.fix
    assert folder.load(settings_with(right))


@pytest.fixture
def with_llama(folder: Folder) -> Folder:
    folder.write_lock(
        {
            "nova-2": lock_entry(name="nova-2", family="amazon-nova-2"),
            "llama": lock_entry(name="llama", family="meta-llama-3-1"),
            "llama-3-3": lock_entry(name="llama-3-3", family="meta-llama-3-3"),
        }
    )
    return folder


def test_provisioned_is_refused_where_a_model_is_served_on_demand_only(with_llama: Folder) -> None:
    def settings(kind: str) -> dict[str, Any]:
        return settings_with({"kind": kind}, job=LLAMA_3_3, region="us-west-2")

    finding = refused(with_llama, settings("provisioned"))

    assert finding.id == "settings.not-served-so"
    assert "set kind to on_demand" in finding.fix
    assert with_llama.load(settings("on_demand"))


def test_on_demand_is_refused_where_a_model_is_provisioned_only(with_llama: Folder) -> None:
    def settings(kind: str) -> dict[str, Any]:
        return settings_with({"kind": kind}, job=LLAMA_3_1, region="us-west-2")

    finding = refused(with_llama, settings("on_demand"))

    assert finding.id == "settings.not-served-so"
    assert "set kind to provisioned" in finding.fix
    assert with_llama.load(settings("provisioned"))


# --- what it costs


def deployment_cost(folder: Folder, deployment: Mapping[str, Any]) -> str:
    settings = folder.load(settings_with(deployment))
    costs = costs_of(settings=settings, directory=folder.directory)
    return costs.deployment(settings.jobs["review"]).text


def test_throughput_is_counted_until_its_end(folder: Folder) -> None:
    wish = {"kind": "provisioned", "model_units": 2, "hours": 4}

    assert deployment_cost(folder, wish) == "$484.00"
    assert deployment_cost(folder, {"kind": "on_demand"}) == "$0.00"


def test_the_price_of_a_commitment_is_unknown_and_not_nothing(folder: Folder) -> None:
    wish = {"kind": "provisioned", "commitment": "OneMonth", "accept_commitment_cost": True}

    assert deployment_cost(folder, wish) == "unknown"


def test_logging_needs_somebody_who_turns_it_on(folder: Folder) -> None:
    (finding,) = folder.findings({**CORRECT, "inference": {"invocation_logging": True}})
    assert finding.id == "settings.logging-without-inference"
    assert "inference.enabled: true" in finding.fix
    both = {"enabled": True, "invocation_logging": True}
    assert folder.load({**CORRECT, "inference": both}).inference.invocation_logging


def test_inference_costs_while_nobody_calls(folder: Folder) -> None:
    def at_rest(*, enabled: bool) -> float:
        settings = folder.load({**CORRECT, "inference": {"enabled": enabled}})
        return costs_of(settings=settings, directory=folder.directory).at_rest().dollars

    # An endpoint in 2 zones for 730 hours, 7 alarm metrics, a dashboard.
    assert at_rest(enabled=True) - at_rest(enabled=False) == pytest.approx(14.6 + 0.7 + 3)


def test_a_deployment_over_the_budget_is_refused(folder: Folder) -> None:
    wish = {"kind": "provisioned", "hours": 4}
    finding = refused(folder, settings_with(wish, budget={"deployment": 200}))

    assert finding.id == "settings.over-budget"
    assert finding.field == "budget.deployment"
    assert "$242.00" in finding.problem
    assert folder.load(settings_with(wish, budget={"deployment": 243}))


def test_a_commitment_passes_no_budget_unless_unknown_prices_are_accepted(folder: Folder) -> None:
    wish = {"kind": "provisioned", "commitment": "OneMonth", "accept_commitment_cost": True}
    limit = {"deployment": 1_000_000}

    assert refused(folder, settings_with(wish, budget=limit)).id == "settings.unknown-price"
    accepted = {**limit, "accept_unknown_prices": True}
    assert folder.load(settings_with(wish, budget=accepted))


# --- the examples


EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "serving"


@pytest.mark.parametrize(("name", "kind"), [("served", "on_demand"), ("bought", "provisioned")])
def test_an_example_is_correct_and_within_its_budget(folder: Folder, name: str, kind: str) -> None:
    folder.write_lock({"reviews": lock_entry(name="reviews", family="amazon-nova-2")})
    shutil.copy(EXAMPLES / f"{name}.yaml", folder.directory)
    settings = load_settings(environment=name, directory=folder.directory)

    assert [job.deployment.kind for job in settings.jobs.values()] == [kind]
    assert all(job.deployment.smoke_tests for job in settings.jobs.values())


def test_an_example_without_inference_is_refused(folder: Folder) -> None:
    folder.write_lock({"reviews": lock_entry(name="reviews", family="amazon-nova-2")})
    text = (EXAMPLES / "served.yaml").read_text(encoding="utf-8")
    path = folder.directory / "served.yaml"
    path.write_text(text.replace("enabled: true", "enabled: false"), encoding="utf-8")

    with pytest.raises(SettingsError):
        load_settings(environment="served", directory=folder.directory)
