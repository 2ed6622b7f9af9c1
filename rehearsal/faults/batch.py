"""Planting faults one after the other and seeing each refused.

One environment is deployed and its job completes: the control. Then each fault changes it in
place, the job is tried, and everything is put back; the control runs once more at the end, so
that a refusal is the fault's and not the ruins of another. A fault that only a first deployment
meets gets an emulator of its own.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rehearsal import main_scenario
from rehearsal.client import Client
from rehearsal.deployment import Deployed, Deployment
from rehearsal.errors import RehearsalError
from rehearsal.faults.catalogue import Fault
from rehearsal.narration import Narration
from rehearsal.session import Session, side_by_side
from rehearsal.toolkit import Assembly, Template
from rehearsal.watching import wait_for_end
from settings import Settings

_JOB_TIMEOUT = 300.0
_LINE = 220


@dataclass(frozen=True, kw_only=True)
class FaultResult:
    """What came of one planted fault."""

    name: str
    says: str
    ok: bool
    """Refused, and for its own reason."""
    outcome: str
    """The refusal, or what went wrong instead."""


def judge(*, fault: Fault, refusals: Sequence[str]) -> FaultResult:
    """Compare the first refusal with the one that the fault must meet."""

    def result(*, ok: bool, outcome: str) -> FaultResult:
        return FaultResult(name=fault.name, says=fault.says, ok=ok, outcome=outcome)

    if not refusals:
        return result(ok=False, outcome="not refused: the job completed")
    if fault.reason.search(refusals[0]):
        return result(ok=True, outcome=refusals[0])
    return result(
        ok=False,
        outcome=f"refused for another reason: {refusals[0]} (expected /{fault.reason.pattern}/)",
    )


def plant(*, fault: Fault, templates: Mapping[str, Template], prefix: str) -> dict[str, Template]:
    """The templates that the fault changes, changed.

    Args:
        fault: what to plant.
        templates: templates by stack name; they stay as they are.
        prefix: what stands before the part in a stack's name, `finetune-dev-`.

    Raises:
        RehearsalError: it finds nothing to change: the app has moved on, and the fault has not.
    """
    changed: dict[str, Template] = {}
    for stack, sound in templates.items():
        part = stack.removeprefix(prefix)
        if part == fault.stack or (fault.stack.endswith("-") and part.startswith(fault.stack)):
            template = copy.deepcopy(sound)
            if fault.edit(template):
                changed[stack] = template
    if not changed:
        raise RehearsalError(
            f"the fault {fault.name} found nothing to change in the {fault.stack} stack",
            fix="bring rehearsal/faults/catalogue.py up to date with the app",
        )
    return changed


class Field:
    """A deployed environment in which faults are planted."""

    def __init__(self, *, session: Session, settings: Settings, assembly: Assembly) -> None:
        self._session = session
        self._prefix = main_scenario.stack_name(settings, "")
        self._assembly = assembly
        self._shared, jobs = main_scenario.split(assembly, settings)
        # One job shows it; the others are the same again.
        self._job = jobs[0]
        self._client = session.client()
        self._deployment = Deployment(self._client)

    def control(self, when: str) -> None:
        """See the job complete without any fault.

        Raises:
            RehearsalError: it does not: then no refusal means anything.
        """
        reasons = self._attempt({})
        self._put_back({})
        if reasons:
            raise RehearsalError(
                f"the job does not complete {when} any fault",
                fix="run `finetune rehearse` first",
                reasons=tuple(reasons),
            )

    def try_fault(self, fault: Fault) -> FaultResult:
        """Plant a fault, try the job, put everything back."""
        changed = plant(fault=fault, templates=self._assembly.templates(), prefix=self._prefix)
        try:
            refusals = self._attempt(changed)
        finally:
            self._put_back(changed)
        return judge(fault=fault, refusals=refusals)

    def _attempt(self, changed: dict[str, Template]) -> list[str]:
        """Deploy changed stacks and the job; return what was refused, first cause first."""
        before = len(self._session.refusals())

        def refused(deployed: Deployed) -> list[str]:
            recorded = [refusal.reason for refusal in self._session.refusals(since=before)]
            return recorded or list(deployed.reasons) or [f"the stack is {deployed.status}"]

        for stack in self._shared:
            if stack in changed:
                deployed = self._deployment.apply(stack=stack, template=changed[stack])
                if not deployed.ok:
                    return refused(deployed)
        template = changed.get(self._job) or self._assembly.template(self._job)
        deployed = self._deployment.apply(stack=self._job, template=template)
        if not deployed.ok:
            return refused(deployed)
        name = self._deployment.output(stack=self._job, name="JobName")
        job = wait_for_end(client=self._client, job_name=str(name), timeout=_JOB_TIMEOUT)
        if job["status"] != "Completed":
            return refused(Deployed(status=job["status"], reasons=(job["failureMessage"],)))
        return [refusal.reason for refusal in self._session.refusals(since=before)]

    def _put_back(self, changed: dict[str, Template]) -> None:
        # The shared stacks first: a fault in them may keep the job's stack from going.
        for stack in self._shared:
            if stack in changed:
                self._must(
                    self._deployment.apply(stack=stack, template=self._assembly.template(stack)),
                    stack,
                )
        self._must(self._deployment.delete(stack=self._job), self._job)

    def _must(self, deployed: Deployed, stack: str) -> None:
        if not deployed.ok:
            raise RehearsalError(
                f"the stack {stack} could not be put back: {deployed.status}",
                fix="read the emulator's log",
                reasons=deployed.reasons,
            )


def _try_fresh(
    *, fault: Fault, settings: Settings, assembly: Assembly, session: Session
) -> FaultResult:
    """Deploy a spoilt app for the first time, with the real command line."""
    prefix = main_scenario.stack_name(settings, "")
    changed = plant(fault=fault, templates=assembly.templates(), prefix=prefix)
    spoilt = _spoilt_copy(assembly, changed, session.state / "spoilt.out")
    client = session.start_emulator()
    session.toolkit.bootstrap(client=client)
    shared, _ = main_scenario.split(assembly, settings)
    try:
        session.toolkit.deploy(client=client, assembly=spoilt, stacks=shared)
    except RehearsalError as error:
        recorded = [refusal.reason for refusal in session.refusals()]
        return judge(fault=fault, refusals=recorded or list(error.reasons))
    return judge(fault=fault, refusals=[])


def _spoilt_copy(assembly: Assembly, changed: dict[str, Template], folder: Path) -> Assembly:
    shutil.copytree(assembly.folder, folder)
    copied = Assembly(folder=folder)
    for stack, template in changed.items():
        copied.template_file(stack).write_text(json.dumps(template), encoding="utf-8")
    return copied


def run_faults(
    *,
    session: Session,
    settings: Settings,
    config: Path,
    faults: Sequence[Fault],
    narration: Narration,
) -> list[FaultResult]:
    """Try every fault.

    Returns:
        One result for each, in the given order.

    Raises:
        RehearsalError: the environment does not work without faults, or a fault no longer fits.
    """
    client, assembly = main_scenario.prepare(
        session=session,
        environment_name=settings.environment,
        config=config,
        narration=narration,
    )
    results: dict[str, FaultResult] = {}

    def tell(result: FaultResult) -> None:
        results[result.name] = result
        narration.say(
            f"{'caught' if result.ok else 'MISSED'}  {result.name}: {result.says}",
            style="green" if result.ok else "red",
        )
        narration.detail(_shortened(result.outcome, full=not result.ok))

    def in_place() -> None:
        planted = [fault for fault in faults if not fault.fresh]
        if not planted:
            return
        field = _deployed(
            session=session,
            client=client,
            assembly=assembly,
            settings=settings,
            config=config,
            narration=narration,
        )
        with narration.step("control: the job completes without a fault"):
            field.control("before")
        for fault in planted:
            tell(field.try_fault(fault))
        with narration.step("control: the job still completes"):
            field.control("after")

    others = {fault.name: Session(world=session.world) for fault in faults if fault.fresh}

    def fresh() -> None:
        for fault in faults:
            if fault.fresh:
                with others[fault.name] as own:
                    result = _try_fresh(
                        fault=fault, settings=settings, assembly=assembly, session=own
                    )
                tell(result)

    with side_by_side() as start:
        running = [start(in_place), start(fresh)]
        try:
            for future in running:
                future.result()
        except BaseException:
            for one in (session, *others.values()):
                one.end()
            raise
    return [results[fault.name] for fault in faults]


def _deployed(
    *,
    session: Session,
    client: Client,
    assembly: Assembly,
    settings: Settings,
    config: Path,
    narration: Narration,
) -> Field:
    shared, _ = main_scenario.split(assembly, settings)
    with narration.step(f"cdk deploy: {len(shared)} stacks"):
        session.toolkit.deploy(client=client, assembly=assembly, stacks=shared)
    with narration.step("data pushed by an uploader"):
        main_scenario.push_data(session=session, client=client, settings=settings, config=config)
    return Field(session=session, settings=settings, assembly=assembly)


def _shortened(text: str, *, full: bool) -> str:
    """A refusal on one line; the middle goes first, for the cause stands at the end."""
    sentence = " ".join(text.split())
    if full or len(sentence) <= _LINE:
        return sentence
    return f"{sentence[: _LINE // 3]} … {sentence[-(2 * _LINE // 3) :]}"
