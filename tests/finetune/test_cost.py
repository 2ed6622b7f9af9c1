"""`finetune cost`: what is known is counted, what is not is said to be unknown, never nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from settings import SettingsError, load_settings
from settings.cost import (
    ALARM_METRICS,
    INTERFACE_ENDPOINTS,
    KEYS,
    Costs,
    costs_of,
    estimated_tokens,
    in_one_line,
    money,
)
from settings.prices import read_prices
from tests.finetune.conftest import Run
from tests.security.app_deployment import AppDeployment
from tests.settings.settings_folder import CORRECT, Folder, lock_entry

NOVA_2 = "amazon.nova-2-lite-v1:0:256k"
JOB: Mapping[str, Any] = {"base_model": NOVA_2, "dataset": "nova-2", "hyperparameters": {}}


@pytest.fixture
def folder(project: Path) -> Folder:
    return Folder(project / "config")


def with_job(folder: Folder, job: Mapping[str, Any] | None = None, **top: Any) -> Costs:
    """The costs of settings with one job, two epochs long unless said otherwise."""
    chosen = job or {**JOB, "hyperparameters": {"epochCount": 2}}
    (folder.directory / "dev.yaml").write_text(
        json.dumps({**CORRECT, "jobs": {"review": chosen}, **top}), encoding="utf-8"
    )
    settings = load_settings(environment="dev", directory=folder.directory, hold_to_budget=False)
    return costs_of(settings=settings, directory=folder.directory)


def own_prices(folder: Folder, text: str) -> None:
    (folder.directory / "prices.override.yaml").write_text(text, encoding="utf-8")


# What is counted


def test_what_is_counted_is_what_is_deployed(dev: AppDeployment) -> None:
    """The counts are written by hand, so that no synthesis is needed for them."""
    endpoints = dev.where("AWS::EC2::VPCEndpoint", VpcEndpointType="Interface")
    zones = dev.settings.network.service_zones
    watched = [alarm.properties.get("Metrics") for alarm in dev.of_type("AWS::CloudWatch::Alarm")]
    metrics = sum(
        1 if each is None else sum("MetricStat" in metric for metric in each) for each in watched
    )

    assert len(endpoints) == len(INTERFACE_ENDPOINTS)
    assert all(len(each["SubnetIds"]) == len(zones) for each in endpoints)
    assert len(dev.of_type("AWS::KMS::Key")) == len(KEYS)
    assert metrics == ALARM_METRICS


def test_a_month_at_rest_is_counted(folder: Folder) -> None:
    two = with_job(folder).at_rest()
    three = with_job(folder, network={"service_zones": ["a", "b", "c"]}).at_rest()

    # 2 endpoints, 2 zones, 730 hours, 1 cent; 2 keys; 3 alarm metrics; 1 model.
    assert two.dollars == pytest.approx(29.2 + 2 + 0.3 + 1.95)
    assert three.dollars - two.dollars == pytest.approx(2 * 730 * 0.01)
    assert two.unknown == ()


def test_a_job_costs_by_tokens_and_epochs(folder: Folder) -> None:
    costs = with_job(folder)
    job = costs.settings.jobs["review"]

    # 1000 bytes, 6 characters a token.
    assert estimated_tokens(job) == 167
    assert costs.training(job).dollars == pytest.approx(167 * 2 / 1000 * 0.00378)
    four = with_job(folder, {**JOB, "hyperparameters": {"epochCount": 4}})
    assert four.training(four.settings.jobs["review"]).dollars == pytest.approx(
        2 * costs.training(job).dollars
    )


def test_epochs_that_are_not_set_are_aws_default_or_unknown(folder: Folder) -> None:
    own_prices(folder, "amazon.nova-micro-v1:0:128k: {source: us, read: 2026-11-23,"
               " training_tokens: 0.001}")  # fmt: skip
    micro = with_job(folder, CORRECT["jobs"]["review"])
    nova_2 = with_job(folder, JOB)

    assert micro.training(micro.settings.jobs["review"]).dollars == pytest.approx(
        167 * 2 / 1000 * 0.001
    )
    (line,) = nova_2.training(nova_2.settings.jobs["review"]).lines
    assert line.dollars is None
    assert "set epochCount" in line.how


def test_what_has_no_price_is_unknown_and_not_nothing(folder: Folder) -> None:
    costs = with_job(folder, CORRECT["jobs"]["review"])
    training = costs.training(costs.settings.jobs["review"])

    assert training.text == "unknown"
    assert "no price is known for amazon.nova-micro-v1:0:128k.training_tokens" in (
        training.unknown[0].how
    )
    assert costs.at_rest().text == "$31.50 and what is unknown"
    assert "unknown to train" in in_one_line(costs)


def test_prices_of_another_region_are_unknown(folder: Folder) -> None:
    prices = read_prices(region="eu-west-1", directory=folder.directory)

    assert prices.find("environment", "key_month") is None
    assert prices.find(NOVA_2, "model_month") is None
    here = read_prices(region="us-east-1", directory=folder.directory)
    assert here.find("environment", "key_month") is not None


@pytest.mark.parametrize(
    ("job", "why"),
    [
        (
            {
                "base_model": NOVA_2,
                "customization_type": "REINFORCEMENT_FINE_TUNING",
                "reinforcement": {"grader_function": "reward"},
                "dataset": "graded",
            },
            "by the hour",
        ),
        (
            {
                "base_model": "amazon.nova-micro-v1:0:128k",
                "customization_type": "DISTILLATION",
                "distillation": {"teacher": "amazon.nova-pro-v1:0"},
                "invocation_logs": {"bucket": "logs", "prefix": "calls/"},
            },
            "how many tokens the logs hold",
        ),
    ],
)
def test_methods_nobody_can_count_are_unknown(
    job: Mapping[str, Any], why: str, folder: Folder
) -> None:
    costs = with_job(folder, job)
    training = costs.training(costs.settings.jobs["review"])

    assert training.dollars == 0
    assert training.text == "unknown"
    assert why in " ".join(line.how for line in training.unknown)


def test_serving_costs_by_the_hour_and_until_its_end(folder: Folder) -> None:
    costs = with_job(folder)
    job = costs.settings.jobs["review"]

    assert costs.serving(job, how="provisioned").dollars == pytest.approx(60.5)
    whole = costs.serving(job, how="provisioned", units=2, hours=10)
    assert whole.dollars == pytest.approx(1210)
    assert costs.serving(job, how="on-demand", hours=10).text == "$0.00"
    assert [line.dollars for line in costs.tokens_served(job)] == [0.0003, 0.0025]
    llama = {
        "base_model": "meta.llama3-3-70b-instruct-v1:0:128k",
        "accept_retired_base_model": True,
        "dataset": "reviews",
    }
    folder.write_lock({"reviews": lock_entry(name="reviews", family="meta-llama-3-3")})
    other = with_job(folder, llama, region="us-west-2")
    served = other.serving(other.settings.jobs["review"], how="provisioned")
    assert served.text == "unknown"
    assert "on-demand only" in served.lines[0].how


@pytest.mark.parametrize(
    ("dollars", "text"),
    [
        (0, "$0.00"),
        (0.001, "less than $0.01"),
        (0.265, "$0.27"),
        (1234.5, "$1,234.50"),
        (29.2, "$29.20"),
    ],
)
def test_cents_are_rounded_up(dollars: float, text: str) -> None:
    assert money(dollars) == text


# Own prices


def test_own_prices_go_before_the_committed_ones(folder: Folder) -> None:
    own_prices(
        folder,
        "environment: {source: agreement 7, read: 2026-10-01, key_month: 0.5}\n"
        f'"{NOVA_2}": {{source: agreement 7, read: 2026-10-01, training_tokens: 0}}\n',
    )
    costs = with_job(folder)
    (keys,) = [line for line in costs.at_rest().lines if "keys" in line.what]
    training = costs.training(costs.settings.jobs["review"])

    assert keys.dollars == 1.0
    assert keys.price is not None
    assert (keys.price.source, keys.price.read) == ("agreement 7", "2026-10-01")
    assert (training.text, training.unknown) == ("$0.00", ())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("environment: {read: 2026-10-01, key_month: 1}", "field required"),
        ("environment: {source: x, key_month: 1}", "field required"),
        ("environment: {source: x, read: 2026-10-01, key_months: 1}", "no such price"),
        ("environment: {source: x, read: 2026-10-01, key_month: -1}", "greater than"),
        ("environment: {source: x, read: 2026-10-01, key_month: free}", "valid number"),
        ("environment: {source: x, read: yesterday, key_month: 1}", "date"),
        ("environment: 3", "field required"),
        ("- 3", "not a mapping"),
        ("a: [", "readable"),
    ],
)
def test_wrong_own_prices_are_refused(text: str, problem: str, folder: Folder, run: Run) -> None:
    own_prices(folder, text)

    with pytest.raises(SettingsError) as refused:
        read_prices(region="us-east-1", directory=folder.directory)
    assert problem in " ".join(finding.problem for finding in refused.value.findings)
    with_a_file = run("cost", "--json")
    assert with_a_file.code == 2


# Budget


@pytest.mark.parametrize(
    ("budget", "id"),
    [
        ({"month": 33}, "settings.over-budget"),
        ({"job": 0.001}, "settings.over-budget"),
        ({"month": 34, "job": 0.01}, None),
        ({}, None),
    ],
)
def test_more_than_the_budget_is_refused(
    budget: Mapping[str, float], id: str | None, folder: Folder, run: Run
) -> None:
    with_job(folder, budget=budget)

    if id is None:
        load_settings(environment="dev", directory=folder.directory)
        assert run("cost").code == 0
        return
    with pytest.raises(SettingsError) as refused:
        load_settings(environment="dev", directory=folder.directory)
    (finding,) = refused.value.findings
    assert finding.id == id
    assert finding.field == f"budget.{next(iter(budget))}"
    assert finding.line is not None
    ended = run("cost", "--json")
    assert (ended.code, [each for each in ended.ids() if each == id]) == (1, [id])
    assert ended.answer["at_rest"]["known_dollars"] == pytest.approx(33.45)


def test_an_unknown_price_is_refused_unless_accepted(folder: Folder) -> None:
    with_job(folder, CORRECT["jobs"]["review"], budget={"job": 1000})
    with pytest.raises(SettingsError) as refused:
        load_settings(environment="dev", directory=folder.directory)
    (finding,) = refused.value.findings
    assert finding.id == "settings.unknown-price"
    assert "prices.override.yaml" in finding.fix

    accepted = {"job": 1000, "accept_unknown_prices": True}
    with_job(folder, CORRECT["jobs"]["review"], budget=accepted)
    load_settings(environment="dev", directory=folder.directory)
    # What is known is held to the limit all the same.
    with_job(folder, CORRECT["jobs"]["review"], budget={**accepted, "month": 10})
    with pytest.raises(SettingsError, match="a month at rest costs"):
        load_settings(environment="dev", directory=folder.directory)


# The command


def test_the_command_tells_all_with_dates(folder: Folder, run: Run) -> None:
    with_job(folder)
    ended = run("cost", "--serve", "provisioned", "--hours", "10")

    assert ended.code == 0, ended.err
    assert "a month at rest: $33.45" in ended.out
    assert "training review: less than $0.01" in ended.out
    assert "serving review provisioned, an hour: $60.50" in ended.out
    assert "serving review provisioned, for 10 hours: $605.00" in ended.out
    assert "(read 2026-08-02)" in ended.out
    assert "not read there" in ended.err


def test_the_command_tells_prices_with_sources_as_json(folder: Folder, run: Run) -> None:
    with_job(folder)
    answer = run("cost", "--serve", "on-demand", "--json").answer

    line = answer["jobs"]["review"]["training"]["lines"][0]
    assert line["price"]["source"] == "https://aws.amazon.com/bedrock/pricing/"
    assert line["price"]["read"] == "2026-08-02"
    assert answer["jobs"]["review"]["training"]["complete"]
    assert len(answer["jobs"]["review"]["tokens"]) == 2


def test_until_counts_the_hours_from_now(folder: Folder, run: Run) -> None:
    with_job(folder)
    answer = run("cost", "--serve", "provisioned", "--until", "2100-01-01", "--json").answer

    assert answer["jobs"]["review"]["serving"]["known_dollars"] > 60.5 * 24 * 365


@pytest.mark.parametrize(
    ("options", "id"),
    [
        (["--serve", "daily"], "unknown-way-of-serving"),
        (["--serve", "provisioned", "--hours", "1", "--until", "2100-01-01"], "two-durations"),
        (["--serve", "provisioned", "--until", "soon"], "not-a-time"),
        (["--serve", "provisioned", "--until", "2020-01-01T00:00Z"], "time-is-past"),
    ],
)
def test_wrong_options_are_refused(options: list[str], id: str, folder: Folder, run: Run) -> None:
    with_job(folder)
    ended = run("cost", *options, "--json")

    assert (ended.code, ended.ids()) == (2, [id])


def test_the_committed_environments_have_known_costs() -> None:
    config = Path(__file__).resolve().parents[2] / "config"
    for environment in ("dev", "prod"):
        settings = load_settings(environment=environment, directory=config)
        costs = costs_of(settings=settings, directory=config)
        assert costs.at_rest().unknown == ()
        assert costs.training(settings.jobs["policy-review"]).unknown == ()
