"""The engine in a world of its own: stacks, Lambda, Bedrock and time, moved on by chance.

CloudFormation sends requests and takes answers as its documentation says, and in the ways in which
it leaves open what happens; Lambda loses answers, repeats events and ends functions at any call;
calls fail before and after their effect; between any two calls of one function another may run.
Whatever happens follows from the seed.
"""

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from completion_check.progress import Progress
from customization.errors import CustomizationError
from customization.events import ResourceEvent, SubmitEvent
from customization.identity import DIGEST_TAG, ENVIRONMENT_TAG, JOB_TAG
from customization.patience import Patience
from customization.request import JobRequest
from customization.table import Table
from follower.following import FollowUp
from follower.sweep import Sweep
from submitter.handler import answer
from submitter.lifecycle import Lifecycle
from tests.fakes.aws import SERVICES, FakeAws, FakeStack, LostError, RefusalError

LIMITS = (1, 2, 2)
"""How many jobs may be in progress at once: one or the other, by the world."""
JOBS = ("tone", "voice", "rank")
DELIVERY = timedelta(minutes=10)
"""How long Lambda keeps an event that it cannot deliver, as the engine's stack says."""
FRAMEWORK_WAITS = timedelta(minutes=30)
"""How long the provider framework waits for a request to be complete."""


SENT_AGAIN = 0.25
"""How likely Lambda sends an event again though its function had answered."""
IN_BETWEEN = 0.2
"""How likely something else happens before a call of a function."""
SELDOM = {"StartExecution": 10}
"""Calls that are made once for a job: how much likelier they fail, so that it is ever seen."""
MOST_FOREIGN = 2
STUCK = {"UPDATE_ROLLBACK_FAILED", "DELETE_FAILED"}
"""The statuses in which a stack waits for somebody."""


class BrokenError(AssertionError):
    """An invariant of the engine does not hold."""


class CrashError(BaseException):
    """The end of a function at some call: out of time, out of memory, or a machine that died."""


ENDINGS = (CrashError, CustomizationError, ClientError, BotoCoreError)
"""How a function of ours may end without an answer."""


class _Quiet:
    """A logger that says nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


@dataclass
class Flight:
    """One request of CloudFormation on its way."""

    kind: str
    physical_id: str | None
    properties: dict[str, Any]
    old_properties: dict[str, Any]
    number: int
    sent: datetime
    answer: dict[str, Any] | None = None


@dataclass
class Stack:
    """One stack with one job: its operation is a generator that ends each step with a request."""

    number: int
    job: str
    status: str = "NONE"
    physical_id: str | None = None
    properties: dict[str, Any] = field(default_factory=dict)
    accepted: list[str] = field(default_factory=list)
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    not_cleaned_up: set[str] = field(default_factory=set)
    in_doubt: set[str] = field(default_factory=set)
    before: dict[str, Any] = field(default_factory=dict)
    operation: Iterator[None] | None = None
    unclear: bool = False

    @property
    def id(self) -> str:
        """The stack's ARN."""
        return f"arn:aws:cloudformation:eu-test-1:123456789012:stack/made-{self.job}/{self.number}"


class World:
    """Everything, at one moment.

    `faults` says how likely a call fails, a function ends, or an answer is lost. Worlds differ in
    what disturbs them: in one where all does, little comes about ("swarm testing").
    https://users.cs.utah.edu/~regehr/papers/swarm12.pdf
    """

    def __init__(self, *, seed: int, faults: float = 0.03, base: dict[str, Any]) -> None:
        self.random = Random(seed)  # noqa: S311 - the same again for the same seed
        self.aws = _Hooked(self)
        self.faults = faults * self.random.choice([0.3, 1, 1])
        self.limit = self.random.choice(LIMITS)
        self.weights = {
            name: 0 if name in DISTURBANCES and self.random.random() < 0.5 else weight
            for name, (weight, _) in ACTIONS.items()
        }
        self.base = base
        self.stacks = {job: Stack(number=index, job=job) for index, job in enumerate(JOBS)}
        self.next_stack = len(JOBS)
        self.next_request = 0
        self.late: list[tuple[Stack, Flight]] = []
        self.asked: list[tuple[str, int]] = []
        self.depth = 0
        self.told_again: Counter[str] = Counter()
        self.ever_completed: set[str] = set()
        self.foreign: dict[str, Any] = {}
        self.log: list[str] = []
        for digest in ("1", "2"):
            self.aws.objects["made-bucket", f"tone/{digest}.jsonl"] = {"sha256": digest * 64}

    # What happens

    def step(self) -> None:
        """Let one thing happen, by chance, and look whether all is well."""
        self.act(self.random.choices(list(self.weights), weights=list(self.weights.values()))[0])

    def act(self, name: str) -> None:
        """Let a thing of this name happen, and look whether all is well."""
        self.log.append(name)
        ACTIONS[name][1](self)
        self.check()

    def start_operation(self) -> None:
        """Have somebody create, update or delete a stack that is at rest."""
        stack = self.random.choice(list(self.stacks.values()))
        if stack.operation is not None:
            return
        if stack.status in {"NONE", "DELETE_COMPLETE"}:
            if stack.status == "DELETE_COMPLETE":
                # What it kept stays kept until another stack stands for it, and is complete.
                stack = Stack(number=self.next_stack, job=stack.job, kept=stack.kept)
                self.next_stack += 1
                self.stacks[stack.job] = stack
            stack.operation = self._create(stack, self._properties(stack.job))
        elif stack.status == "UPDATE_ROLLBACK_FAILED":
            stack.operation = self.random.choice([self._continue(stack), self._delete_stack(stack)])
        elif stack.status in {"ROLLBACK_COMPLETE", "DELETE_FAILED"} or self.random.random() < 0.25:
            stack.operation = self._delete_stack(stack)
        else:
            stack.operation = self._update(stack, self._properties(stack.job))
        self.go_on(stack)

    def go_on(self, stack: Stack | None = None) -> None:
        """Let an operation take its next step."""
        under_way = [each for each in self.stacks.values() if each.operation is not None]
        stack = stack or (self.random.choice(under_way) if under_way else None)
        if stack is None or stack.operation is None:
            return
        operation, stack.operation = stack.operation, None
        ended = next(operation, "ended") == "ended"
        if not ended:
            stack.operation = operation
        self._publish_stack(stack)

    def sweep(self) -> None:
        """Wake the follower."""
        aws = self.aws
        told = len(aws.published)

        def run() -> None:
            Sweep(
                bedrock=aws.clients["bedrock"],
                cloudformation=aws.clients["cloudformation"],
                sns=aws.clients["sns"],
                functions=aws.clients["lambda"],
                table=self._table(),
                topic_arn="made",
                submitter="made",
                limit=self.limit,
                logger=cast("Any", _Quiet()),
                emit=lambda _: None,
                now=lambda: aws.now,
                time_left=lambda: 300,
                follow_up=FollowUp(
                    stepfunctions=aws.clients["stepfunctions"],
                    cloudformation=aws.clients["cloudformation"],
                    state_machine="made",
                    logger=cast("Any", _Quiet()),
                ),
            ).run(reserve_seconds=30)

        with suppress(*ENDINGS):
            self._invoke(run)
        # Told, and the writing down of it was lost: it may be told again, and only then.
        for message in aws.published[told:]:
            told_id = json.loads(message["Message"])["id"]
            if "AnnouncedAt" not in aws.items[told_id.partition("/")[0]]:
                self.told_again[told_id] += 1
        while aws.invoked:
            self.asked.append((json.loads(aws.invoked.pop())["Submit"], 3))

    def deliver_submission(self) -> None:
        """Let Lambda call the submitter for the follower, up to three times while it fails."""
        if not self.asked:
            return
        name, left = self.asked.pop(self.random.randrange(len(self.asked)))
        try:
            self._invoke(lambda: self._submitter(None, SubmitEvent(name=name)))
        except ENDINGS:
            if left > 1:
                self.asked.append((name, left - 1))

    def deliver_late(self) -> None:
        """Let a request arrive that its stack waits for no more."""
        if not self.late:
            return
        stack, flight = self.late.pop(self.random.randrange(len(self.late)))
        if self.aws.now - flight.sent <= DELIVERY:
            with suppress(*ENDINGS):
                self._invoke(lambda: self._submitter(self._event(stack, flight), None))

    def move_job(self) -> None:
        """Let Bedrock go on with a job."""
        running = [
            job for job in self.aws.jobs.values() if job["status"] in {"InProgress", "Stopping"}
        ]
        running = [job for job in running if job["jobName"] not in self.foreign]
        if not running:
            return
        job = self.random.choice(running)
        name = job["jobName"]
        if job["status"] == "Stopping":
            # One that was nearly done completes all the same.
            self._end(name, self.random.choice(["Stopped", "Stopped", "Completed"]))
        elif self.random.random() < 0.5:
            self.aws.validated(name)
        else:
            self._end(
                name,
                self.random.choice(["Completed", "Completed", "Completed", "Failed", "Stopped"]),
            )

    def pass_time(self) -> None:
        """Let time pass; not while a function runs, which has minutes only."""
        if self.depth == 0:
            self.aws.now += timedelta(minutes=self.random.choice([1, 5, 20, 70]))

    def change_quota(self) -> None:
        """Let other users of the account take up its quota of jobs, or give it back."""
        self.aws.quota = self.random.choice([1, 100, 100, 100])

    def change_permissions(self) -> None:
        """Let Bedrock not know the job's role for a while."""
        self.aws.unknown_until = self.aws.now + timedelta(
            seconds=self.random.choice([5, 15, 600, 600])
        )

    def plant_foreign(self) -> None:
        """Let somebody else have a job of a name that we would take."""
        properties = self._properties(self.random.choice(JOBS))
        request = JobRequest.from_properties(properties)
        name = request.name(attempt=1)
        if len(self.foreign) >= MOST_FOREIGN or name in self.aws.jobs or name in self.aws.items:
            return
        arguments = request.create_arguments(attempt=1)
        arguments["jobTags"] = [{"key": ENVIRONMENT_TAG, "value": "prod"}]
        quota, self.aws.quota = self.aws.quota, 10_000
        self.aws.unknown_until = self.aws.now
        self.aws.create_model_customization_job(arguments)
        self.aws.quota = quota
        self.foreign[name] = copy.deepcopy(self.aws.jobs[name])

    # CloudFormation

    def _create(self, stack: Stack, properties: dict[str, Any]) -> Iterator[None]:
        stack.status = "CREATE_IN_PROGRESS"
        flight = self._flight("Create", None, properties)
        done = yield from self._request(stack, flight)
        if done:
            self._accept(stack, flight, properties)
            if self.random.random() < 0.9:
                stack.status = "CREATE_COMPLETE"
                stack.kept.discard(str(stack.physical_id))
                return
        known = flight.answer["PhysicalResourceId"] if flight.answer else None
        stack.physical_id, stack.properties = known, properties
        stack.status = "ROLLBACK_IN_PROGRESS"
        if known is not None:
            yield
            # The framework does not pass on the Delete of a Create that gave no id.
            if not (yield from self._request(stack, self._flight("Delete", known, properties))):
                stack.status = "DELETE_FAILED"
                return
        stack.physical_id, stack.accepted = None, []
        stack.status = "ROLLBACK_COMPLETE"

    def _update(self, stack: Stack, properties: dict[str, Any]) -> Iterator[None]:
        stack.status = "UPDATE_IN_PROGRESS"
        before, before_id = stack.properties, stack.physical_id
        flight = self._flight("Update", before_id, properties, before)
        done = yield from self._request(stack, flight, may_be_cancelled=True)
        new_id = flight.answer["PhysicalResourceId"] if flight.answer else None
        if done and self.random.random() < 0.85:
            self._accept(stack, flight, properties)
            stack.kept.discard(str(stack.physical_id))
            stack.status = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
            yield
            if new_id != before_id:
                # A clean-up that fails is given up after some tries; the update is done.
                yield from self._request(stack, self._flight("Delete", before_id, before))
                self._look_at_clean_up(stack, before=str(before_id), now=str(new_id))
            stack.status = "UPDATE_COMPLETE"
            return
        if done or (new_id is not None and self.random.random() < 0.5):
            # Another resource failed, or the failure's answer named the new id.
            stack.physical_id = new_id
        stack.properties = properties
        yield from self._back(stack, before)

    def _look_at_clean_up(self, stack: Stack, *, before: str, now: str) -> None:
        """Note an id whose clean-up never came, and one whose policies are in doubt by that.

        An Update back to an id that was replaced and not cleaned up is, request by request, what
        the rollback of its replacement would be.
        """
        if "RetiredAt" not in self.aws.items[before]:
            stack.not_cleaned_up.add(before)
        if now in stack.not_cleaned_up:
            stack.not_cleaned_up.remove(now)
            stack.in_doubt.add(before)

    def _back(self, stack: Stack, before: dict[str, Any]) -> Iterator[None]:
        stack.status = "UPDATE_ROLLBACK_IN_PROGRESS"
        yield
        failed, failed_id = stack.properties, stack.physical_id
        flight = self._flight("Update", failed_id, before, failed)
        if not (yield from self._request(stack, flight)):
            stack.status = "UPDATE_ROLLBACK_FAILED"
            stack.before = before
            return
        assert flight.answer is not None
        self._accept(stack, flight, before)
        stack.status = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"
        yield
        # Some emulators, and CloudFormation when it gives up, never send this one.
        if stack.physical_id != failed_id and self.random.random() < 0.6:
            yield from self._request(stack, self._flight("Delete", failed_id, failed))
        stack.status = "UPDATE_ROLLBACK_COMPLETE"

    def _continue(self, stack: Stack) -> Iterator[None]:
        yield from self._back(stack, stack.before)

    def _delete_stack(self, stack: Stack) -> Iterator[None]:
        stack.status = "DELETE_IN_PROGRESS"
        if stack.physical_id is not None:
            flight = self._flight("Delete", stack.physical_id, stack.properties)
            if not (yield from self._request(stack, flight)):
                stack.status = "DELETE_FAILED"
                return
        stack.kept |= {name for name in stack.accepted if self._keeps(stack, name)}
        stack.physical_id, stack.accepted = None, []
        stack.status = "DELETE_COMPLETE"

    def _accept(self, stack: Stack, flight: Flight, properties: dict[str, Any]) -> None:
        assert flight.answer is not None
        stack.physical_id = flight.answer["PhysicalResourceId"]
        stack.properties = properties
        name = str(stack.physical_id)
        stack.policies[name] = properties
        if stack.accepted[-1:] != [name]:
            stack.accepted.append(name)
            stack.in_doubt.discard(name)

    def _request(
        self, stack: Stack, flight: Flight, *, may_be_cancelled: bool = False
    ) -> Generator[None, None, bool]:
        """Send a request and take its answer; returns whether it was a success."""
        self._publish_stack(stack)
        yield from self._send(stack, flight, may_be_cancelled=may_be_cancelled)
        if flight.answer is None:
            return False
        waited = self.aws.now
        while self.aws.now - waited < FRAMEWORK_WAITS:
            yield
            if may_be_cancelled and self.random.random() < 0.03:
                return False
            try:
                done = self._invoke(lambda: self._is_complete(stack, flight))
            except ENDINGS:
                return False
            if done:
                return True
            self.aws.now += timedelta(seconds=30)
        return False

    def _send(
        self, stack: Stack, flight: Flight, *, may_be_cancelled: bool
    ) -> Generator[None, None, None]:
        """Have the submitter called, by Lambda again when its answer was lost."""
        for _ in range(3):
            if may_be_cancelled and self.random.random() < 0.1:
                self.late.append((stack, flight))
                return
            try:
                result = self._invoke(lambda: self._submitter(self._event(stack, flight), None))
            except CrashError:
                # The framework says so; or it went too, and Lambda sends the event again.
                if self.random.random() < 0.5:
                    return
            except (CustomizationError, ClientError, BotoCoreError):
                return
            else:
                if self.faults == 0 or self.random.random() >= SENT_AGAIN:
                    flight.answer = json.loads(json.dumps(result))
                    return
            yield

    def _flight(
        self,
        kind: str,
        physical_id: str | None,
        properties: dict[str, Any],
        old: dict[str, Any] | None = None,
    ) -> Flight:
        self.next_request += 1
        return Flight(
            kind=kind,
            physical_id=physical_id,
            properties=properties,
            old_properties=old or {},
            number=self.next_request,
            sent=self.aws.now,
        )

    def _event(self, stack: Stack, flight: Flight) -> ResourceEvent:
        event = {
            "RequestType": flight.kind,
            "RequestId": f"request-{flight.number}",
            "StackId": stack.id,
            "LogicalResourceId": "Job",
            "ResourceProperties": flight.properties,
            **({"OldResourceProperties": flight.old_properties} if flight.old_properties else {}),
            **({"PhysicalResourceId": flight.physical_id} if flight.physical_id else {}),
            **(flight.answer or {}),
        }
        return ResourceEvent.parse(event)

    def _publish_stack(self, stack: Stack) -> None:
        resources = {"Job": stack.physical_id} if stack.physical_id else {}
        self.aws.stacks[stack.id] = FakeStack(status=stack.status, resources=resources)

    def _properties(self, job: str) -> dict[str, Any]:
        run = self.random.choice(["1", "1", "2"])
        digest = self.random.choice(["1", "2"])
        request = {
            **self.base["Request"],
            "trainingDataConfig": {"s3Uri": f"s3://made-bucket/tone/{digest}.jsonl"},
        }
        return {
            **self.base,
            "Job": job,
            "Run": run,
            "DatasetDigest": digest * 64,
            "Request": request,
            "WaitFor": self.random.choice(["validation", "submission"]),
            "OnReplace": self.random.choice(["keep-model", "delete-model", "delete-model"]),
            "OnDelete": self.random.choice(["keep-model", "delete-model"]),
        }

    # Lambda

    def _invoke(self, call: Callable[[], Any]) -> Any:  # noqa: ANN401 - what the function returns
        """Run a function of ours, with others between its calls; it ends within its time."""
        self.depth += 1
        started = self.aws.now
        try:
            return call()
        finally:
            self.depth -= 1
            if self.depth == 0 and self.aws.now - started > timedelta(minutes=5):
                raise BrokenError("an invocation went on past its time")

    def _submitter(self, request: ResourceEvent | None, queued: SubmitEvent | None) -> Any:  # noqa: ANN401
        aws = self.aws
        patience = Patience(seconds=20, sleep=aws.sleep)
        lifecycle = Lifecycle(
            bedrock=aws.clients["bedrock"],
            s3=lambda: aws.clients["s3"],
            table=self._table(),
            limit=self.limit,
            logger=cast("Any", _Quiet()),
            patience=patience,
            now=lambda: aws.now,
        )
        return answer(
            lifecycle,
            request=request,
            queued=queued,
            patience=patience,
            logger=cast("Any", _Quiet()),
        )

    def _is_complete(self, stack: Stack, flight: Flight) -> bool:
        aws = self.aws
        progress = Progress(
            bedrock=aws.clients["bedrock"],
            ec2=lambda: aws.clients["ec2"],
            logger=cast("Any", _Quiet()),
            now=lambda: aws.now,
        )
        event = self._event(stack, flight)
        if flight.answer is not None:
            event = replace(event, physical_id=flight.answer["PhysicalResourceId"])
        return progress.is_complete(event)["IsComplete"]

    def _table(self) -> Table:
        return Table(dynamodb=self.aws.clients["dynamodb"], name="made", pause=lambda _: None)

    # Bedrock

    def _end(self, name: str, status: str) -> None:
        self.aws.end_job(name, status)
        if status == "Completed":
            self.ever_completed.add(name)

    def withdrawn(self, name: str) -> None:
        """Forget that stacks had accepted an id, or kept it, which they left before it had a job.

        A model that comes under its name later is not what they had: a new request made it, and
        unless that is accepted in turn it is left over, and goes by its policy.
        """
        for stack in self.stacks.values():
            stack.kept.discard(name)
            if name in stack.accepted and stack.physical_id != name:
                stack.accepted.remove(name)

    def may_lose(self, name: str) -> bool:
        """Return whether a model may be deleted now, as the stacks see it."""
        for stack in self.stacks.values():
            if name in stack.kept:
                return False
            replaced = name in stack.accepted and stack.physical_id != name
            if replaced and self._keeps(stack, name):
                return False
            going = stack.status.startswith(("DELETE", "ROLLBACK"))
            if name not in stack.accepted or going:
                continue
            if stack.physical_id == name and "ROLLBACK" not in stack.status:
                return False
            # Superseded: one that came later must have a model, or have had one.
            after = stack.accepted[stack.accepted.index(name) + 1 :]
            if stack.accepted[-1] == name or not self.ever_completed & set(after):
                return False
        return True

    def _keeps(self, stack: Stack, name: str) -> bool:
        """Return whether a stack that leaves an accepted id keeps its model."""
        if stack.physical_id == name:
            return bool(stack.properties["OnDelete"] == "keep-model")
        return bool(stack.policies[name]["OnReplace"] == "keep-model")

    # What must hold

    def check(self) -> None:
        """Raise BrokenError when an invariant does not hold now."""
        living: Counter[tuple[str, ...]] = Counter()
        running = 0
        for name, job in self.aws.jobs.items():
            if name in self.foreign:
                if job != self.foreign[name]:
                    raise BrokenError(f"the foreign job {name} was changed")
                continue
            if job["status"] not in {"InProgress", "Stopping"}:
                continue
            # One that is refused or deleted while another call submits it is stopped at once.
            row = self.aws.items.get(name, {})
            running += row.get("State") in {"Queued", "Submitting", "Submitted"}
            if job["status"] == "InProgress" and "DeletedAt" not in self.aws.items.get(name, {}):
                tags = self.aws.tags[job["jobArn"]]
                living[tags[ENVIRONMENT_TAG], tags[JOB_TAG], tags[DIGEST_TAG]] += 1
        for content, number in living.items():
            if number > 1:
                raise BrokenError(f"{number} living jobs for {content}")
        if running > self.limit:
            raise BrokenError(f"{running} jobs are in progress, {self.limit} may be")

    def finish(self) -> None:
        """Let everything come to rest without further faults, and look at what is left."""
        self.faults = 0.0
        self.aws.quota = 100
        for _ in range(400):
            if not any(stack.operation for stack in self.stacks.values()):
                break
            self.go_on()
            chance = self.random.random()
            if chance < 0.2:
                self.sweep()
            elif chance < 0.5:
                self.move_job()
        self._rest()
        current = {stack.physical_id for stack in self.stacks.values() if stack.physical_id}
        accepted = {name for stack in self.stacks.values() for name in stack.accepted}
        for name, job in self.aws.jobs.items():
            owned = name in current | accepted or name in self.foreign
            if job["status"] == "InProgress" and not owned:
                raise BrokenError(f"the job {name} runs and nobody wants it")
        for _ in range(200):
            self.move_job()
            if not self._rest():
                break
        self._look_at_the_end(current)

    def _rest(self) -> int:
        """Sweep and submit until nothing changes; return how many jobs run."""
        for _ in range(8):
            self.aws.now += timedelta(minutes=10)
            self.sweep()
            while self.asked:
                self.deliver_submission()
        return sum(
            job["status"] in {"InProgress", "Stopping"}
            for name, job in self.aws.jobs.items()
            if name not in self.foreign
        )

    def _unfinished(self, stack_id: str) -> bool:
        """Return whether a stack waits for somebody to continue its rollback."""
        return self.aws.stacks[stack_id].status == "UPDATE_ROLLBACK_FAILED"

    def _look_at_the_end(self, current: set[str]) -> None:
        told = Counter(json.loads(each["Message"])["id"] for each in self.aws.published)
        for name, row in self.aws.items.items():
            if "State" not in row:
                continue
            state = row["State"]
            if self._unfinished(row["StackId"]):
                continue
            if state in {"Queued", "Submitting", "Submitted"}:
                raise BrokenError(f"{name} is still {state}")
            told_here = told[f"{name}/{state}/{row.get('EndedAt')}"]
            if state != "Withdrawn" and "AnnouncedAt" not in row:
                raise BrokenError(f"{name} is {state} and was never announced")
            if state in {"Completed", "Failed", "Stopped"} and not told_here:
                raise BrokenError(f"{name} is {state} and nobody heard of it")
            job = self.aws.jobs.get(name)
            alive = job is not None and job.get("outputModelArn") in self.aws.models
            if (
                name not in current
                and alive
                and "DeletedAt" in row
                and row.get("Policy") == "delete-model"
            ):
                raise BrokenError(f"the model of {name} is left behind")
        self.look_for_jobs_that_are_not_known()
        self._look_for_follow_ups()
        for id_, times in told.items():
            if times > 1 + self.told_again[id_]:
                raise BrokenError(f"{id_} was told {times} times")
        for stack in self.stacks.values():
            for name in self._left_behind(stack):
                raise BrokenError(f"the model of {name} outlives its complete successor")
        ledger = self.aws.items.get("ledger", {})
        left = json.loads(ledger.get("Running", "[]")) + json.loads(ledger.get("Waiting", "[]"))
        if [name for name in left if not self._unfinished(self.aws.items[name]["StackId"])]:
            raise BrokenError(f"places are held by {left}")

    def _look_for_follow_ups(self) -> None:
        """Raise BrokenError for a completed job that was not followed up, or more than once."""
        begun = Counter(order["job_name"] for order in self.aws.executions.values())
        for name, row in self.aws.items.items():
            wanted = row.get("State") == "Completed" and "DeletedAt" not in row
            if begun[name] > 1 or (wanted and not begun[name]):
                raise BrokenError(f"{name} was followed up {begun[name]} times")

    def look_for_jobs_that_are_not_known(self) -> None:
        """Raise BrokenError for a job whose row says that there is none, and that nobody stops."""
        for name in self.aws.jobs.keys() - self.foreign.keys():
            row = self.aws.items[name]
            state = row["State"]
            if state in {"Refused", "Missing", "Withdrawn"} and "DeletedAt" not in row:
                raise BrokenError(f"{name} is {state}, and Bedrock has its job")

    def _left_behind(self, stack: Stack) -> Iterator[str]:
        """Yield the ids whose model a stack has replaced, and by its policy should be gone.

        Of a job that its stack went back from, and that ends while it is stopped, it is kept. So it
        is when CloudFormation gave up the clean-up of an id and went to it again: no function can
        tell that from a rollback, after which the policies from before hold. Where they keep the
        model, somebody finds one too many, which can be deleted. That none is lost holds here too.
        """
        current = self.aws.items.get(str(stack.physical_id), {})
        if current.get("State") != "Completed" or stack.status in STUCK:
            return
        models = {model["modelName"] for model in self.aws.models.values()}
        for name in models & set(stack.accepted) - {stack.physical_id} - stack.in_doubt:
            went_back = "WentBack" in self.aws.items[name]
            if stack.policies[name]["OnReplace"] == "delete-model" and not went_back:
                yield name


class _Hooked(FakeAws):
    """A fake in which anything may happen before and after each call."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.unknown_until = self.now
        self.clients = {service: self.direct(service) for service in SERVICES}

    def before_call(self, operation: str) -> None:
        world = self.world
        self.calls.clear()
        if world.depth == 0 or world.faults == 0:
            return
        faults = world.faults * SELDOM.get(operation, 1)
        chance = world.random.random()
        if chance < faults / 4:
            raise CrashError
        if chance < faults / 2:
            raise RefusalError("ThrottlingException", "made up", 429)
        if chance < faults * 0.75:
            raise RefusalError("InternalServerException", "made up", 500)
        if world.depth == 1 and world.random.random() < IN_BETWEEN:
            name = world.random.choice(
                ("sweep", "sweep", "sweep", "submission", "late", "job", "go on")
            )
            world.log.append(f"  in between ({operation}): {name}")
            ACTIONS[name][1](world)

    def after_call(self, operation: str) -> None:
        world = self.world
        if world.depth == 0 or world.faults == 0:
            return
        faults = world.faults * SELDOM.get(operation, 1)
        chance = world.random.random()
        if chance < faults / 4:
            raise CrashError
        if chance < faults / 2:
            raise LostError

    def update_item(self, p: dict[str, Any]) -> dict[str, Any]:
        targets = re.findall(r"(?<!\()#\w+", p["UpdateExpression"])
        if len(targets) != len(set(targets)):
            # DynamoDB refuses what says of an attribute two things at once.
            raise BrokenError(f"paths overlap: {p['UpdateExpression']}")
        key = p["Key"]["Id"]["S"]
        before = self.items.get(key, {}).get("State")
        body = super().update_item(p)
        # Refused before or after it was replaced: what comes under its name is asked for anew.
        without = {before, self.items[key].get("State")} & {"Withdrawn", "Refused"}
        if without and key not in self.jobs:
            self.world.withdrawn(key)
        return body

    def create_model_customization_job(self, p: dict[str, Any]) -> dict[str, Any]:
        if self.now < self.unknown_until:
            raise RefusalError("ValidationException", "Could not assume provided IAM role")
        return super().create_model_customization_job(p)

    def delete_custom_model(self, p: dict[str, Any]) -> dict[str, Any]:
        model = self.models.get(p["modelIdentifier"])
        if model is not None and not self.world.may_lose(model["modelName"]):
            raise BrokenError(f"the model {model['modelName']} was lost before its successor's")
        return super().delete_custom_model(p)


ACTIONS: dict[str, tuple[int, Callable[[World], None]]] = {
    "operation": (8, World.start_operation),
    "go on": (18, World.go_on),
    "sweep": (5, World.sweep),
    "submission": (3, World.deliver_submission),
    "late": (2, World.deliver_late),
    "job": (4, World.move_job),
    "time": (2, World.pass_time),
    "quota": (2, World.change_quota),
    "permissions": (3, World.change_permissions),
    "foreign": (3, World.plant_foreign),
}
"""What may happen, and how often."""
DISTURBANCES = frozenset({"late", "quota", "permissions", "foreign"})
"""What happens in half of the worlds only, each for itself."""
