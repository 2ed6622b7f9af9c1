"""The phases of `finetune train`, each of which finds out what is done before it does anything.

Nothing is written down of how far a training is: the settings file, the lock file, the bucket,
CloudFormation and Bedrock know. A job's content names it, an object's content names that, and a
stack is compared with what it should be.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from finetune import environments
from finetune.data_model import Method, family_of
from finetune.environments import ROOT, Environment, finding_of, read_environment
from finetune.report import CommandError, ExitCode, Finding, Output, failure
from finetune.train_display import Phases
from finetune.train_settings import (
    Edited,
    Entry,
    edited,
    hyperparameters_of,
    job_name_of,
    require_name,
    write,
)

if TYPE_CHECKING:
    from finetune.aws import Connection
    from finetune.lock_file import Entry as LockEntry
    from finetune.train_deploy import Change, Deployer
    from finetune.train_source import Source
    from rehearsal.toolkit import Assembly
    from settings import Settings
    from settings.base_models import DatasetFamily
    from trainingdata.check import FileCheck

STACK_INTERVAL = 5.0
"""Seconds between two looks at a stack on which somebody else works."""
_COPIED = ("*.yaml", "datasets.lock.json")
"""Files of the configuration folder that synth reads."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a person asked for; see the options of the command."""

    file: Path
    model: str | None
    name: str | None
    method: Method | None
    teacher: str | None
    grader: str | None
    hyperparameters: tuple[str, ...]
    validation: Path | None
    split: str | None
    allow_secrets: bool
    again: bool
    yes: bool
    seconds: float | None
    interval: float
    environment: str
    config: Path
    rehearsal: bool


@dataclass(frozen=True, kw_only=True)
class Job:
    """The job as it is asked for, beside what the settings have of it."""

    name: str
    model: str
    method: Method
    there: Mapping[str, Any]
    """Its entry in the settings file as it was; empty for a new job."""
    dataset: str
    validation_dataset: str


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A checked data set, ready to be pushed."""

    name: str
    path: Path
    entry: "LockEntry"
    media: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be deployed."""

    assembly: "Assembly"
    foundations: "tuple[Change, ...]"
    job: "Change"
    settings: Edited
    cost: str

    @property
    def changes(self) -> "list[Change]":
        """The stacks that are not as they should be."""
        return [one for one in (*self.foundations, self.job) if one.doing != "nothing"]

    def as_json(self) -> dict[str, object]:
        """It for the JSON object."""
        return {
            "settings": list(self.settings.changes),
            "stacks": {one.stack: one.doing for one in (*self.foundations, self.job)},
            "cost": self.cost,
        }


class Training:
    """One run of the command."""

    def __init__(self, *, asked: Asked, output: Output) -> None:
        self._asked = asked
        self._output = output
        self._phases = Phases(output=output)

    def run(self) -> Mapping[str, object]:
        """Go through every phase and return the keys of the JSON object.

        Raises `CommandError` in the phase in which it stops.
        """
        job = self._job()
        with (
            tempfile.TemporaryDirectory(prefix="finetune-train-") as folder,
            self._phases.shown(),
        ):
            workspace = Path(folder)
            data = self._checked(job, workspace=workspace)
            plan = self._planned(job, data=data, workspace=workspace)
            self._confirm(job, data=data, plan=plan)
            self._written(plan, data=data)
            self._deployed("foundations", plan.foundations, plan=plan)
            self._pushed(data)
            self._submitted(job, plan=plan)
            watched = self._watched(job)
        metrics = self._metrics(str(watched["name"]))
        self._output.say(f"{watched['name']} is Completed")
        return {
            "environment": self._asked.environment,
            "name": job.name,
            "datasets": {
                each.name: {"sha256": each.entry["sha256"], "records": each.entry["records"]}
                for each in data
            },
            "plan": plan.as_json(),
            "phases": [
                {"name": one.name, "status": one.status, "seconds": one.seconds}
                for one in self._phases.done
            ],
            "job": watched,
            "metrics": metrics,
        }

    # What is asked for

    @cached_property
    def _file(self) -> Path:
        """The settings file."""
        path = self._asked.config / f"{self._asked.environment}.yaml"
        if not path.is_file():
            at = (
                ""
                if self._asked.config == environments.DEFAULT_CONFIG
                else (f" --config {self._asked.config}")
            )
            raise failure(
                code=ExitCode.USAGE,
                id="no-settings",
                message=f"there are no settings of the environment {self._asked.environment}",
                fix=f"write a first file: finetune init {self._asked.environment}{at}; or choose"
                " another environment with -e",
                where={"file": str(path)},
            )
        return path

    def _job(self) -> Job:
        from settings.source import read_yaml  # noqa: PLC0415 loaded when used

        asked = self._asked
        values = read_yaml(path=self._file).values
        jobs = (values.get("jobs") if isinstance(values, dict) else None) or {}
        name = (
            job_name_of(asked.file)
            if asked.name is None
            else require_name(asked.name, given=f"--name {asked.name!r}")
        )
        there: Mapping[str, Any] = jobs[name] if isinstance(jobs.get(name), dict) else {}
        model = asked.model or there.get("base_model")
        if model is None:
            raise failure(
                code=ExitCode.USAGE,
                id="no-model",
                message=f"the settings have no job {name!r}, so its base model must be named",
                fix="say --model ID: see `finetune models --usable`",
            )
        known = {one.api_name: one for one in Method}
        method = asked.method or known.get(str(there.get("customization_type")), Method.FINE_TUNING)
        if asked.validation is not None and asked.split is not None:
            raise failure(
                code=ExitCode.USAGE,
                id="validation-twice",
                message="--validation names validation data and --split parts some off: got both",
                fix="leave one of them out",
            )
        own = f"{name}-validation"
        return Job(
            name=name,
            model=str(model),
            method=method,
            there=there,
            dataset=_unshared(there.get("dataset"), own=name, job=name, jobs=jobs),
            validation_dataset=_unshared(
                there.get("validation_dataset"), own=own, job=name, jobs=jobs
            ),
        )

    def _entry(self, job: Job, *, validated: bool, run: int | None = None) -> Entry:
        """What the settings are to say of the job."""
        asked = self._asked
        values: dict[str, Any] = {"base_model": job.model}
        if job.method is not Method.FINE_TUNING or "customization_type" in job.there:
            values["customization_type"] = job.method.api_name
        if asked.teacher is not None:
            values["distillation"] = {
                **(job.there.get("distillation") or {}),
                "teacher": asked.teacher,
            }
        if asked.grader is not None:
            values["reinforcement"] = {
                **(job.there.get("reinforcement") or {}),
                "grader_function": asked.grader,
            }
        values["dataset"] = job.dataset
        if validated:
            values["validation_dataset"] = job.validation_dataset
        elif job.there.get("validation_dataset") is not None:
            # Data that was named before stays: nothing was said of it now.
            values["validation_dataset"] = job.there["validation_dataset"]
        if run is not None:
            values["run"] = run
        hyperparameters = hyperparameters_of(asked.hyperparameters)
        if not job.there and not hyperparameters and job.method is Method.FINE_TUNING:
            from finetune.init import first_hyperparameters  # noqa: PLC0415 loaded when used

            hyperparameters = first_hyperparameters(job.model)
        return Entry(values=values, hyperparameters=hyperparameters)

    # Phases

    def _checked(self, job: Job, *, workspace: Path) -> list[DataSet]:
        """Bring the data into the model's format and check it."""
        from finetune.train_source import prepare, share_of  # noqa: PLC0415 loaded when used
        from trainingdata.limits import limits_of  # noqa: PLC0415

        asked = self._asked
        family = family_of(model=job.model, method=job.method.api_name)
        limits = limits_of(family)
        share = None if asked.split is None else share_of(asked.split)
        with self._phases.phase("data") as phase:
            self._phases.say(f"reading {asked.file.name}")
            source = prepare(
                output=self._output,
                path=asked.file,
                validation=asked.validation,
                share=share,
                model=job.model,
                method=job.method,
                limits=limits,
                folder=_made(workspace / "data"),
            )
            checks = self._check(source, family=family)
            found = [
                self._data_set(name=name, path=path, check=check, family=family)
                for (path, check), name in zip(
                    checks, (job.dataset, job.validation_dataset), strict=False
                )
            ]
            records = " and ".join(f"{check.records} records" for _, check in checks)
            phase.status = f"{records}, nothing wrong; {source.said}"
        return found

    def _check(
        self, source: "Source", *, family: "DatasetFamily"
    ) -> "list[tuple[Path, FileCheck]]":
        from finetune.data_check import check_one, compare  # noqa: PLC0415 loaded when used
        from finetune.data_push_command import require_good  # noqa: PLC0415
        from trainingdata.check import judge_counts  # noqa: PLC0415
        from trainingdata.limits import limits_of  # noqa: PLC0415

        limits = limits_of(family)
        paths = [path for path in (source.training, source.validation) if path is not None]
        checks = [
            check_one(
                path=path,
                limits=limits,
                training=path == source.training,
                digest=True,
                output=self._output,
                bar=self._phases.bar,
            )
            for path in paths
        ]
        against = checks[1] if len(checks) > 1 else None
        judge_counts(limits=limits, training=checks[0], validation=against)
        compare(path=source.training, check=checks[0], validation=against)
        for path, check in zip(paths, checks, strict=True):
            require_good(
                path=source.given if path == source.training else path,
                check=check,
                allow_secrets=self._asked.allow_secrets,
                output=self._output,
            )
        return list(zip(paths, checks, strict=True))

    def _data_set(
        self, *, name: str, path: Path, check: "FileCheck", family: "DatasetFamily"
    ) -> DataSet:
        from finetune.data_push import make_entry  # noqa: PLC0415 loaded when used
        from finetune.data_push_command import require_names  # noqa: PLC0415
        from finetune.lock_file import LOCK_FILE, read_entries  # noqa: PLC0415

        require_names(name=name, path=path)
        previous = read_entries(path=self._asked.config / LOCK_FILE).get(name)
        entry = make_entry(
            name=name, path=path, check=check, model_family=family.name, previous=previous
        )
        return DataSet(name=name, path=path, entry=entry, media=check.buckets)

    def _planned(self, job: Job, *, data: Sequence[DataSet], workspace: Path) -> Plan:
        """Synthesise the app with the job, and find out what is not as it should be."""
        with self._phases.phase("plan") as phase:
            plan = self._plan(job, data=data, workspace=workspace, run=None)
            if self._asked.again and plan.job.doing == "nothing" and self._is_over(job):
                run = int(job.there.get("run", 1)) + 1
                plan = self._plan(job, data=data, workspace=workspace, run=run)
            wanting = len(plan.changes)
            phase.status = f"{wanting} stacks to deploy" if wanting else "everything is deployed"
        return plan

    def _plan(self, job: Job, *, data: Sequence[DataSet], workspace: Path, run: int | None) -> Plan:
        from settings.cost import costs_of, in_one_line  # noqa: PLC0415 loaded when used

        change = edited(
            text=self._file.read_text(encoding="utf-8"),
            job=job.name,
            entry=self._entry(job, validated=len(data) > 1, run=run),
            file=self._file,
        )
        # In a copy: nothing is written into the settings before it is agreed to.
        copy = workspace / "config"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for pattern in _COPIED:
            for path in self._asked.config.glob(pattern):
                shutil.copy(path, copy)
        (copy / self._file.name).write_text(change.text, encoding="utf-8")
        self._lock(copy, data=data)
        settings = self._settings(copy)
        self._phases.say("synthesising, with every gate")
        assembly = self._deployer(workspace).synthesise(config=copy, tick=self._phases.tick)
        self._phases.say("comparing with what is deployed")
        prefix = self._environment.stack("job-")
        stacks = assembly.stacks()
        own = self._environment.stack(f"job-{job.name}")

        def waits(words: str) -> None:
            self._phases.say(words)
            self._phases.tick()

        *foundations, last = self._deployer(workspace).changes(
            assembly=assembly,
            stacks=[*(stack for stack in stacks if not stack.startswith(prefix)), own],
            tick=waits,
        )
        return Plan(
            assembly=assembly,
            foundations=tuple(foundations),
            job=last,
            settings=change,
            cost=in_one_line(costs_of(settings=settings, directory=copy)),
        )

    def _settings(self, directory: Path) -> "Settings":
        """The settings as they will be. Raises `CommandError` with all that is wrong with them."""
        from settings import SettingsError, load_settings  # noqa: PLC0415 loaded when used

        try:
            return load_settings(environment=self._asked.environment, directory=directory)
        except SettingsError as error:
            raise CommandError(
                code=ExitCode.USAGE,
                findings=[
                    finding_of(_elsewhere(one.as_json(), file=str(self._file)))
                    for one in error.findings
                ],
            ) from error

    def _confirm(self, job: Job, *, data: Sequence[DataSet], plan: Plan) -> None:
        """Show what would be made and what it costs; go on only when that is agreed to."""
        if not plan.changes and not plan.settings.changes:
            return
        self._phases.pause()
        say = self._output.say
        records = sum(each.entry["records"] for each in data)
        say(f"the job {job.name} of {job.model} on {records} records, in"
            f" {self._asked.environment}:")  # fmt: skip
        for words in (*plan.settings.changes, *(one.words for one in plan.changes)):
            say(f"  {words}")
        say(f"  {plan.cost}")
        if not self._asked.yes:
            if self._output.as_json or not sys.stdin.isatty():
                raise CommandError(
                    code=ExitCode.USAGE,
                    findings=[
                        Finding(
                            id="not-confirmed",
                            level="error",
                            message="nothing was deployed: nobody is there to be asked",
                            fix="say --yes to deploy what is listed",
                        )
                    ],
                    result={"plan": plan.as_json()},
                )
            if not typer.confirm("Deploy this?", default=False, err=True):
                raise CommandError(
                    code=ExitCode.INTERRUPTED,
                    findings=[
                        Finding(
                            id="declined",
                            level="note",
                            message="nothing was deployed, and no file was changed",
                            fix="",
                        )
                    ],
                )
        self._phases.go_on()

    def _written(self, plan: Plan, *, data: Sequence[DataSet]) -> None:
        """Write the lock file and the settings file."""
        self._lock(self._asked.config, data=data)
        if plan.settings.changes:
            write(path=self._file, text=plan.settings.text)

    def _lock(self, directory: Path, *, data: Sequence[DataSet]) -> None:
        from finetune.lock_file import LOCK_FILE, write_entry  # noqa: PLC0415 loaded when used

        for each in data:
            write_entry(path=directory / LOCK_FILE, name=each.name, entry=each.entry)

    def _deployed(self, name: str, changes: "Sequence[Change]", *, plan: Plan) -> None:
        """Deploy stacks unless all of them are as they should be."""
        with self._phases.phase(name) as phase:
            if all(one.doing == "nothing" for one in changes):
                phase.status = "deployed already"
                return
            self._deployer(None).deploy(
                assembly=plan.assembly,
                stacks=[one.stack for one in changes],
                say=self._phases.say,
                steps=lambda done, of: self._phases.steps(done=done, of=of),
                tick=self._phases.tick,
            )
            phase.status = "deployed"

    def _submitted(self, job: Job, *, plan: Plan) -> None:
        """Deploy the job's stack, which submits the job.

        A job that fails while its stack waits for it takes the stack with it: then the job's own
        reason is told, and not the stack's.
        """
        from finetune.job_commands import (  # noqa: PLC0415 loaded when used
            job_in_bedrock,
            why_it_ended,
        )

        before = set(self._names(job))
        try:
            self._deployed("job", [plan.job], plan=plan)
        except CommandError as error:
            new = [name for name in self._names(job) if name not in before]
            bedrock = self._connection.bedrock()
            found = job_in_bedrock(bedrock=bedrock, full_name=new[0]) if new else None
            if found is None or not found.status.is_over:
                raise
            raise CommandError(
                code=ExitCode.FINDINGS, findings=[why_it_ended(job=found)]
            ) from error

    def _names(self, job: Job) -> list[str]:
        """Names of the job's submissions that Bedrock knows, the newest first."""
        from finetune.job_commands import summaries_of  # noqa: PLC0415 loaded when used

        found = summaries_of(
            bedrock=self._connection.bedrock(), environment=self._environment, job=job.name
        )
        return [str(summary["jobName"]) for summary in found]

    def _pushed(self, data: Sequence[DataSet]) -> None:
        """Upload what is not in the bucket."""
        from finetune.data_push import find_destination, upload_once  # noqa: PLC0415
        from finetune.data_push_command import require_media_in  # noqa: PLC0415

        with self._phases.phase("push") as phase:
            destination = find_destination(
                connection=self._connection, environment=self._environment
            )
            if destination is None:
                raise failure(
                    code=ExitCode.AWS,
                    id="not-deployed",
                    message=f"the stack {self._environment.stack('storage')} is gone since it was"
                    " deployed",
                    fix="run the same command again",
                )
            sent = 0
            for each in data:
                require_media_in(destination.bucket, media=each.media, path=each.path)
                with self._phases.bar(
                    what=f"uploading {each.name}", total=each.entry["bytes"], output=self._output
                ) as progress:
                    sent += upload_once(
                        connection=self._connection,
                        destination=destination,
                        entry=each.entry,
                        path=each.path,
                        progress=progress,
                    )
            phase.status = f"{sent} uploaded" if sent else "uploaded already"

    def _watched(self, job: Job) -> Mapping[str, Any]:
        """Follow the job that the stack names to its end."""
        from finetune.job_commands import (  # noqa: PLC0415 loaded when used
            REHEARSAL_INTERVAL,
            Target,
            follow,
        )
        from finetune.queued_jobs import QUEUED, Queue  # noqa: PLC0415 loaded when used

        self._phases.go_on(by_itself=True)
        with self._phases.phase("training") as phase:
            outputs = self._outputs(job)
            result = follow(
                shown=self._phases,
                bedrock=self._connection.bedrock(),
                environment=self._environment,
                queue=Queue(
                    connection=self._connection,
                    environment=self._environment,
                    warn=self._output.add,
                ),
                target=Target(
                    name=outputs["JobName"],
                    waits_for=job.name if outputs.get("State") == QUEUED else None,
                ),
                interval=REHEARSAL_INTERVAL if self._asked.rehearsal else self._asked.interval,
                seconds=self._asked.seconds,
            )
            phase.status = "Completed"
        found: Any = result["job"]
        return dict(found)

    def _metrics(self, name: str) -> Mapping[str, object] | None:
        """Show the metrics; a model without any is a model all the same."""
        from finetune.metrics import runs_of, show_runs  # noqa: PLC0415 loaded when used

        try:
            with self._phases.phase("metrics") as phase:
                runs = runs_of(
                    output=self._output,
                    settings=read_environment(
                        name=self._asked.environment, directory=self._asked.config
                    ),
                    names=[name],
                    newest=1,
                    window=None,
                    rehearsal=self._asked.rehearsal,
                )
                phase.status = "read"
            return show_runs(
                output=self._output,
                runs=runs,
                title=f"Fine-tuning: {name}",
                html=None,
                png=None,
                plot=True,
                strict=False,
            )
        except CommandError as error:
            for finding in error.findings:
                self._output.add(
                    Finding(
                        id=finding.id,
                        level="warning",
                        message=f"the job is completed, but: {finding.message}",
                        fix=finding.fix,
                        where=finding.where,
                    )
                )
            return None

    # What they need

    @cached_property
    def _environment(self) -> Environment:
        """The environment's name and Region: all that is needed before the job is written."""
        from settings.source import read_yaml  # noqa: PLC0415 loaded when used

        values = read_yaml(path=self._file).values
        region = values.get("region") if isinstance(values, dict) else None
        return Environment(name=self._asked.environment, region=str(region), jobs={})

    @cached_property
    def _connection(self) -> "Connection":
        from finetune.aws import connect  # noqa: PLC0415 loaded when used

        return connect(region=self._environment.region, rehearsal=self._asked.rehearsal)

    def _deployer(self, workspace: Path | None) -> "Deployer":
        if workspace is not None and not hasattr(self, "_made_deployer"):
            from finetune.train_deploy import Deployer  # noqa: PLC0415 loaded when used

            self._made_deployer = Deployer(
                connection=self._connection,
                environment=self._asked.environment,
                folder=workspace,
                variables=self._variables(),
                interval=0.2 if self._asked.rehearsal else STACK_INTERVAL,
            )
        return self._made_deployer

    def _variables(self) -> dict[str, str]:
        """Environment variables by which the CDK's command line finds AWS, or the rehearsal."""
        if not self._asked.rehearsal:
            tools = [str(ROOT / "node_modules" / ".bin"), str(Path(sys.executable).parent)]
            path = os.pathsep.join([*tools, os.environ.get("PATH", os.defpath)])
            return {**os.environ, "PATH": path}
        from finetune.aws import read_rehearsal  # noqa: PLC0415 loaded when used
        from rehearsal.client import Client, Credentials  # noqa: PLC0415

        kept = read_rehearsal(path=environments.REHEARSAL_FILE)
        client = Client(
            endpoint=kept.endpoint,
            ca_file=Path(kept.ca_file),
            region=kept.region,
            account="",
            credentials=Credentials(
                access_key=kept.access_key_id,
                secret_key=kept.secret_access_key,
                session_token=kept.session_token,
            ),
        )
        # The command line caches accounts by access key, which another rehearsal has used too.
        home = str(Path(kept.state_dir) / "cdk-home")
        return {**client.environment(), "CDK_HOME": home, "CDK_DISABLE_CLI_TELEMETRY": "true"}

    def _outputs(self, job: Job) -> dict[str, str]:
        from finetune.aws import stack_outputs  # noqa: PLC0415 loaded when used

        stack = self._environment.stack(f"job-{job.name}")
        outputs = stack_outputs(connection=self._connection, stack=stack) or {}
        if "JobName" not in outputs:
            raise failure(
                code=ExitCode.AWS,
                id="no-output",
                message=f"the stack {stack} names no job: its deployment did not succeed",
                fix="run the same command again",
                where={"stack": stack},
            )
        return outputs

    def _is_over(self, job: Job) -> bool:
        """Whether the job that is deployed has ended."""
        from finetune.job_commands import job_in_bedrock  # noqa: PLC0415 loaded when used

        found = job_in_bedrock(
            bedrock=self._connection.bedrock(), full_name=self._outputs(job)["JobName"]
        )
        return found is not None and found.status.is_over


def _unshared(there: object, *, own: str, job: str, jobs: Mapping[str, Any]) -> str:
    """The data set a job has, unless another job has it too; else one of the job's own."""
    users = [
        name
        for name, entry in jobs.items()
        if isinstance(entry, dict)
        and there in (entry.get("dataset"), entry.get("validation_dataset"))
    ]
    return str(there) if isinstance(there, str) and users == [job] else own


def _elsewhere(values: Mapping[str, Any], *, file: str) -> Mapping[str, Any]:
    """A finding on the copy of the settings, as one on the file itself."""
    where = {**values["where"]}
    if str(where.get("file", "")).endswith(Path(file).name):
        where["file"] = file
    return {**values, "where": where}


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder
