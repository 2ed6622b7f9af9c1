"""`finetune models`: listing and filtering, what is undated, and what an account says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from settings import base_models, catalogue_files, foundation_models
from settings.catalogue_files import readings
from settings.refresh import Difference, Seen, apply, differences, is_same, unlisted
from tests.finetune.aws_fake import FakeAws, RefusalError
from tests.finetune.conftest import Run

MICRO = "amazon.nova-micro-v1:0:128k"
LLAMA = "meta.llama3-1-8b-instruct-v1:0:128k"


class Account(FakeAws):
    """An account that lists foundation models, by Region."""

    models: dict[str, list[dict[str, Any]]]

    def _on_ListFoundationModels(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        del arguments
        region = self.asked.pop(0)
        return {"modelSummaries": self.models.get(region, [])}

    asked: list[str]


def summary(identifier: str, *, region: str, legacy: bool = False, **more: Any) -> dict[str, Any]:
    return {
        "modelArn": f"arn:aws:bedrock:{region}::foundation-model/{identifier}",
        "modelId": identifier,
        "customizationsSupported": ["FINE_TUNING"],
        "inferenceTypesSupported": ["PROVISIONED"],
        "modelLifecycle": {"status": "LEGACY" if legacy else "ACTIVE"},
        **more,
    }


def as_catalogued() -> dict[str, list[dict[str, Any]]]:
    """What an account would say that agrees with the catalogue."""
    listed: dict[str, list[dict[str, Any]]] = {}
    for model in foundation_models().values():
        for region in model.regions:
            row = summary(model.id, region=region, legacy=model.state in {"legacy", "end-of-life"})
            if model.end_of_life is not None:
                ends = datetime(*model.end_of_life.timetuple()[:3], tzinfo=UTC)
                row["modelLifecycle"]["endOfLifeTime"] = ends
            listed.setdefault(region, []).append(row)
    return listed


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the catalogue that may be written."""
    folder = tmp_path / "catalogue"
    shutil.copytree(catalogue_files.FOLDER, folder)
    monkeypatch.setattr(catalogue_files, "FOLDER", folder)
    caches = (catalogue_files.table, catalogue_files.sources, base_models._catalogue)
    for cache in caches:
        cache.cache_clear()
    yield folder
    for cache in caches:
        cache.cache_clear()


@pytest.fixture
def account(project: Path, catalogue: Path, monkeypatch: pytest.MonkeyPatch) -> Account:
    del project, catalogue
    fake = Account()
    fake.models = as_catalogued()
    # Unchecked is what no page says; the account says active.
    fake.asked = ["us-east-1", "us-west-2"]
    monkeypatch.setattr(boto3, "Session", fake.session)
    return fake


def rewritten(folder: Path, old: str, new: str) -> None:
    path = folder / "models.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    catalogue_files.table.cache_clear()
    base_models._catalogue.cache_clear()


# Listing


def test_every_model_is_listed_with_its_state(run: Run) -> None:
    ended = run("models")

    assert ended.code == 0, ended.err
    for model in foundation_models().values():
        assert model.id in ended.out
    assert "legacy, ends 2027-03-30; us-west-2; fine-tuning, distillation" in ended.out
    assert "UNCERTAIN state: its model card was not read" in ended.out
    assert ended.err == ""


@pytest.mark.parametrize(
    ("options", "some", "none"),
    [
        (["--usable"], MICRO, LLAMA),
        (["--region", "us-west-2"], LLAMA, MICRO),
        (["--method", "distillation"], MICRO, "amazon.nova-2-lite-v1:0:256k"),
        (["--method", "REINFORCEMENT_FINE_TUNING"], "amazon.nova-2-lite-v1:0:256k", MICRO),
        (["--served", "on-demand"], MICRO, LLAMA),
    ],
    ids=str,
)
def test_the_list_is_filtered(options: list[str], some: str, none: str, run: Run) -> None:
    ids = [model["id"] for model in run("models", "--json", *options).answer["models"]]

    assert some in ids
    assert none not in ids


def test_no_model_is_said_to_be_none(run: Run) -> None:
    assert "no base model" in run("models", "--method", "continued-pre-training").out


@pytest.mark.parametrize(
    ("options", "id"),
    [
        (["--method", "training"], "unknown-method"),
        (["--served", "daily"], "unknown-way-of-serving"),
    ],
)
def test_a_wrong_filter_is_refused(options: list[str], id: str, run: Run) -> None:
    ended = run("models", "--json", *options)

    assert (ended.code, ended.ids()) == (2, [id])


def test_a_changed_fact_is_listed_as_undated_until_it_is_dated(run: Run, catalogue: Path) -> None:
    rewritten(catalogue, "regions: [us-west-2]\n", "regions: [us-west-2, eu-west-1]\n")
    changed = [f"models/{m.id}/regions" for m in foundation_models().values() if
               m.regions == ("us-west-2", "eu-west-1")]  # fmt: skip

    ended = run("models", "--json")
    assert ended.code == 0
    assert [each["fact"] for each in ended.answer["undated"]] == changed
    assert set(ended.ids()) == {"undated-fact"}
    assert "UNDATED" in run("models", "show", LLAMA).out

    assert run("models", "date", *changed, "--read", "2026-12-24").code == 0
    assert run("models", "--json").answer["undated"] == []
    assert readings()[changed[0]]["read"] == "2026-12-24"


@pytest.mark.parametrize(
    ("arguments", "id"),
    [
        (["models/x/y", "--read", "2026-12-24"], "unknown-fact"),
        ([f"models/{MICRO}/state", "--read", "yesterday"], "not-a-day"),
    ],
)
def test_a_wrong_date_is_refused(arguments: list[str], id: str, run: Run, catalogue: Path) -> None:
    before = (catalogue / "readings.json").read_text(encoding="utf-8")
    ended = run("models", "date", *arguments, "--json")

    assert (ended.code, ended.ids()) == (2, [id])
    assert (catalogue / "readings.json").read_text(encoding="utf-8") == before


def test_one_model_is_shown_with_pages_and_days(run: Run) -> None:
    facts = {each["fact"]: each for each in run("models", "show", MICRO, "--json").answer["facts"]}

    assert facts[f"models/{MICRO}/state"]["read"] == "2026-11-22"
    assert "model-card-amazon-nova-micro" in facts[f"models/{MICRO}/state"]["source"]
    assert "hyperparameters/nova/epochCount" in facts
    assert "families/amazon-nova-micro/format" in facts


def test_an_unknown_model_is_refused_and_the_nearest_proposed(run: Run) -> None:
    ended = run("models", "show", "amazon.nova-micro", "--json")

    assert (ended.code, ended.ids()) == (2, ["unknown-base-model"])
    assert MICRO in ended.answer["findings"][0]["fix"]


# What an account says


def test_what_agrees_differs_in_what_was_unchecked_alone(run: Run, account: Account) -> None:
    ended = run("models", "refresh", "--json")

    assert ended.code == 1
    assert account.names() == ["ListFoundationModels"] * 2
    unchecked = {m.id for m in foundation_models().values() if m.state == "unchecked"}
    assert {(each["fact"], each["seen"]) for each in ended.answer["differences"]} == {
        ("state", "active")
    }
    assert {each["model"] for each in ended.answer["differences"]} == unchecked


def test_differences_are_written_with_the_account_as_source(
    run: Run, account: Account, catalogue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINETUNE_TODAY", "2026-12-24")
    ended = run("models", "refresh", "--write", "--json")

    assert ended.code == 0, ended.out
    assert ended.answer["written"]
    base_models._catalogue.cache_clear()
    lite = foundation_models()["amazon.nova-lite-v1:0:300k"]
    assert lite.state == "active"
    assert "state" not in lite.uncertain
    assert "ListFoundationModels" in lite.state_source
    assert readings()["models/amazon.nova-lite-v1:0:300k/state"]["read"] == "2026-12-24"
    assert (catalogue / "models.yaml").read_text(encoding="utf-8").startswith("# Base models")
    assert run("models", "--json").answer["undated"] == []

    account.asked = ["us-east-1", "us-west-2"]
    again = run("models", "refresh", "--json")
    assert (again.code, again.answer["differences"]) == (0, [])


def test_a_model_that_becomes_legacy_or_moves_is_told(run: Run, account: Account) -> None:
    east = account.models["us-east-1"]
    (micro,) = [each for each in east if each["modelId"] == MICRO]
    ends = datetime(2027, 5, 1, tzinfo=UTC)
    micro["modelLifecycle"] = {"status": "LEGACY", "endOfLifeTime": ends}
    account.models["us-west-2"].append(summary(MICRO, region="us-west-2"))
    account.models["us-east-1"].append(summary("amazon.nova-3-v1:0:1m", region="us-east-1"))

    ended = run("models", "refresh", "--json")

    found = {
        each["fact"]: (each["known"], each["seen"])
        for each in ended.answer["differences"]
        if each["model"] == MICRO
    }
    assert found == {
        "end_of_life": (None, "2027-05-01"),
        "state": ("active", "legacy"),
        "regions": (["us-east-1"], ["us-east-1", "us-west-2"]),
    }
    assert ended.answer["unknown"] == ["amazon.nova-3-v1:0:1m"]
    account.asked = ["us-east-1", "us-west-2"]
    said = run("models", "refresh").out
    assert f"{MICRO}: state is active, the account says legacy" in said
    assert "amazon.nova-3-v1:0:1m: customizable, and not in the catalogue" in said

    account.asked = ["us-east-1", "us-west-2"]
    assert run("models", "refresh", "--write").code == 0
    base_models._catalogue.cache_clear()
    model = foundation_models()[MICRO]
    assert (model.state, str(model.end_of_life)) == ("legacy", "2027-05-01")
    assert model.regions == ("us-east-1", "us-west-2")


def test_legacy_without_a_day_is_not_written(run: Run, account: Account, catalogue: Path) -> None:
    (micro,) = [each for each in account.models["us-east-1"] if each["modelId"] == MICRO]
    micro["modelLifecycle"] = {"status": "LEGACY"}
    before = (catalogue / "models.yaml").read_text(encoding="utf-8")

    ended = run("models", "refresh", "--write", "--json")

    assert (ended.code, ended.ids()) == (1, ["catalogue-not-written"])
    assert "model card" in ended.answer["findings"][0]["message"]
    assert (catalogue / "models.yaml").read_text(encoding="utf-8") == before


def test_a_region_that_was_not_asked_is_left_as_it_is(run: Run, account: Account) -> None:
    account.asked = ["us-east-1"]

    ended = run("models", "refresh", "--region", "us-east-1", "--json")

    assert not [d for d in ended.answer["differences"] if d["fact"] == "regions"]


def test_a_model_that_is_no_longer_customized_in_a_region_is_told(
    run: Run, account: Account
) -> None:
    (micro,) = [each for each in account.models["us-east-1"] if each["modelId"] == MICRO]
    micro["customizationsSupported"] = []

    found = run("models", "refresh", "--json").answer["differences"]

    assert {"model": MICRO, "fact": "regions", "known": ["us-east-1"], "seen": []} in found


def test_what_the_account_refuses_ends_with_3(run: Run, account: Account) -> None:
    account.refusals["ListFoundationModels"] = RefusalError("AccessDeniedException")

    ended = run("models", "refresh", "--json")

    assert (ended.code, ended.ids()) == (3, ["access-denied"])
    assert "bedrock:ListFoundationModels" in ended.answer["findings"][0]["fix"]


def test_an_id_is_the_same_with_its_context_length_and_without() -> None:
    assert is_same("amazon.nova-micro-v1:0", MICRO)
    assert is_same(MICRO, MICRO)
    assert not is_same("amazon.nova-micro-v1", "amazon.nova-micro-v10:0")
    listed = Seen.of(summary("amazon.nova-micro-v1:0", region="us-east-1"), region="us-east-1")
    assert unlisted(models=foundation_models(), seen=[listed]) == ()
    assert [*differences(models={}, seen=[listed], regions=["us-east-1"])] == []


@pytest.mark.parametrize("model", list(foundation_models()))
def test_every_row_can_be_written(model: str) -> None:
    rows = catalogue_files.table("models")
    text = (catalogue_files.FOLDER / "models.yaml").read_text(encoding="utf-8")
    changes = [
        Difference(model=model, fact="end_of_life", known=None, seen="2028-01-01"),
        Difference(model=model, fact="state", known=None, seen="legacy"),
        Difference(model=model, fact="regions", known=[], seen=["eu-west-1"]),
    ]

    changed = catalogue_files._Loader(apply(text=text, rows=rows, changes=changes)).get_data()

    expected = json.loads(json.dumps(rows))
    row = expected[model]
    row |= {"end_of_life": "2028-01-01", "state": "legacy", "regions": ["eu-west-1"]}
    row["sources"] = {
        **row.get("sources", {}),
        **dict.fromkeys(("end_of_life", "state", "regions"), "account"),
    }
    kept = {k: v for k, v in row.pop("uncertain", {}).items() if k != "state"}
    assert changed == {**expected, model: {**row, **({"uncertain": kept} if kept else {})}}
