"""The committed settings files, and the JSON Schema that editors check them with."""

import json
from pathlib import Path

import jsonschema
import pytest

from settings import available_environments, load_settings
from settings.reference import render_reference
from settings.schema import render_schema, settings_schema
from settings.source import read_yaml
from tests.settings.settings_folder import CORRECT, Folder, lock_entry, with_change
from tools.generate import GENERATED, main, stale

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config"


def accepted(values: object) -> bool:
    """Whether the schema accepts the settings."""
    validator = jsonschema.Draft202012Validator(settings_schema())
    return bool(validator.is_valid(values))


def test_dev_and_prod_are_committed() -> None:
    assert available_environments(directory=CONFIG) == ("dev", "prod")


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_a_committed_file_is_right(environment: str, folder: Folder) -> None:
    folder.write_lock({"policy-review": lock_entry(name="policy-review", family="amazon-nova-2")})
    text = (CONFIG / f"{environment}.yaml").read_text(encoding="utf-8")
    (folder.directory / f"{environment}.yaml").write_text(text, encoding="utf-8")

    settings = load_settings(environment=environment, directory=folder.directory)

    assert settings.environment == environment
    assert settings.jobs["policy-review"].base_model == "amazon.nova-2-lite-v1:0:256k"


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_a_committed_file_is_right_with_the_committed_data(environment: str) -> None:
    load_settings(environment=environment, directory=CONFIG)


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_the_schema_accepts_a_committed_file(environment: str) -> None:
    path = CONFIG / f"{environment}.yaml"

    assert accepted(read_yaml(path=path).values)
    assert path.read_text(encoding="utf-8").startswith(
        "# yaml-language-server: $schema=settings.schema.json\n"
    )


def test_production_keeps_what_development_throws_away(folder: Folder) -> None:
    folder.write_lock({"policy-review": lock_entry(name="policy-review", family="amazon-nova-2")})
    both = {}
    for environment in ("dev", "prod"):
        text = (CONFIG / f"{environment}.yaml").read_text(encoding="utf-8")
        (folder.directory / f"{environment}.yaml").write_text(text, encoding="utf-8")
        both[environment] = load_settings(environment=environment, directory=folder.directory)

    assert both["prod"].storage.retain
    assert not both["dev"].storage.retain
    assert both["prod"].engine.log_retention_days > both["dev"].engine.log_retention_days
    assert both["prod"].jobs["policy-review"].on_delete == "keep-model"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("unknown",), 1),
        (("network", "unknown"), 1),
        (("jobs", "review", "unknown"), 1),
        (("region",), 3),
        (("network", "cidr"), "10.0.0.0/24"),
        (("network", "training_zones"), list("abcdefghijklmnopq")),
        (("network", "service_zones"), ["a"]),
        (("people", "readers"), ["everyone"]),
        (("people", "readers"), []),
        (("engine", "log_retention_days"), 100),
        (("keys", "pending_window_days"), 31),
        (("account",), 123456789012),
        (("tags",), {"aws:x": "y"}),
        (("tags",), {"x": 1}),
        (("jobs", "Review"), CORRECT["jobs"]["review"]),
        (("jobs", "review", "base_model"), "meta.llama3-1-8b-instruct-v1:0:128k"),
        (("jobs", "review", "customization_type"), "DISTILLATION"),
        (("jobs", "review", "dataset"), "day=1"),
        (("jobs", "review", "hyperparameters"), {"x": True}),
    ],
    ids=str,
)
def test_the_schema_refuses_what_the_loader_refuses(
    path: tuple[str, ...], value: object, folder: Folder
) -> None:
    assert accepted(CORRECT)
    wrong = with_change(path, value)

    assert not accepted(wrong)
    assert folder.findings(wrong)


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(settings_schema())


def test_every_setting_is_described() -> None:
    schema = settings_schema()
    undescribed = [
        f"{name}.{field}"
        for name, section in [("Settings", schema), *schema["$defs"].items()]
        for field, details in section["properties"].items()
        if not details.get("description")
    ]

    assert undescribed == []


def test_the_reference_has_every_setting() -> None:
    text = render_reference()
    schema = settings_schema()
    settings = [
        field
        for section in [schema, *schema["$defs"].values()]
        for field in section["properties"]
        if field
        not in {"network", "keys", "storage", "people", "engine", "inference", "budget", "jobs"}
    ]

    assert [field for field in settings if f"{field}` |" not in text] == []


def test_generated_files_are_fresh() -> None:
    assert stale(root=ROOT, generated=GENERATED) == []


def test_a_stale_file_is_noticed_and_renewed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generated = {"config/settings.schema.json": render_schema}
    path = tmp_path / "config" / "settings.schema.json"

    assert main(["--check"], root=tmp_path, generated=generated) == 1
    assert main([], root=tmp_path, generated=generated) == 0
    assert main(["--check"], root=tmp_path, generated=generated) == 0

    changed = json.loads(path.read_text(encoding="utf-8"))
    del changed["properties"]["region"]
    path.write_text(json.dumps(changed), encoding="utf-8")

    assert main(["--check"], root=tmp_path, generated=generated) == 1
    assert "settings.schema.json is stale: run `make generate`" in capsys.readouterr().err
