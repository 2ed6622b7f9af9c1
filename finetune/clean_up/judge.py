"""Whether somebody wants a thing: in use, kept by policy, or forgotten. It asks no service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from customization.jobs import JobStatus
from finetune.clean_up.stacks import LastWords, Stack
from finetune.clean_up.things import RESOURCE_TYPES, Fate, Judged, Kind, Thing
from finetune.clean_up.wanted import JOB_PART, PARTS, Wanted, stack_name

DATA: Final = frozenset({Kind.BUCKET, Kind.KEY, Kind.TABLE, Kind.LOG_GROUP})
"""What `storage.retain` keeps."""
LATE: Final = timedelta(hours=1)
"""How long a service may hold an interface that nothing uses any more."""
REAPED: Final = timedelta(minutes=15)
"""How long after its end a throughput may be there: the reaper looks every few minutes."""
UNTAGGED: Final = "it does not carry the owner tag: look at it, and delete it yourself"
NO_SETTINGS: Final = "the settings of its environment are not here: run this where they are"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """All that a judgement depends on."""

    wanted: Mapping[str, Wanted]
    """By environment; one that is not here has its settings elsewhere."""
    stacks: Sequence[Stack]
    things: Sequence[Thing]
    now: datetime
    last_words: Mapping[str, LastWords] = field(default_factory=dict)
    """What deleted job stacks said of their models, by the stack's name."""

    @cached_property
    def by_name(self) -> Mapping[str, Stack]:
        """Living stacks by their names."""
        return {stack.name: stack for stack in self.stacks}

    @cached_property
    def owners(self) -> Mapping[tuple[str, str], Stack]:
        """The stack of each resource, by type and physical id."""
        return {
            (resource.type, resource.physical_id): stack
            for stack in self.stacks
            for resource in stack.resources
        }

    def owner(self, thing: Thing) -> Stack | None:
        """The living stack that a thing is a resource of."""
        types = RESOURCE_TYPES.get(thing.kind, frozenset())
        found = (self.owners.get((type_, thing.resource_id)) for type_ in types)
        return next((stack for stack in found if stack is not None), None)

    def job_stack(self, thing: Thing) -> Stack | None:
        """The living stack of the job that a thing belongs to."""
        if thing.job is None:
            return None
        return self.by_name.get(stack_name(thing.environment, f"{JOB_PART}{thing.job}"))

    def of_kind(self, kind: Kind) -> list[Thing]:
        """The things of a kind."""
        return [thing for thing in self.things if thing.kind is kind]


def judge(scene: Scene) -> list[Judged]:
    """Judge every thing and every stack, in the order in which they would be taken away."""
    judged = [_stack(scene, stack) for stack in scene.stacks]
    stacks = {each.thing.name: each for each in judged}
    judged += [_thing(scene, thing, stacks) for thing in scene.things]
    return sorted(
        judged,
        key=lambda each: (each.thing.kind.order, _place(each.thing), each.thing.name),
    )


def _place(thing: Thing) -> int:
    """Stacks in the order in which they may go: jobs first, foundations last."""
    if thing.kind is not Kind.STACK:
        return 0
    return order_of(thing.name.removeprefix(stack_name(thing.environment, "")))


def order_of(part: str) -> int:
    """Place of a part among those that are destroyed: jobs, parts nobody knows, foundations."""
    if part.startswith(JOB_PART):
        return 0
    return 1 + (len(PARTS) - PARTS.index(part) if part in PARTS else 0)


def _stack(scene: Scene, stack: Stack) -> Judged:
    thing = Thing(
        kind=Kind.STACK,
        name=stack.name,
        id=stack.id,
        region=stack.region,
        environment=stack.environment,
        job=stack.job,
        created=stack.created,
        state=stack.status,
    )
    why = _why_stack_is_forgotten(stack, scene.wanted.get(stack.environment))
    if why is not None:
        return _forgotten(thing, why)
    known = stack.environment in scene.wanted
    return _used(
        thing,
        "the settings ask for it" if known else "the settings of its environment are not here",
    )


def _why_stack_is_forgotten(stack: Stack, wanted: Wanted | None) -> str | None:
    if wanted is None:
        return None
    if stack.status == "DELETE_FAILED":
        return "its deletion failed" + (f": {stack.reason}" if stack.reason else "")
    if stack.region != wanted.region:
        return f"the settings have moved to {wanted.region}, and it stayed behind"
    if wanted.wants(stack.part):
        return None
    if stack.part in PARTS:
        return f"the settings do not ask for the part {stack.part} any more"
    no = f"the settings name no job {stack.job}" if stack.job else None
    return no or f"no environment of the app has a part {stack.part}"


def _thing(scene: Scene, thing: Thing, stacks: Mapping[str, Judged]) -> Judged:
    special = _SPECIAL.get(thing.kind)
    if special is not None:
        return special(scene, thing, stacks)
    owner = scene.owner(thing)
    if owner is not None:
        return _with_stack(thing, stacks[owner.name])
    if thing.kind is Kind.KEY and thing.state == "PendingDeletion":
        return Judged(
            thing=thing,
            fate=Fate.KEPT,
            why=f"KMS deletes it by itself on {thing.details.get('gone_at', 'its day')[:10]}",
            stays="nothing is to be done",
        )
    if thing.kind in DATA:
        return _data(scene, thing)
    return _forgotten(thing, "no stack owns it any more", scene=scene)


def _with_stack(thing: Thing, stack: Judged) -> Judged:
    if stack.fate is Fate.IN_USE:
        return _used(thing, f"{stack.thing.name} owns it")
    return Judged(
        thing=thing,
        fate=stack.fate,
        why=f"{stack.thing.name} owns it, which is forgotten",
        with_stack=stack.thing.name,
    )


def _data(scene: Scene, thing: Thing) -> Judged:
    wanted = scene.wanted.get(thing.environment)
    if wanted is not None and wanted.retain:
        if thing.kind is Kind.KEY and not _encrypts_something(scene, thing):
            return _kept(thing, "storage.retain keeps it, for what it once encrypted")
        return _kept(thing, "storage.retain keeps it")
    reader = _model_under(scene, thing)
    if reader is not None:
        return _kept(thing, f"the model {reader.name} could not be read without it")
    return _forgotten(thing, "its stack is gone, and storage.retain keeps nothing", scene=scene)


def _encrypts_something(scene: Scene, key: Thing) -> bool:
    return any(
        thing.environment == key.environment and thing.kind in DATA - {Kind.KEY}
        for thing in scene.things
    ) or bool(_model_under(scene, key))


def _model_under(scene: Scene, key: Thing) -> Thing | None:
    """A model that is encrypted with a key, if this is a key."""
    if key.kind is not Kind.KEY:
        return None
    arn = key.details.get("arn")
    return next(
        (model for model in scene.of_kind(Kind.MODEL) if model.details.get("key") == arn), None
    )


# What Bedrock has


def _job(scene: Scene, thing: Thing, stacks: Mapping[str, Judged]) -> Judged:
    if thing.state in {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.STOPPED}:
        return Judged(
            thing=thing,
            fate=Fate.KEPT,
            why=f"{thing.state}: Bedrock keeps its record for good",
            stays="nobody can delete a record",
        )
    owner = scene.owner(thing)
    if owner is not None:
        return _with_stack(thing, stacks[owner.name])
    stack = scene.job_stack(thing)
    if stack is not None and stack.is_busy:
        return _used(thing, f"{stack.name} is being changed")
    if thing.state == JobStatus.STOPPING:
        return Judged(
            thing=thing, fate=Fate.KEPT, why="Bedrock is stopping it", stays="it goes by itself"
        )
    why = "another job took its place" if stack else "its stack is gone"
    return _forgotten(thing, f"it trains, and {why}", scene=scene)


def _model(scene: Scene, thing: Thing, stacks: Mapping[str, Judged]) -> Judged:
    owner = scene.owner(thing)
    if owner is not None:
        stack = stacks[owner.name]
        policies = owner.policies
        if stack.fate is Fate.FORGOTTEN and policies and policies.on_delete == "keep-model":
            return _kept(thing, f"{owner.name} is forgotten, but says on_delete: keep-model")
        return _with_stack(thing, stack)
    stack_of_job = scene.job_stack(thing)
    if stack_of_job is not None:
        return _superseded(scene, thing, stack_of_job)
    return _orphan(scene, thing)


def _superseded(scene: Scene, thing: Thing, stack: Stack) -> Judged:
    """A model of a job whose stack stands for another one now."""
    if stack.is_busy:
        return _used(thing, f"{stack.name} is being changed")
    policies = stack.policies
    if policies is None:
        return _used(thing, f"{stack.name} has no job yet to take its place")
    if policies.on_replace == "keep-model":
        return _kept(thing, "another model took its place; on_replace: keep-model")
    successor = next(
        (
            model
            for model in scene.of_kind(Kind.MODEL)
            if scene.owner(model) is not None and scene.job_stack(model) is stack
        ),
        None,
    )
    if successor is None:
        return _used(thing, "until the model that takes its place is complete")
    return _forgotten(
        thing, f"{successor.name} took its place; on_replace: delete-model", scene=scene
    )


def _orphan(scene: Scene, thing: Thing) -> Judged:
    """A model whose job has no stack: what that said last decides, else the settings.

    One whose place another took goes only where both policies say so, as the follower has it
    (`customization.rows.Row.policy_when_stray`).
    """
    name = stack_name(thing.environment, f"{JOB_PART}{thing.job}") if thing.job else ""
    last = scene.last_words.get(name)
    if last is not None:
        policies, said = last.policies, "it said"
    elif (wanted := scene.wanted.get(thing.environment)) and thing.job in wanted.jobs:
        policies, said = wanted.jobs[str(thing.job)], "the settings say"
    else:
        return _only_by_name(
            thing, "its stack is gone, and nobody knows any more whether it was to be kept"
        )
    if policies.on_delete == "keep-model":
        return _kept(thing, f"its stack is gone; {said} on_delete: keep-model")
    if policies.on_replace == "delete-model" or (last and last.model == thing.name):
        return _forgotten(thing, f"its stack is gone; {said} on_delete: delete-model", scene=scene)
    if last and last.model:
        return _kept(thing, f"another model took its place; {said} on_replace: keep-model")
    return _only_by_name(
        thing, "its stack is gone, and nobody knows any more whether another took its place"
    )


def _only_by_name(thing: Thing, why: str) -> Judged:
    return Judged(
        thing=thing,
        fate=Fate.FORGOTTEN,
        why=why,
        by_name=True,
        stays="" if thing.tagged else UNTAGGED,
    )


def _deployed(scene: Scene, thing: Thing, stacks: Mapping[str, Judged]) -> Judged:
    stack = scene.job_stack(thing)
    owner = scene.owner(thing)
    end = _end(scene, thing, owner)
    if end is not None and end + REAPED < scene.now:
        return _forgotten(thing, f"past its end, {end:%Y-%m-%d %H:%M} UTC", scene=scene)
    if owner is not None:
        return _with_stack(thing, stacks[owner.name])
    if stack is not None and stack.is_busy:
        return _used(thing, f"{stack.name} is being changed")
    wish = stack.deployment if stack is not None else None
    if stack is None or wish is None:
        missing = f"{stack.name} asks for no deployment any more" if stack else "its stack is gone"
        return _forgotten(thing, missing, scene=scene)
    served = (*scene.of_kind(Kind.THROUGHPUT), *scene.of_kind(Kind.DEPLOYMENT))
    if not any(
        each.name == wish.physical_id and each.state in {"Active", "InService"} for each in served
    ):
        return _used(thing, f"until {wish.physical_id} takes its place")
    return _forgotten(thing, f"{wish.physical_id} took its place", scene=scene)


def _end(scene: Scene, thing: Thing, owner: Stack | None) -> datetime | None:
    """When a throughput is to end: by its schedule, else by the hours that its stack grants it."""
    if thing.kind is not Kind.THROUGHPUT:
        return None
    schedules = [each for each in scene.of_kind(Kind.SCHEDULE) if each.name == thing.name]
    at = schedules[0].details.get("at") if schedules else None
    if at is not None:
        return datetime.fromisoformat(at)
    wish = owner.deployment if owner is not None else None
    hours = (wish.text("Hours") if wish is not None else None) or ""
    if thing.created is None or not hours.isdecimal():
        return None
    return thing.created + timedelta(hours=int(hours))


def _schedule(scene: Scene, thing: Thing, stacks: Mapping[str, Judged]) -> Judged:
    del stacks
    ends = [each for each in scene.of_kind(Kind.THROUGHPUT) if each.name == thing.name]
    if ends:
        return _used(thing, f"it ends {ends[0].name}")
    group = scene.owners.get(("AWS::Scheduler::ScheduleGroup", thing.details["group"]))
    if group is not None and group.is_busy:
        return _used(thing, f"{group.name} is being changed")
    if thing.created is not None and scene.now - thing.created < LATE:
        return _used(thing, "it was made before what it ends, a moment ago")
    return _forgotten(thing, "what it would end is not there any more", scene=scene)


def _interface(scene: Scene, thing: Thing, stacks: Mapping[str, Judged]) -> Judged:
    network = scene.owners.get(("AWS::EC2::VPC", thing.details["vpc"]))
    job_arn = thing.details.get("job")
    if network is not None and job_arn:
        job = next((each for each in scene.of_kind(Kind.JOB) if each.id == job_arn), None)
        over = job is None or job.state in {
            JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.STOPPED
        }  # fmt: skip
        if over and thing.created is not None and scene.now - thing.created > LATE:
            return Judged(
                thing=thing,
                fate=Fate.FORGOTTEN,
                why="its job is over, and Bedrock has not released it",
                stays="Bedrock owns it: it releases it late, or after a request to AWS Support",
            )
    if network is not None:
        return _with_stack(thing, stacks[network.name])
    return Judged(
        thing=thing,
        fate=Fate.FORGOTTEN,
        why=f"{thing.details['of']} has not released it",
        stays=f"{thing.details['of']} owns it and releases it late: wait",
    )


_SPECIAL: Final[Mapping[Kind, Callable[[Scene, Thing, Mapping[str, Judged]], Judged]]] = {
    Kind.JOB: _job,
    Kind.MODEL: _model,
    Kind.THROUGHPUT: _deployed,
    Kind.DEPLOYMENT: _deployed,
    Kind.SCHEDULE: _schedule,
    Kind.INTERFACE: _interface,
}
"""Kinds that no stack owns as a resource of its own."""


# Verdicts


def _used(thing: Thing, why: str) -> Judged:
    return Judged(thing=thing, fate=Fate.IN_USE, why=why)


def _kept(thing: Thing, why: str) -> Judged:
    return Judged(thing=thing, fate=Fate.KEPT, why=why, by_name=True)


def _forgotten(thing: Thing, why: str, *, scene: Scene | None = None) -> Judged:
    stays = "" if thing.tagged else UNTAGGED
    if scene is not None and thing.environment not in scene.wanted:
        stays = NO_SETTINGS
    if not stays and thing.kind in _BY_HAND:
        stays = _BY_HAND[thing.kind]
    if not stays and _is_committed(thing, scene):
        stays = f"AWS deletes it only after its commitment, {thing.details['committed_until']}"
    return Judged(thing=thing, fate=Fate.FORGOTTEN, why=why, stays=stays)


def _is_committed(thing: Thing, scene: Scene | None) -> bool:
    until = thing.details.get("committed_until")
    return scene is not None and until is not None and datetime.fromisoformat(until) > scene.now


_BY_HAND: Final = {
    Kind.VPC: "delete it with all that is in it in the console of Amazon VPC",
}
"""What takes more than a call, and never is left unless a stack's deletion was cut short."""


def names_of(judged: Iterable[Judged], *, fate: Fate) -> list[str]:
    """Names of the things of a fate."""
    return [each.thing.name for each in judged if each.fate is fate]
