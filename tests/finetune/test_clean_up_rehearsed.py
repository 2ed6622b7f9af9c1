"""The commands against the emulator: a job is forgotten and taken away, then everything goes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from rehearsal import leftovers, main_scenario, people
from rehearsal.client import Client
from rehearsal.layout import ROOT, STATE_HOME
from rehearsal.narration import Narration
from rehearsal.session import Session
from rehearsal.world import world_of
from settings import Settings, load_settings

pytestmark = pytest.mark.slow
LIMIT = 900


@dataclass(frozen=True)
class Rehearsed:
    """A deployed environment, and who cleans up after it."""

    client: Client
    person: Client
    settings: Settings
    config: Path

    def finetune(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Run a command as a person of the settings; its exit code and its JSON object."""
        done = subprocess.run(
            [sys.executable, "-m", "finetune.main", *arguments, "--json"],
            cwd=ROOT,
            env={**self.person.environment(), "FINETUNE_CONFIG": str(self.config)},
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        assert done.stdout, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return done.returncode, answer


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsed]:
    """The development environment with a completed job."""
    config = tmp_path_factory.mktemp("project") / "config"
    shutil.copytree(ROOT / "config", config)
    settings = load_settings(environment="dev", directory=config)
    narration = Narration(console=Console(stderr=True, quiet=True))
    STATE_HOME.mkdir(exist_ok=True)
    with Session(world=world_of(settings)) as session:
        client, assembly = main_scenario.prepare(
            session=session,
            environment_name="dev",
            config=config,
            narration=narration,
            gates=False,
        )
        shared, jobs = main_scenario.split(assembly, settings)
        session.toolkit.deploy(client=client, assembly=assembly, stacks=shared)
        main_scenario.push_data(session=session, client=client, settings=settings, config=config)
        session.toolkit.deploy(client=client, assembly=assembly, stacks=jobs)
        main_scenario.follow_jobs(client=client, jobs=jobs)
        yield Rehearsed(
            client=client,
            person=main_scenario.engineer(client=client, settings=settings),
            settings=settings,
            config=config,
        )


def fates(answer: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["fate"] for each in answer["things"]}


def administrator(rehearsed: Rehearsed) -> str:
    """The ARN of a role of the settings' administrators, made for the rehearsal."""
    chosen = rehearsed.settings.people.administrators
    people.become(client=rehearsed.client, people=chosen, session_name="test")
    path, name = people.role_of(chosen, account=rehearsed.client.account)
    return f"arn:aws:iam::{rehearsed.client.account}:role{path}{name}"


def test_an_environment_is_cleaned_up_to_the_last(rehearsed: Rehearsed) -> None:
    """One test, since each step needs what the one before left."""
    stack = "finetune-dev-job-policy-review"
    code, answer = rehearsed.finetune("leftovers")
    assert (code, answer["counts"]["forgotten"]) == (0, 0)
    assert fates(answer)[stack] == "in use"

    # The job is taken out of the settings: its stack is forgotten, and its model with it.
    path = rehearsed.config / "dev.yaml"
    path.write_text(path.read_text().partition("\njobs:")[0] + "\n")
    code, answer = rehearsed.finetune("leftovers")
    assert code == 1
    assert fates(answer)[stack] == "forgotten"
    code, answer = rehearsed.finetune("leftovers", "--delete", "--yes")
    assert code == 0, answer["findings"]
    assert [each["name"] for each in answer["removed"]] == [stack]
    assert stack not in fates(answer)

    # Whoever is no administrator cannot empty the bucket: nothing that it needs is gone then.
    code, answer = rehearsed.finetune("destroy", "--yes")
    assert (code, answer["findings"][0]["id"]) == (3, "access-denied")
    names = {each["StackName"] for each in _stacks(rehearsed.client)}
    assert {"finetune-dev-storage", "finetune-dev-encryption"} <= names

    code, answer = rehearsed.finetune(
        "destroy", "--yes", "--administrator", administrator(rehearsed)
    )
    assert code == 0, answer["findings"]
    assert answer["destroyed"][0] == "finetune-dev-storage"
    assert answer["counts"]["forgotten"] == 0
    assert not _stacks(rehearsed.client)

    # The emulator's own lists know of nothing that these commands do not.
    stand_ins = {
        people.role_of(group, account=rehearsed.client.account)[1]
        for group in (
            rehearsed.settings.people.uploaders, rehearsed.settings.people.administrators
        )
    }  # fmt: skip
    assert leftovers.find(client=rehearsed.client, ignored_roles=stand_ins) == {}


def _stacks(client: Client) -> list[dict[str, Any]]:
    found = client.service("cloudformation").describe_stacks()["Stacks"]
    return [each for each in found if each["StackName"].startswith("finetune-")]
