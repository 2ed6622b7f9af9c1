"""A review from beginning to end: read, check in every way that is asked for, report.

report = review([Path("cdk.out")], profile="app")
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from review.decisions.purposes import facts
from review.decisions.run import ask_all
from review.decisions.run import findings_of as findings_of_decisions
from review.decisions.stage import Stage
from review.findings import Finding
from review.others.acknowledgements import Acknowledged, acknowledged
from review.others.acknowledgements import divide as divide_others
from review.others.finding import Remark, ToolError
from review.others.guard_engine import guard_remarks
from review.others.lint import Linting
from review.others.packs import pack_remarks
from review.parts import PARTS, Part
from review.proofs import baseline as baselines
from review.proofs.run import findings_of as findings_of_proofs
from review.proofs.run import prove_all
from review.record import Record
from review.report import Report, divide, fold, order
from review.rules import Profile, rules_of
from review.template.assembly import Loaded, load
from review.template.deployment import Deployment
from review.template.errors import UnreadableError
from review.template.problems import Problem

__all__ = ["PARTS", "Part", "review", "review_loaded", "structure_findings"]


def review(
    paths: Sequence[Path],
    *,
    profile: Profile = "app",
    only: Sequence[Part] = PARTS,
    parameters: Mapping[str, str] | None = None,
    region: str | None = None,
    baseline: Path | None = None,
) -> Report:
    """Review what templates would deploy.

    Args:
        paths: Folders that `cdk synth` wrote, and templates, JSON or YAML.
        profile: `app` for this app's own templates, `any` for others that fine-tune on Bedrock.
        only: The parts to do.
        parameters: Values of parameters, for every stack that has one of the name.
        region: What `AWS::Region` stands for where nobody names a Region.
        baseline: The approved access to compare with; without it, in `app`, the one in version
            control for the environment of the templates.

    Raises:
        UnreadableError: As `review.template.assembly.load` does, or the baseline is none, or of
            another environment.
    """
    clock = _Clock()
    with clock.measures("reading"):
        loaded = load(paths, parameters=parameters, region=region)
    folder = paths[0] if len(paths) == 1 and paths[0].is_dir() else None
    return review_loaded(
        loaded, profile=profile, only=only, folder=folder, clock=clock, baseline=baseline
    )


def review_loaded(
    loaded: Loaded,
    *,
    profile: Profile,
    only: Sequence[Part] = PARTS,
    folder: Path | None = None,
    clock: _Clock | None = None,
    baseline: Path | None = None,
) -> Report:
    """Review what was read.

    Args:
        loaded: What was read.
        profile: As `review` takes it.
        only: As `review` takes it.
        folder: What synth wrote, whose report says what was found on the tree only.
        clock: Holds the times.
        baseline: As `review` takes it.

    Raises:
        UnreadableError: The baseline is none, or of another environment.
    """
    clock = clock or _Clock()
    deployment = loaded.deployment
    taken = list(acknowledged(deployment))
    found = [_of_problem(deployment, each) for each in loaded.problems]
    record = Record(deployment=deployment, profile=profile)
    if "access" in only:
        record.baseline_file, record.baseline = _baseline(record, baseline)
    checks: dict[str, int] = {}
    # The linter works in a process of its own while the others do.
    linting = Linting(deployment) if "packs" in only else None
    try:
        for part in (each for each in PARTS if each in only and each != "packs"):
            with clock.measures(part):
                findings, checks[part] = _OURS[part](record)
                found += findings
        if linting is not None:
            with clock.measures("packs"):
                found += _of_others(deployment, taken, linting, folder=folder)
    finally:
        if linting is not None:
            linting.close()
    opened, answered = divide(found, taken)
    folded, count = fold(opened)
    return Report(
        findings=tuple(order(folded)),
        acknowledged=tuple(answered),
        profile=profile,
        parts=tuple(each for each in PARTS if each in only),
        checks=checks,
        stacks=len(deployment.templates),
        resources=len(deployment.resources),
        folded=count,
        seconds=clock.seconds,
        record=record,
    )


def structure_findings(deployment: Deployment, profile: Profile) -> tuple[list[Finding], int]:
    """What the structure rules find, and how many of them there are."""
    rules = rules_of(profile)
    found = [
        Finding(
            id=rule.id,
            level=rule.level,
            message=violation.message,
            fix=rule.remedy,
            where=_where(deployment, violation.stack, violation.logical_id, violation.property),
        )
        for rule in rules
        for violation in rule(deployment)
    ]
    return found, len(rules)


def _structure(record: Record) -> tuple[list[Finding], int]:
    return structure_findings(record.deployment, record.profile)


def _decisions(record: Record) -> tuple[list[Finding], int]:
    stage = Stage(record.deployment)
    record.asked = ask_all(stage, record.profile)
    return findings_of_decisions(stage, record.asked), len(record.asked)


def _proofs(record: Record) -> tuple[list[Finding], int]:
    record.proofs = prove_all(record.deployment, record.profile)
    return findings_of_proofs(record.deployment, record.proofs), len(record.proofs)


def _access(record: Record) -> tuple[list[Finding], int]:
    if record.baseline is None:
        if record.profile == "any":
            return [], 0
        none = Finding(
            id="access.no-baseline",
            level="note",
            message="nobody has approved the access of these templates, so what is new in them is "
            "not told",
            fix="approve it with `finetune approve`, or name what was approved with --baseline",
        )
        return [none], 0
    record.access, count = baselines.access_findings(record.deployment, record.baseline)
    return record.access, count


def _baseline(record: Record, named: Path | None) -> tuple[Path | None, baselines.Baseline | None]:
    """The access to compare with, and its file.

    Raises:
        UnreadableError: It cannot be read, or is of another environment.
    """
    environment = facts(record.deployment).get("environment")
    file = named
    if file is None and record.profile == "app" and environment is not None:
        file = baselines.committed(environment)
    if file is None:
        return None, None
    found = baselines.read(file)
    if environment is not None and found.environment != environment:
        raise UnreadableError(
            f"{file.name} holds the access of the environment {found.environment!r}, and the "
            f"templates are of {environment!r}",
            fix="name the baseline of that environment, or approve one with `finetune approve`",
            where={"file": str(file)},
        )
    return file, found


_OURS: Final[dict[Part, Callable[[Record], tuple[list[Finding], int]]]] = {
    "structure": _structure,
    "decisions": _decisions,
    "proofs": _proofs,
    "access": _access,
}


class _Clock:
    """How long the parts of a review took, in seconds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def measures(self, part: str) -> Iterator[None]:
        """Adds the time of the body."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - begun


def _where(deployment: Deployment, stack: str, logical_id: str, path: str) -> dict[str, str | int]:
    if not stack:
        return {}
    return deployment.place(stack=stack, logical_id=logical_id or None, path=path)


def _of_problem(deployment: Deployment, problem: Problem) -> Finding:
    return Finding(
        id=problem.id,
        level=problem.level,
        message=problem.message,
        fix=problem.fix,
        where=deployment.place(
            stack=problem.stack, logical_id=problem.logical_id, path=problem.property
        ),
    )


def _of_others(
    deployment: Deployment, taken: list[Acknowledged], linting: Linting, *, folder: Path | None
) -> Iterator[Finding]:
    """What others find, acknowledged or not, which of them failed, and what is stale."""
    try:
        remarks = pack_remarks(deployment.templates)
        _, stale = divide_others(remarks, deployment, folder=folder)
        yield from (_of_remark(deployment, each) for each in sorted(set(remarks)))
        yield from (_of_stale(deployment, each) for each in stale)
    except ToolError as error:
        yield _of_failure(error)
    tools: Sequence[Callable[[], Iterable[Remark]]] = (
        lambda: guard_remarks(deployment.templates),
        linting.remarks,
    )
    for tool in tools:
        try:
            yield from (_of_remark(deployment, each) for each in tool())
        except ToolError as error:
            yield _of_failure(error)


def _of_remark(deployment: Deployment, remark: Remark) -> Finding:
    return Finding(
        id=remark.finding,
        level=remark.level,
        message=remark.message,
        fix=remark.fix or _FIXES[remark.tool],
        where=_where(deployment, remark.stack, remark.logical_id, remark.property),
    )


_FIXES: Final = {
    "cdk-nag": "change the resource, or acknowledge the finding on it, in full form and with what "
    "stops the risk instead",
    "cfn-lint": "correct it, or leave the check out in .cfnlintrc.yaml with the reason",
    "guard": "change the resource as the rule's text in review/guard says",
}


def _of_stale(deployment: Deployment, stale: Acknowledged) -> Finding:
    return Finding(
        id="acknowledgement.stale",
        level="warning",
        message=f"nothing is found any more that answers to the acknowledged {stale.finding}: "
        "the next finding of the kind would come in under its reason",
        fix="remove the acknowledgement",
        where=_where(deployment, stale.stack, stale.logical_id, ""),
    )


def _of_failure(error: ToolError) -> Finding:
    return Finding(
        id=f"{error.tool}.failed",
        level="error",
        message=f"{error.tool} could not look at the templates: {error}",
        fix="correct what it stumbles over; what it would have found is not known",
    )
