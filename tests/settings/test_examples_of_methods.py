"""The examples of every method are correct settings, and show every method."""

from __future__ import annotations

import shutil
from pathlib import Path

import jsonschema
import pytest

from settings import SettingsError, load_settings
from settings.base_models import foundation_models
from settings.models_page import render_models
from settings.remarks import remarks
from settings.schema import settings_schema
from settings.source import read_yaml
from tests.settings.settings_folder import Folder, lock_entry

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "methods"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.yaml"))


@pytest.fixture
def examples(folder: Folder) -> Path:
    """A folder with the examples, whose data is pushed."""
    folder.write_lock(
        {
            "prompts": lock_entry(name="prompts", family="distillation-nova"),
            "questions": lock_entry(name="questions", family="amazon-nova-2-rft"),
            "more": lock_entry(name="more", family="amazon-nova-micro"),
        }
    )
    for name in NAMES:
        shutil.copy(EXAMPLES / f"{name}.yaml", folder.directory)
    return folder.directory


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_correct(name: str, examples: Path) -> None:
    settings = load_settings(environment=name, directory=examples)

    assert settings.jobs
    assert remarks(settings) == ()
    values = read_yaml(path=EXAMPLES / f"{name}.yaml").values
    assert jsonschema.Draft202012Validator(settings_schema()).is_valid(values)


def test_an_example_without_its_data_is_refused(examples: Path) -> None:
    (examples / "datasets.lock.json").unlink()

    with pytest.raises(SettingsError, match="was not pushed"):
        load_settings(environment="distil", directory=examples)
    load_settings(environment="distillogs", directory=examples)


def test_there_is_an_example_of_every_method_that_a_model_has(examples: Path) -> None:
    jobs = [
        job
        for name in NAMES
        for job in load_settings(environment=name, directory=examples).jobs.values()
    ]
    methods = {method for model in foundation_models().values() for method in model.methods}

    assert {job.customization_type for job in jobs} == methods
    assert any(job.base_model.startswith("arn:") for job in jobs)
    assert any(job.invocation_logs for job in jobs)
    table = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}.yaml`" in table for name in NAMES)


def test_the_page_has_every_model_and_what_is_uncertain() -> None:
    page = render_models()

    for model in foundation_models().values():
        assert f"| `{model.id}` |" in page
        for fact in model.uncertain:
            assert f"`models/{model.id}/{fact}`" in page


def test_the_page_is_the_same_on_every_day(monkeypatch: pytest.MonkeyPatch) -> None:
    page = render_models()
    monkeypatch.setenv("FINETUNE_TODAY", "2030-01-01")

    assert render_models() == page
