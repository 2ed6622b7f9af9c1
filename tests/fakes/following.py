"""A completed job with a wish, and the follow-up of it: the machine's definition, our handlers."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

from aws_lambda_powertools.utilities.typing import LambdaContext

import deployer.handler
import invoker.handler
import model_report.handler
from customization import clients
from follow_up.definition import definition
from tests.fakes.aws import STATE_MACHINE, FakeAws
from tests.fakes.cloudformation import STACK, Context, Resource, sweep
from tests.fakes.deployments import WishResource, serve, wish
from tests.fakes.machine import Ended, Engine, Json, TaskError
from tests.fakes.properties import made

_FUNCTIONS = {
    "report": ("model_report", model_report.handler.handler),
    "deployer": ("deployer", deployer.handler.handler),
    "invoker": ("invoker", invoker.handler.handler),
}
TOPIC = "arn:aws:sns:eu-test-1:123456789012:made-topic"
DEFINITION = definition(
    partition="aws",
    report_arn="report",
    deployer_arn="deployer",
    invoker_arn="invoker",
    topic_arn=TOPIC,
)
TEST: dict[str, Any] = {"prompt": "Is the planted question answered?", "contains": ["made up"]}


class KilledError(BaseException):
    """The end of a function from outside: out of time, out of memory, or its machine died."""


@dataclass
class MortalAws(FakeAws):
    """A fake in which a function can be ended at a call of its own, before or after its effect.

    `moments` counts both kinds; `dies_at` is the number of the one at which it ends.
    """

    moments: int = 0
    dies_at: int | None = None
    counting: bool = False

    def before_call(self, operation: str) -> None:
        self._moment()
        super().before_call(operation)

    def after_call(self, operation: str) -> None:
        super().after_call(operation)
        self._moment()

    def _moment(self) -> None:
        if not self.counting:
            return
        self.moments += 1
        if self.moments - 1 == self.dies_at:
            raise KilledError


@dataclass
class Following:
    """One completed job, and one run of the machine for it."""

    aws: MortalAws
    engine: Engine
    name: str = ""
    tasks: int = 0
    loses: int | None = None
    """The number of the task whose answer is lost after it was done, from 0."""
    answered: bool = False
    """Whether the last function answered; when not, the next call is the same once more."""
    machine: Mapping[str, Any] = field(default_factory=lambda: copy.deepcopy(DEFINITION))

    def job(
        self, *, kind: str | None = None, tests: list[dict[str, Any]] | None = None, **more: str
    ) -> str:
        """Bring a job to its end, with outputs and perhaps a wish; return its name."""
        resource = Resource(aws=self.aws, properties=made())
        self.name = str(resource.create()["PhysicalResourceId"])
        self.aws.end_job(self.name, "Completed")
        resource.at_rest()
        self.plant_outputs()
        if kind is not None:
            asked = wish(
                JobName=self.name,
                Kind=kind,
                Hours="8" if kind == "provisioned" else "",
                SmokeTests=json.dumps([TEST] if tests is None else tests),
                **more,
            )
            wished = WishResource(aws=self.aws, properties=asked, stack=f"{STACK}-of-wish")
            wished.create()
            wished.at_rest()
            self.aws.bedrock.serving.model_units = 10
        return self.name

    @property
    def folder(self) -> str:
        """Where the job's outputs are."""
        job_id = self.aws.jobs[self.name]["jobArn"].rpartition("/")[2]
        return f"outputs/tone/model-customization-job-{job_id}/"

    def plant_outputs(self, *, validation: bool = True) -> None:
        """Put the metrics where Bedrock puts them."""
        places = {"training": "training_artifacts/step_wise_training_metrics.csv"}
        if validation:
            places["validation"] = (
                "validation_artifacts/post_fine_tuning_validation/validation_metrics.csv"
            )
        for kind, place in places.items():
            lines = [f"step_number,epoch_number,{kind}_loss,perplexity"]
            for step in range(40):
                loss = 0.5 + 1.5 * math.exp(-step / 8)
                lines.append(f"{step},{step // 20},{loss:.4f},{math.exp(loss):.4f}")
            self.aws.outputs[self.folder + place] = [("\n".join(lines) + "\n").encode()]

    def run(self, *, execution: str | None = None) -> Ended:
        """Have the follower start the machine, and run it to its end."""
        if self.name not in self.aws.executions:
            sweep(self.aws)
        order = self.aws.executions[self.name]
        self.aws.counting = True
        try:
            return self.engine.run(
                self.machine, order=order, name=execution or self.name, do=self.do
            )
        finally:
            self.aws.counting = False

    def do(self, resource: str, arguments: Json) -> Json:
        """Do one task, as Step Functions does: by a function of ours or by the topic."""
        number, self.tasks = self.tasks, self.tasks + 1
        if resource == "arn:aws:states:::sns:publish":
            self.aws.counting = False
            result = clients.sns().publish(**arguments)
            self.aws.counting = True
            return {"MessageId": result["MessageId"]}
        assert resource == "arn:aws:states:::lambda:invoke"
        payload = self._invoke(arguments["FunctionName"], arguments["Payload"])
        if number == self.loses:
            self.answered = False
            raise TaskError("Sandbox.Timedout", json.dumps({"errorMessage": "made up"}))
        return {"StatusCode": 200, "Payload": payload}

    def _invoke(self, function: str, event: object) -> Json:
        package, handler = _FUNCTIONS[function]
        if function == "deployer" and self.answered:
            # Time goes on while the machine waits, and so does Bedrock.
            self.aws.now += timedelta(minutes=1)
            serve(self.aws)
        self.answered = False
        try:
            with self.aws.called_by(package):
                result = handler(json.loads(json.dumps(event)), cast("LambdaContext", Context(900)))
        except KilledError:
            raise TaskError("Runtime.ExitError", json.dumps({"errorMessage": "ended"})) from None
        except Exception as error:
            said = {"errorMessage": str(error), "errorType": type(error).__name__}
            raise TaskError(type(error).__name__, json.dumps(said)) from error
        self.answered = True
        answer: Json = json.loads(json.dumps(result))
        return answer

    @property
    def told(self) -> list[dict[str, Any]]:
        """What the follow-up announced, parsed."""
        messages = [json.loads(each["Message"]) for each in self.aws.published]
        return [message for message in messages if "/follow-up/" in message["id"]]

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The entries of the model's record, in their order."""
        prefix = f"outputs/tone/lineage/{self.name}/"
        keys = sorted(key for key in self.aws.outputs if key.startswith(prefix))
        return [json.loads(self.aws.outputs[key][-1]) for key in keys]

    def end_state(self) -> dict[str, Any]:
        """Everything that a follow-up leaves, without the times at which it was written."""
        return {
            "versions": {key: len(versions) for key, versions in self.aws.outputs.items()},
            "page": self.aws.outputs.get(f"{self.folder}training_metrics.html"),
            "record": [
                {key: entry[key] for key in ("sequence", "id", "event", "by", "facts")}
                for entry in self.entries
            ],
            "deployments": sorted(
                (each["modelDeploymentName"], each["status"])
                for each in self.aws.bedrock.deployments.values()
            ),
            "throughputs": sorted(
                (each["provisionedModelName"], each["status"])
                for each in self.aws.bedrock.throughputs.values()
            ),
            "schedules": sorted(self.aws.schedules),
            "told": self.told,
        }


__all__ = ["DEFINITION", "STATE_MACHINE", "TEST", "Following", "KilledError", "MortalAws"]
