"""Deployments in a world of their own: stacks, Lambda, Bedrock, the Scheduler and time, by chance.

CloudFormation and Lambda are those of `tests.fakes.world`; jobs come and end without the engine
that makes them. Besides, Bedrock makes, fails and loses what serves models, schedules happen or
are lost, somebody removes what is not theirs, and the account's quotas change.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, cast

from completion_check.removal import Removal
from customization.events import ResourceEvent, SubmitEvent
from customization.patience import Patience
from deployer.handler import deploy
from deployer.sweep import Sweep
from deployments.events import DeployEvent
from deployments.kinds import Kind
from deployments.schedules import Schedules
from deployments.table import DeploymentTable
from deployments.wish import RESOURCE_TYPE, Wish
from submitter.handler import patiently
from submitter.wishes import Wishes
from tests.fakes.aws import FakeStack, RefusalError
from tests.fakes.deployments import (
    BASE_MODEL,
    GROUP,
    KEY,
    ROLE,
    job_name,
    plant_job,
    provisioned,
    wish,
)
from tests.fakes.world import (
    ENDINGS,
    IN_BETWEEN,
    MOST_FOREIGN,
    BrokenError,
    CrashError,
    Flight,
    Stack,
    World,
    _Hooked,
    _Quiet,
)

LOGICAL_ID = "Deployment"
OURS = {"Creating", "Active", "InService", "Updating"}


class DeploymentWorld(World):
    """Everything about deployments, at one moment."""

    def __init__(self, *, seed: int, faults: float = 0.03) -> None:
        super().__init__(seed=seed, faults=faults, base=wish())
        self.aws = _HookedServing(self)
        self.weights = {
            name: 0 if name in DISTURBANCES and self.random.random() < 0.5 else weight
            for name, (weight, _) in ACTIONS.items()
        }
        self.aws.bedrock.serving.model_units = 6
        self.answers: dict[str, Any] = {}
        self.swept_since: datetime | None = None
        self.somebody = False
        self.purchases: Counter[tuple[str, str]] = Counter()
        self.forgotten: set[str] = set()
        self.came_late = False
        self.over: set[str] = set()
        self.tried: Counter[tuple[str, str]] = Counter()

    # What happens

    def step(self) -> None:
        """Let one thing happen, by chance, and look whether all is well."""
        self.act(self.random.choices(list(self.weights), weights=list(self.weights.values()))[0])

    def act(self, name: str) -> None:
        """Let a thing of this name happen, and look whether all is well."""
        self.log.append(name)
        ACTIONS[name][1](self)
        self.check()

    def sweep(self) -> None:
        """Wake the deployer."""
        begun = self.aws.now
        sweep = self._sweep()
        with suppress(*ENDINGS):
            self._invoke(lambda: sweep.run(reserve_seconds=30))
            if sweep.summary.errors == 0 and self.depth == 0:
                self.swept_since = begun
        self.aws.invoked.clear()

    def ask(self) -> None:
        """Let an execution of the state machine ask about its job."""
        running = self._running()
        if running:
            self._ask(*self.random.choice(running))

    def _running(self) -> list[tuple[str, str]]:
        """Executions that are not over, and their jobs: of jobs that completed, and of wishes."""
        own = {name: name for name, job in self.aws.jobs.items() if job["status"] == "Completed"}
        of_wishes = {name: order["job_name"] for name, order in self.aws.executions.items()}
        begun = {**own, **of_wishes}
        return [(name, job) for name, job in sorted(begun.items()) if name not in self.over]

    def _ask(self, execution: str, job: str) -> None:
        """Let an execution ask once; it tries and tells what serves, or tells what failed."""
        event = DeployEvent(job_name=job, execution=execution)
        with suppress(*ENDINGS):
            answer = self._invoke(lambda: deploy(self._sweep(), event))
            if answer["state"] == "Pending" or execution in self.over:
                return
            self.over.add(execution)
            name = answer["deployment"]
            if name is not None:
                self._count_trial(name)

    def _count_trial(self, name: str) -> None:
        attempt = (name, self.aws.items.get(name, {}).get("Attempt", ""))
        self.tried[attempt] += 1
        if self.tried[attempt] > 1 and name not in self.forgotten:
            raise BrokenError(f"{attempt} is tried and told twice")

    def deliver_late(self) -> None:
        """Let a request arrive that its stack waits for no more."""
        self.came_late = self.came_late or bool(self.late)
        super().deliver_late()

    def move_job(self) -> None:
        """Let a job end."""
        running = [job for job in self.aws.jobs.values() if job["status"] == "InProgress"]
        if running:
            job = self.random.choice(running)
            ends = ["Completed", "Completed", "Completed", "Failed", "Stopped"]
            self.aws.end_job(job["jobName"], self.random.choice(ends))

    def move_serving(self) -> None:
        """Let Bedrock finish something that it makes."""
        serving = self.aws.bedrock.serving
        made = [each for each in self._things() if each[2]["status"] == "Creating"]
        if not made:
            return
        kind, name, _ = self.random.choice(made)
        failed = self.faults > 0 and self.random.random() < 0.15
        if kind is Kind.ON_DEMAND:
            serving.settle_deployment(name, "Failed" if failed else "Active")
        else:
            serving.settle_throughput(name, "Failed" if failed else "InService")

    def fire(self) -> None:
        """Let the schedules that are due happen."""
        self.aws.fire_schedules()

    def lose_schedule(self) -> None:
        """Let a schedule be gone, by somebody's hand or the service's fault."""
        if self.aws.schedules:
            del self.aws.schedules[self.random.choice(list(self.aws.schedules))]

    def remove_by_hand(self) -> None:
        """Let somebody remove what serves a model."""
        things = [each for each in self._things() if each[2]["status"] in {"Active", "InService"}]
        if things:
            _, _, thing = self.random.choice(things)
            for store in (self.aws.bedrock.deployments, self.aws.bedrock.throughputs):
                for arn in [arn for arn, each in store.items() if each is thing]:
                    if not self._is_foreign(arn):
                        del store[arn]

    def lose_row(self) -> None:
        """Let the table have been restored from before a row was written."""
        rows = [name for name, row in self.aws.items.items() if "State" in row]
        if rows and self.depth == 0:
            name = self.random.choice(rows)
            self.forgotten.add(name)
            del self.aws.items[name]

    def change_quota(self) -> None:
        """Let the account's quotas leave room, or none."""
        serving = self.aws.bedrock.serving
        serving.model_units = self.random.choice([0, 2, 100, 100])
        serving.most_creating = self.random.choice([0, 1, 100, 100])

    def plant_foreign(self) -> None:
        """Let somebody else have a deployment of a name that we would take."""
        properties = self._properties(self.random.choice(list(self.stacks)))
        name = Wish.from_properties(properties).name
        taken = name in self.aws.items or any(name == other for _, other, _ in self._things())
        if len(self.foreign) >= MOST_FOREIGN or taken:
            return
        bedrock = self.aws.bedrock
        kind = Kind(properties["Kind"])
        what = "custom-model-deployment" if kind is Kind.ON_DEMAND else "provisioned-model"
        arn = bedrock.arn(f"{what}/foreign{len(self.foreign):05d}")
        model = bedrock.arn(f"custom-model/{BASE_MODEL}/foreign00000")
        base = bedrock.arn(f"foundation-model/{BASE_MODEL}")
        now = self.aws.now
        if kind is Kind.ON_DEMAND:
            bedrock.deployments[arn] = {
                "customModelDeploymentArn": arn,
                "modelDeploymentName": name,
                "modelArn": model,
                "createdAt": now,
                "status": "Active",
            }
        else:
            bedrock.throughputs[arn] = {
                "provisionedModelArn": arn,
                "provisionedModelName": name,
                "modelArn": model,
                "desiredModelArn": model,
                "foundationModelArn": base,
                "modelUnits": 1,
                "desiredModelUnits": 1,
                "creationTime": now,
                "lastModifiedTime": now,
                "status": "InService",
            }
        bedrock.tags[arn] = {"finetune:environment": "prod"}
        self.foreign[arn] = copy.deepcopy(self._at(arn))

    def _at(self, arn: str) -> dict[str, Any] | None:
        bedrock = self.aws.bedrock
        return bedrock.deployments.get(arn) or bedrock.throughputs.get(arn)

    def abandon(self) -> None:
        """Let a stack at rest be deleted by force: its resource gets no Delete."""
        stack = self.random.choice(list(self.stacks.values()))
        if stack.operation is None and stack.physical_id is not None and self.depth == 0:
            stack.status, stack.physical_id, stack.accepted = "DELETE_COMPLETE", None, []
            self._publish_stack(stack)

    # CloudFormation

    def _digest(self) -> str:
        return self.random.choice(["1", "2"])

    def _properties(self, job: str) -> dict[str, Any]:
        digest = self._digest()
        name = job_name(job=job, digest=digest)
        if name not in self.aws.jobs:
            plant_job(self.aws, job=job, digest=digest, status="InProgress")
        more = {"Job": job, "JobName": name, "SmokeTests": self.random.choice(["[]", "[{}]"])}
        kind = self.random.random()
        if kind < 0.4:
            return wish(**more)
        if kind < 0.9:
            hours = self.random.choice(["1", "2", "8"])
            units = self.random.choice(["1", "1", "2"])
            return provisioned(**more, Hours=hours, ModelUnits=units)
        return provisioned(**more, Hours="", Commitment="OneMonth")

    def _event(self, stack: Stack, flight: Flight) -> ResourceEvent:
        event = {
            "RequestType": flight.kind,
            "RequestId": f"request-{flight.number}",
            "StackId": stack.id,
            "LogicalResourceId": LOGICAL_ID,
            "ResourceType": RESOURCE_TYPE,
            "ResourceProperties": flight.properties,
            **({"OldResourceProperties": flight.old_properties} if flight.old_properties else {}),
            **({"PhysicalResourceId": flight.physical_id} if flight.physical_id else {}),
            **(flight.answer or {}),
        }
        return ResourceEvent.parse(event)

    def _publish_stack(self, stack: Stack) -> None:
        resources = {LOGICAL_ID: stack.physical_id} if stack.physical_id else {}
        self.aws.stacks[stack.id] = FakeStack(status=stack.status, resources=resources)

    def _delete_stack(self, stack: Stack) -> Iterator[None]:
        served = {stack.physical_id, *stack.accepted}
        # One that a failed rollback left may be marked as replaced: its Delete looks like the
        # clean-up of an update, and it goes when the stack is gone.
        unclear = stack.unclear or stack.status == "UPDATE_ROLLBACK_FAILED"
        stack.unclear = unclear
        yield from super()._delete_stack(stack)
        if stack.status != "DELETE_COMPLETE" or unclear:
            return
        # The model goes now: what serves it went before.
        left = [name for name in self._of_ours() if name in served]
        others = {each.physical_id for each in self.stacks.values() if each is not stack}
        # A late Update that never came before may mark the current one as replaced.
        if set(left) - others and not self.forgotten & served and not self.came_late:
            raise BrokenError(f"{left} outlive the stack that wanted them")

    def _keeps(self, stack: Stack, name: str) -> bool:
        return False

    # Lambda

    def _sweep(self) -> Sweep:
        aws = self.aws
        return Sweep(
            environment="dev",
            bedrock=aws.clients["bedrock"],
            cloudformation=aws.clients["cloudformation"],
            stepfunctions=lambda: aws.clients["stepfunctions"],
            schedules=Schedules(
                scheduler=aws.clients["scheduler"], group=GROUP, role_arn=ROLE, key_arn=KEY
            ),
            table=self._deployments(),
            follow_up="made",
            logger=cast("Any", _Quiet()),
            emit=lambda _: None,
            now=lambda: aws.now,
            time_left=lambda: 300,
        )

    def _submitter(self, request: ResourceEvent | None, queued: SubmitEvent | None) -> Any:  # noqa: ANN401
        assert request is not None
        assert queued is None
        aws = self.aws
        wishes = Wishes(
            table=self._deployments(), logger=cast("Any", _Quiet()), now=lambda: aws.now
        )
        answer = patiently(
            lambda: wishes.on_event(request),
            patience=Patience(seconds=20, sleep=aws.sleep),
            logger=cast("Any", _Quiet()),
        )
        known = self.answers.setdefault(request.request_id, answer["PhysicalResourceId"])
        if known != answer["PhysicalResourceId"]:
            raise BrokenError(f"{request.request_id} was answered with two ids")
        return answer

    def _is_complete(self, stack: Stack, flight: Flight) -> bool:
        aws = self.aws
        removal = Removal(
            bedrock=aws.clients["bedrock"],
            functions=lambda: aws.clients["lambda"],
            deployer="made",
            logger=cast("Any", _Quiet()),
            now=lambda: aws.now,
        )
        return removal.is_complete(self._event(stack, flight))["IsComplete"]

    def _deployments(self) -> DeploymentTable:
        return DeploymentTable.of(dynamodb=self.aws.clients["dynamodb"], name="made")

    # What must hold

    def _things(self) -> list[tuple[Kind, str, dict[str, Any]]]:
        """What Bedrock has, by kind and name."""
        bedrock = self.aws.bedrock
        found = [
            (Kind.ON_DEMAND, str(each["modelDeploymentName"]), each)
            for each in bedrock.deployments.values()
        ]
        return found + [
            (Kind.PROVISIONED, str(each["provisionedModelName"]), each)
            for each in bedrock.throughputs.values()
        ]

    def _of_ours(self) -> list[str]:
        """The names of what Bedrock has and is ours."""
        bedrock = self.aws.bedrock
        stores = (bedrock.deployments, bedrock.throughputs)
        ours = [each for store in stores for arn, each in store.items() if arn not in self.foreign]
        return [str(e.get("modelDeploymentName") or e.get("provisionedModelName")) for e in ours]

    def _is_foreign(self, arn: str) -> bool:
        return arn in self.foreign

    def is_past_its_end(self, name: str) -> bool:
        """Return whether a row says that something had to end by now."""
        ends = self.aws.items.get(name, {}).get("EndsAt")
        return ends is not None and datetime.fromisoformat(ends) <= self.aws.now

    def may_remove(self, name: str) -> bool:
        """Return whether something may be removed: nobody wants it, or its end came."""
        unwanted = "DeletedAt" in self.aws.items.get(name, {})
        return unwanted or self.is_past_its_end(name) or name in self.forgotten

    def may_be_unwanted(self, name: str) -> bool:
        """Return whether a row may be marked as unwanted now, as the stacks see it."""
        if "ActiveAt" not in self.aws.items[name] or name in self.forgotten:
            return True
        for stack in self.stacks.values():
            if name not in stack.accepted or stack.status.startswith(("DELETE", "ROLLBACK")):
                continue
            if stack.physical_id == name:
                return False
            last = len(stack.accepted) - 1 - stack.accepted[::-1].index(name)
            after = {str(stack.physical_id), *stack.accepted[last + 1 :]}
            rows = [self.aws.items[each] for each in after if each in self.aws.items]
            if rows and not any("ActiveAt" in row for row in rows):
                return False
        return True

    def bought(self, name: str) -> None:
        """Look whether what is paid by the hour may be bought now."""
        row = self.aws.items.get(name, {})
        self.purchases[name, str(row.get("Attempt"))] += 1
        if row.get("State") != "Creating" or "EndsAt" not in row:
            raise BrokenError(f"{name} is bought, and the table does not know it: {row}")
        schedule = self.aws.schedules.get(name, {}).get("ScheduleExpression")
        at = datetime.fromisoformat(row["EndsAt"])
        if schedule != f"at({at:%Y-%m-%dT%H:%M:%S})" and not self.lost_schedules():
            raise BrokenError(f"{name} is bought without a schedule for its end, {schedule}")
        if at <= self.aws.now:
            raise BrokenError(f"{name} is bought after its end")

    def lost_schedules(self) -> bool:
        """Return whether schedules may be lost in this world between two calls."""
        return self.weights["lose schedule"] > 0 and self.faults > 0

    def check(self) -> None:
        """Raise BrokenError when an invariant does not hold now."""
        for arn, before in self.foreign.items():
            if self._at(arn) != before:
                raise BrokenError(f"the foreign deployment {arn} was changed")
        for name, row in self.aws.items.items():
            if row.get("Arn") in self.foreign:
                raise BrokenError(f"{name} takes a foreign deployment for its own")
        for attempt, number in self.purchases.items():
            if number > 1:
                raise BrokenError(f"{attempt} was bought {number} times")
        living = Counter(name for _, name, thing in self._things() if thing["status"] in OURS)
        if living and max(living.values()) > 1:
            raise BrokenError(f"living twice: {living}")
        if self.swept_since is not None:
            self._look_for_overdue(self.swept_since)

    def _look_for_overdue(self, swept: datetime) -> None:
        """Raise BrokenError for what a whole sweep without errors left after its end."""
        for each in self.aws.bedrock.throughputs.values():
            name = each["provisionedModelName"]
            ends = self.aws.items.get(name, {}).get("EndsAt")
            if self._is_foreign(each["provisionedModelArn"]):
                continue
            committed = each.get("commitmentExpirationTime", swept) > swept
            if ends is None or committed or each["status"] == "Creating":
                continue
            # One that was just made by a call that began before, or moved on since, is later's.
            moved = each["lastModifiedTime"] + timedelta(minutes=1) > swept
            if datetime.fromisoformat(ends) < swept and not moved:
                raise BrokenError(f"{name} had to end at {ends} and is there at {swept}")

    def finish(self) -> None:
        """Let everything come to rest without further faults, and look at what is left."""
        self.faults = 0.0
        self.aws.bedrock.serving.model_units = 100
        self.aws.bedrock.serving.most_creating = 100
        for _ in range(400):
            if not any(stack.operation for stack in self.stacks.values()):
                break
            self.go_on()
            chance = self.random.random()
            if chance < 0.3:
                self.sweep()
            elif chance < 0.6:
                self.move_serving()
            self.check()
        self._quieten()
        self._look_at_rest()
        self._look_at_trials()
        self.aws.now += timedelta(days=40)
        self._quieten()
        ours = set(self._of_ours())
        left = [n for kind, n, _ in self._things() if kind is Kind.PROVISIONED and n in ours]
        if left:
            raise BrokenError(f"{left} outlive all their ends")
        if self.aws.schedules:
            raise BrokenError(f"schedules are left: {list(self.aws.schedules)}")

    def _quieten(self) -> None:
        """Sweep, and let Bedrock finish, until nothing changes."""
        for _ in range(14):
            self.aws.now += timedelta(minutes=5)
            for _ in range(6):
                self.move_serving()
            self.sweep()
            for execution, job in self._running():
                self._ask(execution, job)
            self.fire()
            self.check()

    def _look_at_rest(self) -> None:
        stuck = {stack.id for stack in self.stacks.values() if "FAILED" in stack.status}
        for _, name, thing in self._things():
            arn = thing.get("customModelDeploymentArn") or thing["provisionedModelArn"]
            if self._is_foreign(arn):
                continue
            row = self.aws.items.get(name)
            if row is None:
                if thing.get("commitmentExpirationTime", self.aws.now) > self.aws.now:
                    continue
                raise BrokenError(f"{name} is there and no row knows it")
            committed = thing.get("commitmentExpirationTime", self.aws.now) > self.aws.now
            if row["State"] != "Active" and not committed:
                raise BrokenError(f"{name} is there and {row['State']}")
            if row.get("Arn") != arn and name not in self.forgotten:
                raise BrokenError(f"{name} was made, and the table has {row.get('Arn')}")
            if row["StackId"] in stuck or committed:
                continue
            stack = next((s for s in self.stacks.values() if s.id == row["StackId"]), None)
            if stack is None or stack.physical_id is None:
                raise BrokenError(f"{name} is there and its stack is gone")
            if stack.physical_id != name and self._serves(str(stack.physical_id)):
                raise BrokenError(f"{name} outlives what took its place")
        for stack in self.stacks.values():
            if stack.physical_id and stack.id not in stuck:
                self._look_at_current(stack)

    def _look_at_trials(self) -> None:
        """Raise BrokenError for what serves and was never tried, though somebody was to do it."""
        for stack in self.stacks.values():
            name = str(stack.physical_id)
            row = self.aws.items.get(name, {})
            if not self._serves(name) or name in self.forgotten or "FAILED" in stack.status:
                continue
            ended = self.aws.jobs[row["JobName"]]["endTime"]
            came_later = datetime.fromisoformat(row["WantedAt"]) >= ended
            if came_later and "FollowedUpBy" not in row:
                raise BrokenError(f"{name} came after its job's end, and nobody follows it up")
            if row.get("FollowedUpBy") and self.tried[name, row["Attempt"]] != 1:
                raise BrokenError(f"{name} is for {row['FollowedUpBy']}, which did not try it")

    def _serves(self, name: str) -> bool:
        return self.aws.items.get(name, {}).get("State") == "Active"

    def _look_at_current(self, stack: Stack) -> None:
        name = str(stack.physical_id)
        row = self.aws.items.get(name)
        if name in self.forgotten:
            return
        if row is None or row["StackId"] != stack.id or "DeletedAt" in row:
            raise BrokenError(f"{name} is wanted, and its row says {row}")
        job = self.aws.jobs[stack.properties["JobName"]]
        if job["status"] == "Completed" and row["State"] in {"Wanted", "Creating"}:
            raise BrokenError(f"{name} is wanted, its model is there, and it is {row['State']}")
        # One whose name another one has failed before its job did.
        over = {"NoModel", "Failed"}
        if job["status"] in {"Failed", "Stopped"} and row["State"] not in over:
            raise BrokenError(f"{name} has no model and is {row['State']}")
        # Of a late request that never came before nobody can tell that it is late.
        if (
            not self.came_late
            and row["State"] == "Active"
            and row["Hours"] != stack.properties["Hours"]
        ):
            raise BrokenError(f"{name} lives by other hours than its stack's")


class _HookedServing(_Hooked):
    """A fake in which anything may happen before and after each call."""

    world: DeploymentWorld

    def before_call(self, operation: str) -> None:
        world = self.world
        self.calls.clear()
        if world.depth == 0 or world.faults == 0:
            return
        chance = world.random.random()
        if chance < world.faults / 4:
            raise CrashError
        if chance < world.faults / 2:
            raise RefusalError("ThrottlingException", "made up", 429)
        if chance < world.faults * 0.75:
            raise RefusalError("InternalServerException", "made up", 500)
        if world.depth == 1 and world.random.random() < IN_BETWEEN:
            name = world.random.choice(
                ("sweep", "sweep", "ask", "late", "job", "serving", "go on", "fire")
            )
            world.log.append(f"  in between ({operation}): {name}")
            ACTIONS[name][1](world)

    def update_item(self, p: dict[str, Any]) -> dict[str, Any]:
        name = p["Key"]["Id"]["S"]
        before = "DeletedAt" in self.items.get(name, {})
        answer = super().update_item(p)
        marked = "State" in self.items[name] and "DeletedAt" in self.items[name] and not before
        if marked and not self.world.may_be_unwanted(name):
            raise BrokenError(f"{name} is given up while its stack needs it")
        return answer

    def create_provisioned_model_throughput(self, p: dict[str, Any]) -> dict[str, Any]:
        before = len(self.bedrock.throughputs)
        answer = self.bedrock.call("CreateProvisionedModelThroughput", p)
        if len(self.bedrock.throughputs) > before:
            self.world.bought(p["provisionedModelName"])
        return answer

    def delete_provisioned_model_throughput(self, p: dict[str, Any]) -> dict[str, Any]:
        self._look_at_removal(self.bedrock.find_throughput(p["provisionedModelId"]))
        return self.bedrock.call("DeleteProvisionedModelThroughput", p)

    def delete_custom_model_deployment(self, p: dict[str, Any]) -> dict[str, Any]:
        found = self.bedrock.find_deployment(p["customModelDeploymentIdentifier"])
        self._look_at_removal(found)
        return self.bedrock.call("DeleteCustomModelDeployment", p)

    def _look_at_removal(self, thing: dict[str, Any] | None) -> None:
        if thing is None or thing["status"] == "Failed":
            return
        name = str(thing.get("modelDeploymentName") or thing.get("provisionedModelName"))
        if not self.world.may_remove(name):
            raise BrokenError(f"{name} is removed while its stack needs it")


ACTIONS: dict[str, tuple[int, Callable[[Any], None]]] = {
    "operation": (8, DeploymentWorld.start_operation),
    "go on": (18, DeploymentWorld.go_on),
    "sweep": (6, DeploymentWorld.sweep),
    "ask": (3, DeploymentWorld.ask),
    "late": (2, DeploymentWorld.deliver_late),
    "job": (3, DeploymentWorld.move_job),
    "serving": (6, DeploymentWorld.move_serving),
    "fire": (3, DeploymentWorld.fire),
    "time": (3, DeploymentWorld.pass_time),
    "lose schedule": (1, DeploymentWorld.lose_schedule),
    "by hand": (1, DeploymentWorld.remove_by_hand),
    "lose row": (1, DeploymentWorld.lose_row),
    "quota": (2, DeploymentWorld.change_quota),
    "foreign": (2, DeploymentWorld.plant_foreign),
    "abandon": (1, DeploymentWorld.abandon),
}
"""What may happen, and how often."""
DISTURBANCES = frozenset(
    {"late", "lose schedule", "by hand", "lose row", "quota", "foreign", "abandon"}
)
"""What happens in half of the worlds only, each for itself."""
