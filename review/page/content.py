"""What stands on the page, worked out from what the review has seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from markupsafe import Markup

from review.decisions.run import Asked
from review.findings import Finding
from review.page.documents import section, steps
from review.page.evidence import Evidence, evidence_of
from review.page.network import Network, Picture, network_of, picture_of
from review.proofs.proof import Proof, Question
from review.proofs.run import QUESTIONS
from review.record import Record
from review.report import Report
from review.rules import rules_of
from review.rules.rule import Rule

_DATA: Final = frozenset({"dataset", "output", "data-bucket"})


@dataclass(frozen=True, kw_only=True)
class Decided:
    """One row of the table of decisions."""

    id: str
    who: str
    does: str
    to: str
    source: str
    given: str
    expect: str
    was: str
    holds: bool
    because: str
    decided_by: str


@dataclass(frozen=True, kw_only=True)
class Proved:
    """All proofs of one question."""

    question: Question
    proofs: tuple[Proof, ...]

    @property
    def failed(self) -> list[Proof]:
        """Those that do not hold."""
        return [each for each in self.proofs if not each.holds]

    @property
    def anchor(self) -> str:
        """Where on the page it stands."""
        return self.question.id.replace(".", "-")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the page says to a question that reviewers ask."""

    id: str
    question: str
    verdict: str
    """`good`, `bad`, or `open` where the part that answers was left out."""
    words: str
    proofs: tuple[Proved, ...] = ()
    allowed: tuple[Decided, ...] = ()
    denied: tuple[Decided, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Step:
    """The controls of one step of the walk-through."""

    id: str
    title: Markup
    asked: Markup
    done: Markup
    controls: tuple[Evidence, ...]


@dataclass(frozen=True, kw_only=True)
class Content:
    """Everything on the page."""

    network: Network
    picture: Picture
    answers: tuple[Answer, ...]
    decisions: tuple[Decided, ...]
    proofs: tuple[Proved, ...]
    steps: tuple[Step, ...]
    standards: Mapping[str, Mapping[str, tuple[Rule, ...]]]
    broken: frozenset[str]
    """Rules that found something."""
    record: Record
    added: tuple[Finding, ...]
    removed: tuple[Finding, ...]
    reasons: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Acknowledged findings: a reason, and the places and ids that have it."""
    residual: Markup
    uncovered: Markup
    evaluated: tuple[str, ...]


def content_of(report: Report) -> Content:
    """The page's content.

    Raises:
        ValueError: The report has no record.
    """
    record = report.record
    if record is None:
        raise ValueError("a page needs the record of its review")
    network = network_of(record.deployment)
    decisions = tuple(map(_decided, record.asked))
    proofs = tuple(
        Proved(question=question, proofs=found)
        for question in QUESTIONS
        if (found := tuple(each for each in record.proofs if each.question == question.id))
    )
    controls = (
        [evidence_of(rule, record.deployment) for rule in rules_of(record.profile)]
        if "structure" in report.parts
        else []
    )
    reasons: dict[str, list[str]] = {}
    for taken in report.acknowledged:
        where = taken.finding.where
        place = f"{where.get('stack')}/{where.get('logical_id')}: {taken.finding.id}"
        reasons.setdefault(taken.reason, []).append(place)
    return Content(
        network=network,
        picture=picture_of(network),
        answers=tuple(_answers(report, record, decisions, proofs)),
        decisions=decisions,
        proofs=proofs,
        steps=tuple(_steps(controls)),
        standards=_standards(controls),
        broken=frozenset(each.rule.id for each in controls if each.violations),
        record=record,
        added=tuple(each for each in record.access if each.level != "note"),
        removed=tuple(each for each in record.access if each.level == "note"),
        reasons={reason: tuple(places) for reason, places in reasons.items()},
        # Both are made from our own documents, in which HTML is escaped.
        residual=Markup(section("security.md", "What risk is left")),  # noqa: S704
        uncovered=Markup(section("review.md", "What it cannot tell")),  # noqa: S704
        evaluated=tuple(sorted(record.deployment.templates)),
    )


def _decided(asked: Asked) -> Decided:
    row, answer = asked.row, asked.answer
    if answer is not None:
        request, decision = answer.decisive
        was = "allowed" if answer.allowed else "denied"
        decided_by = f"{request.action}: {decision}"
    else:
        was, decided_by = "not decided", asked.undecidable or str(asked.missing)
    given = [f"{name} {_listed(value)}" for name, value in row.given.items()]
    given += [f"under {each}" for each in row.through]
    return Decided(
        id=row.id,
        who=row.who,
        does=row.does,
        to=row.to,
        source=row.source,
        given=", ".join(given),
        expect=row.expect,
        was=was,
        holds=asked.holds,
        because=row.entry.because,
        decided_by=decided_by,
    )


def _listed(value: str | list[str] | None) -> str:
    if value is None:
        return "absent"
    return value if isinstance(value, str) else " or ".join(value)


def _steps(controls: Iterable[Evidence]) -> Iterable[Step]:
    controls = list(controls)
    for step in steps():
        own = tuple(each for each in controls if each.rule.step == step.id)
        yield Step(
            id=step.id,
            title=Markup(step.title),  # noqa: S704 - of our own documents, HTML escaped
            asked=Markup(step.asked),  # noqa: S704
            done=Markup(step.done),  # noqa: S704
            controls=own,
        )
    beyond = tuple(each for each in controls if each.rule.step is None)
    nothing = Markup("")
    yield Step(
        id="beyond", title=Markup("beyond the walk-through"), asked=nothing, done=nothing,
        controls=beyond,
    )  # fmt: skip


def _standards(controls: Iterable[Evidence]) -> dict[str, dict[str, tuple[Rule, ...]]]:
    found: dict[str, dict[str, list[Rule]]] = {}
    for each in controls:
        for standard, ids in each.rule.standards.items():
            for id_ in ids:
                found.setdefault(standard, {}).setdefault(id_, []).append(each.rule)
    return {
        standard: {id_: tuple(rules) for id_, rules in sorted(ids.items())}
        for standard, ids in found.items()
    }


def _answers(
    report: Report, record: Record, decisions: tuple[Decided, ...], proofs: tuple[Proved, ...]
) -> Iterable[Answer]:
    def answer(
        id_: str,
        question: str,
        *,
        of: tuple[str, ...],
        rows: Callable[[Decided], bool],
        good: str,
        bad: str,
    ) -> Answer:
        own = tuple(each for each in proofs if each.question.id in of)
        mine = tuple(filter(rows, decisions))
        failed = [one for each in own for one in each.failed]
        wrong = [each for each in mine if not each.holds]
        if failed or wrong:
            first = failed[0].message if failed else f"{wrong[0].id}: {wrong[0].decided_by}"
            verdict, words = "bad", f"{bad} {first[:1].upper()}{first[1:]}."
        elif not own and not mine:
            verdict, words = "open", "Not asked: the parts that answer it were left out."
        elif not own:
            verdict, words = "open", f"{good} By the decisions alone: nothing was proven."
        else:
            verdict, words = "good", good
        return Answer(
            id=id_,
            question=question,
            verdict=verdict,
            words=words,
            proofs=own,
            allowed=tuple(each for each in mine if each.was == "allowed"),
            denied=tuple(each for each in mine if each.was != "allowed"),
        )

    yield answer(
        "outside",
        "Can anyone outside read the data?",
        of=("proofs.no-outsider", "proofs.no-confused-deputy", "proofs.data-for-its-users"),
        rows=lambda row: (
            row.to in _DATA and row.who in {"outsider", "outsider-root", "stranger", "anonymous"}
        ),
        good="No. No request from another account, from nobody in particular or by way of a "
        "service reaches anything, and inside the account only a job, the submitter, uploaders "
        "and readers get at the data.",
        bad="Yes, or it cannot be ruled out.",
    )
    yield answer(
        "without-vpc",
        "What if the job is submitted without the VPC?",
        of=("proofs.data-through-endpoint",),
        rows=lambda row: (
            row.who == "customization-role" and row.to in _DATA and row.source == "anywhere"
        ),
        good="It reads and writes nothing: the bucket denies the customization role everything "
        "that does not come through the S3 endpoint of this VPC.",
        bad="It may reach the data.",
    )
    users = list(
        dict.fromkeys(
            f"{row.who} ({row.given or 'directly'})"
            for row in decisions
            if row.to == "model-key" and "decrypt" in row.does.lower() and row.was == "allowed"
        )
    )
    yield answer(
        "decrypt-model",
        "Who can decrypt the model?",
        of=("proofs.model-for-its-users",),
        rows=lambda row: row.to == "model-key" and "decrypt" in row.does.lower(),
        good="Nobody but a job, the submitter's request and those who may call the model, each "
        f"through Bedrock only. Allowed in the table: {', '.join(users) or 'nobody'}.",
        bad="More than should.",
    )
    yield _access(report, record)


def _access(report: Report, record: Record) -> Answer:
    added = tuple(each for each in record.access if each.level != "note")
    approved = record.baseline
    if approved is None:
        verdict = "open"
        words = (
            "Not known: nobody has approved an access to compare with."
            if "access" in report.parts
            else "Not asked: the part access was left out."
        )
    elif added:
        verdict, words = "bad", f"{len(added)} things that nobody has approved."
    else:
        gone = len(record.access)
        verdict = "good"
        words = "Nothing that was not approved" + (f"; {gone} taken away." if gone else ".")
    return Answer(
        id="pull-request",
        question="What does this pull request let whom do?",
        verdict=verdict,
        words=words,
        findings=tuple(sorted(record.access, key=lambda each: each.level == "note")),
    )
