"""`finetune init` writes settings that are correct, asks few questions, and overwrites nothing."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from settings import load_settings
from tests.finetune.conftest import Run
from tests.settings.settings_folder import lock_entry

ROLES = ["--people", "role/engineer", "--administrators", "role/administrator"]


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FINETUNE_CONFIG", "config")
    return tmp_path


def pushed(name: str, *, family: str = "amazon-nova-2") -> None:
    entry = lock_entry(name=name, family=family)
    Path("config/datasets.lock.json").write_text(json.dumps({name: entry}), encoding="utf-8")


def test_without_a_data_set_the_first_job_is_left_to_train(run: Run) -> None:
    ended = run("init", "--json")

    assert ended.code == 0, ended.out
    settings = load_settings(environment="dev", directory=Path("config"))
    assert not settings.jobs
    # The roles that the development settings and the rehearsal have.
    assert settings.people.uploaders == ("role/finetune-engineer",)
    assert settings.people.administrators == ("role/finetune-administrator",)


def test_the_next_step_is_told_with_its_options(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n" * 6))
    ended = run("init", "lab")
    assert ended.code == 0, ended.err
    assert "next, `finetune train FILE --model ID -e lab --config config`" in ended.out


def test_the_file_is_correct_once_the_data_is_pushed(run: Run) -> None:
    ended = run("init", "--json", "--dataset", "examples", *ROLES)

    assert ended.code == 0, ended.out
    assert ended.answer["file"] == "config/dev.yaml"
    pushed("examples")
    settings = load_settings(environment="dev", directory=Path("config"))
    assert settings.jobs["examples"].base_model == "amazon.nova-2-lite-v1:0:256k"
    assert settings.jobs["examples"].hyperparameters == {"epochCount": "2"}
    assert settings.people.administrators == ("role/administrator",)


def test_what_is_given_is_written(run: Run) -> None:
    ended = run(
        "init", "prod", "--json", "--region", "us-west-2", "--account", "111122223333",
        "--model", "meta.llama3-2-1b-instruct-v1:0:128k", "--dataset", "reviews", *ROLES,
    )  # fmt: skip

    assert ended.code == 0, ended.out
    pushed("reviews", family="meta-llama-3-2")
    settings = load_settings(environment="prod", directory=Path("config"))
    assert (settings.region, settings.account) == ("us-west-2", "111122223333")
    assert settings.jobs["reviews"].model.name == "Meta Llama 3.2 1B Instruct"
    # AWS documents a default for this model, so none is written.
    assert settings.jobs["reviews"].hyperparameters == {}


def test_questions_are_asked_for_what_is_not_given(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = "us-east-1\n\nrole/a\nrole/b\nreviews\namazon.nova-micro-v1:0:128k\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(answers))

    ended = run("init")

    assert ended.code == 0, ended.err
    assert "next, `finetune data push reviews FILE -e dev`" in ended.out
    pushed("reviews", family="amazon-nova-micro")
    settings = load_settings(environment="dev", directory=Path("config"))
    assert settings.people.uploaders == ("role/a",)
    assert settings.account is None


def test_a_settings_file_is_never_overwritten(run: Run) -> None:
    assert run("init", "--json", *ROLES).code == 0
    before = Path("config/dev.yaml").read_text(encoding="utf-8")

    ended = run("init", "--json", "--region", "us-west-2", *ROLES)

    assert (ended.code, ended.ids()) == (2, ["settings-exist"])
    assert Path("config/dev.yaml").read_text(encoding="utf-8") == before


@pytest.mark.parametrize(
    ("options", "id"),
    [
        (["--region", "eu-west-1"], "no-base-model"),
        (["--model", "meta.llama3-1-8b-instruct-v1:0:128k"], "settings.retired-base-model"),
        (["--people", "everyone"], "settings.bad-principal"),
        (["--account", "12"], "settings.bad-account"),
        (["--dataset", "My Data"], "settings.bad-dataset-name"),
    ],
)
def test_wrong_answers_are_refused_and_nothing_is_left(
    options: list[str], id: str, run: Run
) -> None:
    ended = run("init", "--json", *ROLES, *options)

    assert ended.code == 2
    assert id in ended.ids()
    assert not Path("config/dev.yaml").exists()
