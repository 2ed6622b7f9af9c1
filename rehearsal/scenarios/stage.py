"""What scenarios play on: a deployed environment with settings of their own."""

from __future__ import annotations

import copy
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from rehearsal import datasets, main_scenario
from rehearsal.client import Client
from rehearsal.deployment import Deployed, Deployment
from rehearsal.errors import RehearsalError
from rehearsal.layout import ROOT
from rehearsal.narration import Narration
from rehearsal.scenarios.topic import Listener
from rehearsal.session import Session
from rehearsal.toolkit import Assembly, Template
from rehearsal.watching import ENDED
from settings import Settings

Jobs = Mapping[str, Mapping[str, Any]]
"""Jobs by name, each with what differs from the settings' first job."""

ZONES = ("a", "b")
"""Training zones of a stage: two are as good as six here, and quicker."""
TIMEOUT = 120.0
"""Seconds until what must become so is given up: many times what it takes, for slow machines."""
_INTERVAL = 0.1


def must(holds: bool, claim: str, *, seen: object = "") -> None:
    """Fail the scenario unless a claim holds.

    Raises:
        RehearsalError: names the claim, and what was seen instead.
    """
    if not holds:
        raise RehearsalError(
            f"not so: {claim}",
            fix="read the emulator's log: the functions' lines are in it",
            reasons=(f"seen: {seen}",) if seen != "" else (),
        )


@dataclass(kw_only=True)
class Stage:
    """One emulator with a deployed environment, and ways to look at it."""

    session: Session
    settings: Settings
    config: Path
    """A copy of the configuration's folder, to be written to."""
    original: Mapping[str, Any]
    """The settings file as it was."""
    narration: Narration
    ahead: float = 0.0
    """Seconds that the account's time is ahead of this machine's."""
    serves: bool = False
    """Whether the settings enable inference."""
    inference: Mapping[str, Any] = field(default_factory=dict)
    """What the settings say of inference besides."""
    assemblies: int = 0
    deployed: dict[str, Template] = field(default_factory=dict)
    """Templates of the stacks that all jobs share, as they were applied last."""
    _clients: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def prepare(
        cls, *, session: Session, settings: Settings, config: Path, narration: Narration
    ) -> Stage:
        """A stage with a copy of the configuration; nothing is started yet."""
        copied = session.state / "config"
        shutil.copytree(config, copied, dirs_exist_ok=True)
        file = config / f"{settings.environment}.yaml"
        return cls(
            session=session,
            settings=settings,
            config=copied,
            original=yaml.safe_load(file.read_text(encoding="utf-8")),
            narration=narration,
        )

    @property
    def client(self) -> Client:
        """The account's root."""
        return self.session.client()

    def service(self, name: str) -> Any:  # noqa: ANN401 - boto3's clients are untyped here
        """A client of the root for a service, made once."""
        if name not in self._clients:
            self._clients[name] = self.client.service(name)
        return self._clients[name]

    @property
    def deployment(self) -> Deployment:
        """Stack operations by the API."""
        return Deployment(self.client)

    def stack(self, part: str) -> str:
        """Name of a stack of the environment."""
        return main_scenario.stack_name(self.settings, part)

    def job_stack(self, job: str) -> str:
        """Name of a job's stack."""
        return self.stack(f"job-{job}")

    # Settings, data and templates

    def write_settings(self, jobs: Jobs, *, zones: Sequence[str] = ZONES) -> None:
        """Write the settings file with these jobs and training zones, and all else as it is."""
        path = self.config / f"{self.settings.environment}.yaml"
        values: dict[str, Any] = copy.deepcopy(dict(self.original))
        usual = next(iter(values["jobs"].values()))
        # Copies: YAML would write what is the same object as an alias.
        values["jobs"] = {
            name: {**copy.deepcopy(usual), **copy.deepcopy(dict(changes))}
            for name, changes in jobs.items()
        }
        values["network"]["training_zones"] = list(zones)
        if self.serves:
            values["inference"] = {"enabled": True, **self.inference}
        path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")

    def synthesise(self, jobs: Jobs, *, zones: Sequence[str] = ZONES) -> Assembly:
        """Synthesise the app with these jobs."""
        self.write_settings(jobs, zones=zones)
        self.assemblies += 1
        return self.session.toolkit.synthesise(
            environment_name=self.settings.environment,
            config=self.config,
            name=f"cdk-{self.assemblies}.out",
            gates=False,
        )

    def push_data(self) -> None:
        """Push what the settings name, as an uploader."""
        person = main_scenario.engineer(client=self.client, settings=self.settings)
        for entry in datasets.needed_by(self.settings):
            datasets.push_file(
                person=person,
                name=entry.name,
                path=datasets.find_file(entry, folders=[ROOT / "examples"]),
                environment=self.settings.environment,
                config=self.config,
                state=self.session.state,
                children=self.session.children,
            )

    def push_other_data(self, name: str) -> None:
        """Push a data set with other content: the first training file, less its last record."""
        entry = datasets.needed_by(self.settings)[0]
        path = datasets.find_file(entry, folders=[ROOT / "examples"])
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        changed = self.session.state / "train.jsonl"
        changed.write_text("".join(lines[:-1]), encoding="utf-8")
        datasets.push_file(
            person=main_scenario.engineer(client=self.client, settings=self.settings),
            name=name,
            path=changed,
            environment=self.settings.environment,
            config=self.config,
            state=self.session.state,
            children=self.session.children,
        )

    # Deploying

    def apply(self, stack: str, template: Template) -> Deployed:
        """Create or update one stack by the API."""
        return self.deployment.apply(stack=stack, template=template)

    def deploy(self, assembly: Assembly, jobs: Sequence[str]) -> None:
        """Deploy the stacks of jobs one after the other.

        Raises:
            RehearsalError: one does not succeed.
        """
        for job in jobs:
            stack = self.job_stack(job)
            found = self.apply(stack, assembly.template(stack))
            if not found.ok:
                raise RehearsalError(
                    f"{stack} is {found.status}",
                    fix="read the emulator's log",
                    reasons=found.reasons,
                )

    def deploy_shared(self, assembly: Assembly) -> None:
        """Bring the stacks that all jobs share to these templates, where they differ."""
        shared, _ = main_scenario.split(assembly, self.settings)
        for stack in shared:
            template = assembly.template(stack)
            if self.deployed.get(stack) != template:
                found = self.apply(stack, template)
                must(found.ok, f"{stack} can be updated", seen=found)
                self.deployed[stack] = template

    def delete(self, jobs: Sequence[str]) -> None:
        """Delete the stacks of jobs."""
        for job in jobs:
            found = self.deployment.delete(stack=self.job_stack(job))
            must(found.ok, f"{self.job_stack(job)} can be deleted", seen=found)

    def output(self, job: str, name: str) -> str:
        """An output of a job's stack."""
        return str(self.deployment.output(stack=self.job_stack(job), name=name))

    def listener(self) -> Listener:
        """A queue on the environment's topic."""
        outputs = main_scenario.outputs(self.client, self.stack("engine"))
        return Listener(client=self.client, topic_arn=outputs["JobTopicArn"])

    # Time

    def later(self, seconds: float) -> None:
        """Let time pass at once in the account: in Bedrock, Scheduler and the functions."""
        self.ahead += seconds
        self.session.move_clock(self.ahead)

    # Looking

    def until(self, what: str, look: Callable[[], bool], *, timeout: float = TIMEOUT) -> None:
        """Wait until something is so.

        Raises:
            RehearsalError: it is not so in time.
        """
        deadline = time.monotonic() + timeout
        while not look():
            if time.monotonic() > deadline:
                raise RehearsalError(
                    f"not within {timeout:g} s: {what}",
                    fix="read the emulator's log: the functions' lines are in it",
                )
            time.sleep(_INTERVAL)

    def status(self, name: str) -> str:
        """Status of a job in Bedrock."""
        job = self.service("bedrock").get_model_customization_job(jobIdentifier=name)
        return str(job["status"])

    def wait_for(self, name: str, status: str, *, timeout: float = TIMEOUT) -> None:
        """Wait until a job has ended with this status."""

        def look() -> bool:
            found = self.status(name)
            must(found == status or found not in ENDED, f"the job {name} ends {status}", seen=found)
            return found == status

        self.until(f"the job {name} is {status}", look, timeout=timeout)

    def jobs(self) -> list[str]:
        """Names of all jobs that Bedrock has ever had."""
        pages = self.service("bedrock").get_paginator("list_model_customization_jobs").paginate()
        return [job["jobName"] for page in pages for job in page["modelCustomizationJobSummaries"]]

    def models(self) -> list[str]:
        """Names of the custom models there are."""
        pages = self.service("bedrock").get_paginator("list_custom_models").paginate()
        return [model["modelName"] for page in pages for model in page["modelSummaries"]]

    def deployments(self) -> dict[str, str]:
        """Status of each custom model deployment, by name."""
        answer = self.service("bedrock").list_custom_model_deployments()
        return {
            each["customModelDeploymentName"]: each["status"]
            for each in answer["modelDeploymentSummaries"]
        }

    def throughputs(self) -> dict[str, str]:
        """Status of each provisioned throughput, by name."""
        answer = self.service("bedrock").list_provisioned_model_throughputs()
        return {
            each["provisionedModelName"]: each["status"]
            for each in answer["provisionedModelSummaries"]
        }

    def schedules(self) -> list[str]:
        """Names of the environment's one-time schedules."""
        group = self.stack("").removesuffix("-")
        answer = self.service("scheduler").list_schedules(GroupName=group)
        return [each["Name"] for each in answer["Schedules"]]

    def executions(self, status: str) -> list[str]:
        """Names of the follow-up's executions of a status."""
        answer = self.service("stepfunctions").list_executions(
            stateMachineArn=self.follow_up_arn, statusFilter=status
        )
        return [each["name"] for each in answer["executions"]]

    @property
    def follow_up_arn(self) -> str:
        """ARN of the state machine that follows jobs up."""
        region, account = self.client.region, self.client.account
        return f"arn:aws:states:{region}:{account}:stateMachine:{self.stack('follow-up')}"

    def delete_model(self, name: str) -> None:
        """Delete a model that its policy keeps, as a person would."""
        self.service("bedrock").delete_custom_model(modelIdentifier=name)

    def interfaces(self) -> list[str]:
        """Network interfaces of jobs."""
        answer = self.service("ec2").describe_network_interfaces(
            Filters=[{"Name": "tag:BedrockManaged", "Values": ["true"]}]
        )
        return [one["NetworkInterfaceId"] for one in answer["NetworkInterfaces"]]

    def row(self, name: str) -> dict[str, str]:
        """What the state table says of a job, empty when it says nothing."""
        table = main_scenario.outputs(self.client, self.stack("engine"))["StateTableName"]
        return self._row(table, name)

    def deployment_row(self, name: str) -> dict[str, str]:
        """What the table of deployments says of one, empty when it says nothing."""
        return self._row(self.stack("deployments"), name)

    def _row(self, table: str, name: str) -> dict[str, str]:
        item = self.service("dynamodb").get_item(
            TableName=table, Key={"Id": {"S": name}}, ConsistentRead=True
        )
        return {key: next(iter(value.values())) for key, value in item.get("Item", {}).items()}

    def is_deployed(self) -> bool:
        """Whether the environment has stacks at all."""
        answer = self.service("cloudformation").describe_stacks()["Stacks"]
        return any(stack["StackName"].startswith(self.stack("")) for stack in answer)

    def alarm(self, name: str) -> str:
        """State of an alarm of the environment."""
        found = self.service("cloudwatch").describe_alarms(AlarmNames=[self.stack(name)])
        must(bool(found["MetricAlarms"]), f"there is an alarm {self.stack(name)}")
        return str(found["MetricAlarms"][0]["StateValue"])

    def command(self, *arguments: str, name: str, timeout: float = TIMEOUT) -> tuple[int, str]:
        """Run `finetune` as an engineer of the settings; return its exit code and what it said."""
        person = main_scenario.engineer(client=self.client, settings=self.settings)
        outcome = self.session.children.run(
            [
                *("finetune", *arguments),
                *("--environment", self.settings.environment, "--config", str(self.config)),
            ],
            name=name,
            cwd=self.session.state,
            environment=person.environment(),
            timeout=timeout,
        )
        return outcome.code, outcome.text
