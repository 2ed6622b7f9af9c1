"""From a table to a model with two commands, one of them killed in each of its phases."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from rehearsal import kept, main_scenario, people
from rehearsal.emulator_process import end_process_group
from rehearsal.errors import RehearsalError
from rehearsal.scenarios.stage import Jobs, Stage, must
from rehearsal.toolkit import Assembly

JOBS: Jobs = {"plain": {}}
ENVIRONMENT = "first"
_MODEL = "amazon.nova-2-lite-v1:0:256k"
_ROWS = 130
_JOB_SECONDS = 6.0
_LONGEST = 300.0
_KILLED_AT = (
    "plan: synthesising",
    f"foundations: deploying finetune-{ENVIRONMENT}-network",
    "foundations: deployed",
    f"job: deploying finetune-{ENVIRONMENT}-job-tickets",
    "job: deployed",
    f"{ENVIRONMENT}-tickets-",
)
"""What the command says when it is killed: once in every phase that changes anything."""
_NOT_KEPT = "storage:\n  retain: false\n"
"""So that nothing is left in the end: `finetune init` writes settings that keep the data."""
_STACKS = ("job-tickets", "engine", "access", "storage", "network", "encryption", "identity")


def two_commands(stage: Stage, assembly: Assembly) -> None:
    """Write settings and train on a table; killed in each phase, it goes on where it was."""
    del assembly
    folder = stage.session.state / "empty"
    folder.mkdir()
    _write_table(folder / "tickets.csv")
    stage.session.set_pace(_JOB_SECONDS)
    command = _Command(stage=stage, folder=folder)
    ended = command.run("init", ENVIRONMENT)
    must(ended.code == 0, "`finetune init` writes settings without a question", seen=ended.text)
    asked = ("train", "tickets.csv", "--model", _MODEL, "-e", ENVIRONMENT, "--rehearsal")
    ended = command.run(*asked)
    must(ended.code == 2, "nothing is deployed when nobody can be asked", seen=ended.text)
    must(
        not (folder / "datasets.lock.json").exists(),
        "what is not agreed to writes no lock file",
        seen=sorted(path.name for path in folder.iterdir()),
    )
    before = stage.jobs()
    for words in _KILLED_AT:
        command.kill(*asked, "--yes", when=words)
    made = command.trained(*asked, "--yes")
    new = [name for name in stage.jobs() if name not in before]
    must(new == [made["job"]["name"]], "Bedrock was given one job, however often", seen=new)
    must(made["job"]["status"] == "Completed", "the job is completed", seen=made["job"])
    must(bool(made["metrics"]["runs"]), "its metrics are shown", seen=made["metrics"])
    written = _versions(stage)
    must(len(written) == 1, "the data was written once, however often", seen=written)
    again = command.trained(*asked)
    must(
        {phase["status"] for phase in again["phases"] if phase["name"] in ("foundations", "job")}
        == {"deployed already"}
        and again["job"]["name"] == made["job"]["name"],
        "when all is done, it does nothing and asks nothing",
        seen=again["phases"],
    )
    settings = folder / f"{ENVIRONMENT}.yaml"
    settings.write_text(settings.read_text(encoding="utf-8") + _NOT_KEPT, encoding="utf-8")
    changed = command.trained(*asked, "--yes")
    must(
        changed["job"]["name"] == made["job"]["name"] and len(_versions(stage)) == 1,
        "foundations that change are deployed, and train nothing again",
        seen=changed["phases"],
    )
    _leave(stage)


class _Command:
    """Runs `finetune` in a folder, as an engineer, on this emulator as a kept rehearsal."""

    def __init__(self, *, stage: Stage, folder: Path) -> None:
        person = main_scenario.engineer(client=stage.client, settings=stage.settings)
        emulator = stage.session.emulator
        must(emulator is not None, "there is an emulator")
        file = stage.session.state / "kept.json"
        kept.write(
            person=person,
            pid=emulator.pid if emulator else 0,
            state=stage.session.state,
            path=file,
        )
        self._stage, self._folder = stage, folder
        self._number = 0
        self._environment = {
            **person.environment(),
            "FINETUNE_REHEARSAL_FILE": str(file),
            "FINETUNE_CONFIG": ".",
        }

    def run(self, *arguments: str) -> Any:  # noqa: ANN401 - an Outcome
        """Run it to its end."""
        self._number += 1
        return self._stage.session.children.run(
            ["finetune", *arguments, "--json"],
            name=f"two-commands-{self._number}",
            cwd=self._folder,
            environment=self._environment,
            timeout=_LONGEST,
        )

    def trained(self, *arguments: str) -> dict[str, Any]:
        """Run it to a good end, and return what it says."""
        ended = self.run(*arguments)
        must(ended.code == 0, "`finetune train` ends with a model", seen=ended.text)
        found: dict[str, Any] = json.loads(ended.text)
        return found

    def kill(self, *arguments: str, when: str) -> None:
        """Run it until it says something, and kill it then: it can clean up nothing.

        Raises:
            RehearsalError: it ends before, or does not say it.
        """
        process = subprocess.Popen(
            ["finetune", *arguments],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        said: list[str] = []
        try:
            for line in process.stdout or ():
                said.append(line.decode(errors="replace").rstrip())
                if when in said[-1]:
                    os.kill(process.pid, signal.SIGKILL)
                    return
        finally:
            process.wait()
            # What it began ends by itself, if it does; a deployment that went on would be refused.
            time.sleep(0.5)
            end_process_group(process.pid)
        raise RehearsalError(
            f"`finetune train` ended with {process.returncode} and never said '{when}'",
            fix="read what it said",
            reasons=tuple(said[-10:]),
        )


def _write_table(path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("Question", "Answer"))
        for number in range(_ROWS):
            table.writerow(
                (
                    f"Ticket {number}: the report on shelf {number % 7} is missing, where is it?",
                    f"It was moved to room {number}; ask at the desk {number % 5} for the key.",
                )
            )


def _versions(stage: Stage) -> list[str]:
    """Every version of every data set in the environment's bucket."""
    outputs = main_scenario.outputs(stage.client, f"finetune-{ENVIRONMENT}-storage")
    answer = stage.service("s3").list_object_versions(
        Bucket=outputs["DataBucketName"], Prefix="fine-tuning-datasets/"
    )
    return [version["Key"] for version in answer.get("Versions", [])]


def _leave(stage: Stage) -> None:
    """Empty the buckets of this scenario's own environment, and delete its stacks."""
    storage = main_scenario.outputs(stage.client, f"finetune-{ENVIRONMENT}-storage")
    s3 = stage.service("s3")
    found = stage.deployment.delete(stack=f"finetune-{ENVIRONMENT}-{_STACKS[0]}")
    must(found.ok, "the job's stack can be deleted", seen=found)
    administrator = people.become(
        client=stage.client, people=stage.settings.people.administrators, session_name="rehearsal"
    )
    s3 = administrator.service("s3")
    for output in ("DataBucketName", "AccessLogBucketName"):
        bucket = storage[output]
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            doomed = [
                {"Key": entry["Key"], "VersionId": entry["VersionId"]}
                for entry in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            ]
            if doomed:
                s3.delete_objects(Bucket=bucket, Delete={"Objects": doomed})
    for part in _STACKS[1:]:
        found = stage.deployment.delete(stack=f"finetune-{ENVIRONMENT}-{part}")
        must(found.ok, f"finetune-{ENVIRONMENT}-{part} can be deleted", seen=found)
