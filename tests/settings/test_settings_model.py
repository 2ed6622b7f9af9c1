"""What code gets from settings: values resolved, frozen, with safe defaults."""

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from settings import (
    DatasetLock,
    Job,
    Settings,
    SettingsError,
    available_environments,
    load_settings,
    render,
    settings_from_values,
)
from tests.settings.settings_folder import CORRECT, Folder, lock_entry, with_change

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def loaded(folder: Folder) -> Settings:
    return folder.load(CORRECT)


def test_the_environment_is_the_name_of_the_file(loaded: Settings) -> None:
    assert loaded.environment == "dev"


def test_a_job_knows_its_name_and_its_data(folder: Folder) -> None:
    loaded = folder.load(with_change(("jobs", "review", "validation_dataset"), "reviews"))
    job = loaded.jobs["review"]

    assert job.name == "review"
    assert job.training_data is not None
    assert job.training_data.name == "reviews"
    assert job.training_data.file_name == "train.jsonl"
    assert job.validation_data == job.training_data


def test_a_job_without_validation_data_has_none(loaded: Settings) -> None:
    assert loaded.jobs["review"].validation_data is None


def test_a_job_knows_its_base_model(loaded: Settings) -> None:
    model = loaded.jobs["review"].model

    assert model.name == "Amazon Nova Micro"
    assert model.family is not None
    assert model.family.format == "converse"


def test_base_models_are_listed_once(folder: Folder) -> None:
    settings = with_change(("jobs", "second"), CORRECT["jobs"]["review"])
    settings["jobs"]["third"] = {
        "base_model": "amazon.nova-2-lite-v1:0:256k",
        "dataset": "nova-2",
    }

    assert folder.load(settings).base_models == (
        "amazon.nova-2-lite-v1:0:256k",
        "amazon.nova-micro-v1:0:128k",
    )


def test_prefix_lists_come_from_the_table_unless_set(folder: Folder) -> None:
    assert folder.load(CORRECT).s3_prefix_list_id == "pl-63a5400a"
    assert folder.load(CORRECT).dynamodb_prefix_list_id == "pl-02cd2c6b"

    changed = folder.load(with_change(("network", "s3_prefix_list_id"), "pl-0123456789abcdef0"))

    assert changed.s3_prefix_list_id == "pl-0123456789abcdef0"
    assert changed.network.s3_prefix_list("us-west-2") == "pl-0123456789abcdef0"


def test_defaults_are_the_safe_choices(loaded: Settings) -> None:
    assert loaded.storage.retain
    assert loaded.storage.require_endpoint
    assert loaded.network.scoped_s3_endpoint_policy
    assert not loaded.keys.direct_kms
    assert loaded.keys.pending_window_days == 30
    assert loaded.people.invokers == ()
    assert loaded.jobs["review"].on_replace == "keep-model"


def test_settings_cannot_be_changed(loaded: Settings) -> None:
    job: Any = loaded.jobs["review"]
    jobs: Any = loaded.jobs
    with pytest.raises(ValidationError, match="frozen"):
        job.run = 2
    for mapping in (jobs, loaded.tags, job.tags, job.hyperparameters):
        writable: Any = mapping
        with pytest.raises(TypeError):
            writable["x"] = "y"


def test_settings_cannot_be_made_past_the_loader() -> None:
    with pytest.raises(TypeError, match="load_settings"):
        Settings.model_validate(CORRECT)
    with pytest.raises(TypeError, match="load_settings"):
        Job.model_validate(CORRECT["jobs"]["review"])


def test_settings_survive_a_round_trip(loaded: Settings) -> None:
    data = loaded.jobs["review"].training_data
    assert data is not None
    again = settings_from_values(
        environment="dev",
        values=loaded.model_dump(mode="json"),
        datasets={"reviews": data},
    )

    assert again == loaded


def test_settings_can_be_made_of_values() -> None:
    entry = DatasetLock(name="reviews", **lock_entry(name="reviews"))

    settings = settings_from_values(environment="test", values=CORRECT, datasets={"reviews": entry})

    assert settings.environment == "test"
    assert settings.jobs["review"].training_data is entry


def test_wrong_values_are_named_without_a_file() -> None:
    with pytest.raises(SettingsError) as caught:
        settings_from_values(
            environment="test", values=with_change(("network", "training_zones"), ["a", "z"])
        )

    zone = next(item for item in caught.value.findings if item.field == "network.training_zones[1]")
    assert zone.got == "'z'"
    assert zone.line is None


def test_loading_leaves_the_callers_values_alone() -> None:
    values: Mapping[str, Any] = {**CORRECT, "jobs": {}}
    before = repr(values)

    settings_from_values(environment="test", values=values)

    assert repr(values) == before


def test_environments_are_listed(folder: Folder) -> None:
    for name in ("prod.yaml", "dev.yaml", "Not-One.yaml", "note.txt"):
        (folder.directory / name).touch()

    assert available_environments(directory=folder.directory) == ("dev", "prod")


def test_findings_have_the_shape_of_every_command(folder: Folder) -> None:
    (finding,) = folder.findings(with_change(("storage", "retain"), 3))

    assert finding.as_json() == {
        "id": "settings.wrong-type",
        "level": "error",
        "message": "storage.retain: the value is of the wrong type, got 3; allowed: true or false",
        "fix": "write a value that is allowed",
        "where": {"file": "config/dev.yaml", "line": finding.line, "property": "storage.retain"},
    }


def test_the_rendered_error_has_all_a_reader_needs(folder: Folder) -> None:
    with pytest.raises(SettingsError) as caught:
        folder.load("region: us-east-1\npeople: {}\nstorage: {retain: 3}\n")

    text = render(caught.value)

    assert text.startswith("config/dev.yaml: 4 mistakes in the settings\n\n")
    assert (
        "config/dev.yaml:3\n"
        "  storage.retain: the value is of the wrong type\n"
        "    got:      3\n"
        "    allowed:  true or false\n"
        "    do:       write a value that is allowed"
    ) in text
    assert "Traceback" not in text
    assert str(caught.value) == text


def test_reading_settings_needs_no_cdk_and_no_client() -> None:
    code = (
        "import sys, settings\n"
        "heavy = {'aws_cdk', 'jsii', 'boto3', 'botocore.session'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or None)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_reading_settings_is_quick(folder: Folder) -> None:
    folder.load(CORRECT)

    started = time.perf_counter()
    load_settings(environment="dev", directory=folder.directory)

    assert time.perf_counter() - started < 0.3
