"""Of two deployments of one environment the harness judges what they share once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.mutation import TITLES, report, with_inference
from review.mutation.difference import beyond, mutants_of
from review.mutation.mutant import OUTPUT, Mutant
from review.mutation.outcome import Fate
from review.mutation.run import Plan, Result, Tally
from review.template.deployment import Deployment
from settings import load_settings
from tests.conftest import CONFIG
from tests.security.app_deployment import AppDeployment
from tests.security.synthesis import WITH_INFERENCE

VariantMaker = Callable[[Mapping[str, Any]], AppDeployment]


def new(more: Deployment, less: Deployment) -> list[Mutant]:
    return beyond(mutants_of(more), more, less)


@pytest.fixture(scope="module")
def serving(variant: VariantMaker) -> AppDeployment:
    return variant(WITH_INFERENCE)


@pytest.fixture(scope="module")
def plain(variant: VariantMaker) -> AppDeployment:
    return variant({})


def test_of_two_that_are_the_same_nothing_is_left(dev: AppDeployment) -> None:
    assert new(dev, dev) == []


def test_of_one_statement_more_its_own_mutants_are_left(dev: AppDeployment) -> None:
    place = ("finetune-dev-engine", "AWS::SNS::TopicPolicy")
    more = dev.changed(lambda templates: _one_more_statement(templates, *place))
    found = new(more, dev)
    assert found
    in_policy = [each for each in found if each.kind == "policy"]
    assert {each.type for each in found} == {"AWS::SNS::TopicPolicy"}
    # The statement is the last one: nothing else of the policy comes again, but the whole does.
    places = {each.path[:4] for each in in_policy}
    assert {place[-1] for place in places if isinstance(place[-1], int)} == {
        max(place[-1] for place in places if isinstance(place[-1], int))
    }
    assert any(not each.path and each.how == "removed" for each in found)


def _one_more_statement(templates: dict[str, Any], stack: str, type_: str) -> None:
    for resource in templates[stack]["Resources"].values():
        if resource["Type"] == type_:
            statements = resource["Properties"]["PolicyDocument"]["Statement"]
            statements.append({**statements[0], "Sid": "OneMore", "Action": "sns:Subscribe"})


def test_what_reads_otherwise_in_one_is_not_taken_for_known(dev: AppDeployment) -> None:
    looser = dev.put("AWS::KMS::Key", "EnableKeyRotation", value=False)
    found = {(each.type, each.where) for each in new(looser, dev) if each.path}
    assert found == {("AWS::KMS::Key", "Properties.EnableKeyRotation")}


def test_every_resource_that_serves_is_removed_once(
    plain: AppDeployment, serving: AppDeployment
) -> None:
    there = {(each.stack, each.logical_id) for each in plain.resources}
    own = {(each.stack, each.logical_id) for each in serving.resources} - there
    found = new(serving, plain)
    removed = [
        (each.stack, each.logical_id)
        for each in found
        if each.adds is None and not each.path and each.how == "removed" and each.type != OUTPUT
    ]
    assert own <= set(removed)
    assert len(removed) == len(set(removed))
    assert len(found) < len(list(mutants_of(serving))) / 2


def test_what_could_be_added_of_a_service_that_only_one_has_is_left(
    plain: AppDeployment, serving: AppDeployment
) -> None:
    added = {each.type for each in new(serving, plain) if each.adds is not None}
    assert "AWS::Scheduler::Schedule" in added
    assert "AWS::IAM::User" not in added


def test_the_settings_that_are_judged_are_devs_with_a_deployment_of_each_kind(
    tmp_path: Path,
) -> None:
    dev = yaml.safe_load((CONFIG / "dev.yaml").read_text(encoding="utf-8"))
    values = with_inference(dev)
    assert {name: values[name] for name in dev if name != "jobs"} == {
        name: dev[name] for name in dev if name != "jobs"
    }
    (tmp_path / "dev.yaml").write_text(json.dumps(values), encoding="utf-8")
    (tmp_path / "datasets.lock.json").write_text(
        (CONFIG / "datasets.lock.json").read_text(encoding="utf-8"), encoding="utf-8"
    )
    made = load_settings(environment="dev", directory=tmp_path)
    assert made.inference.enabled
    assert {job.deployment.kind for job in made.jobs.values()} == {"on_demand", "provisioned"}
    assert made.people.invokers


def test_the_figures_of_both_are_told_and_a_survivor_of_either() -> None:
    """And the other one's are not mixed up with them."""
    survivor = Result(what="mutant", text="a change", kind="structure", fate=Fate.SURVIVED)
    good = Tally(plan=Plan(paths=()), made=0)
    bad = Tally(plan=Plan(paths=()), made=1, results=[survivor])
    text = report({"dev": good, "serving": bad}, date="2026-11-23", on={"processors": "2"})
    dev, serving = text.split(f"## {TITLES['serving']}")
    assert f"## {TITLES['dev']}" in dev
    assert "- survived: a change" not in dev
    assert "- survived: a change" in serving
