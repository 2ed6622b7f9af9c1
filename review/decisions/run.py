"""Asking the whole table of a deployment, and telling what comes out otherwise than it says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from review.decisions.document import Kind
from review.decisions.errors import UndecidableError
from review.decisions.evaluator import Reason
from review.decisions.purposes import NotFoundError
from review.decisions.stage import Answer, Stage
from review.decisions.table import Row, Table
from review.findings import Finding
from review.template.deployment import Deployment

Profile = Literal["any", "app"]

_DOCUMENTS: Final = {
    Kind.KEY: "KeyPolicy",
    Kind.TRUST: "AssumeRolePolicyDocument",
}
_NOT_UNDERSTOOD: Final = (
    # A template that lacks what CloudFormation requires, such as the handler of a function.
    AttributeError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A row and what came of asking it."""

    row: Row
    answer: Answer | None = None
    """None where it could not be asked."""
    missing: NotFoundError | None = None
    """What the templates do not hold."""
    undecidable: str | None = None
    """What was met that nobody understands."""

    @property
    def holds(self) -> bool:
        """Whether it was decided, as the row says."""
        return self.answer is not None and self.answer.holds


def ask_all(stage: Stage, profile: Profile) -> list[Asked]:
    """Ask every row of a profile.

    Left out are, in `any`, those about what the templates do not hold; in `app`, those about what
    this app may leave out.
    """
    rows = [row for row in stage.table.rows if profile == "app" or row.entry.profile == "any"]
    asked = [_ask(stage, row) for row in rows]
    return [
        each
        for each in asked
        if each.missing is None or (profile == "app" and not each.missing.may_be_left_out)
    ]


def _ask(stage: Stage, row: Row) -> Asked:
    try:
        return Asked(row=row, answer=stage.ask(row))
    except NotFoundError as error:
        return Asked(row=row, missing=error)
    except UndecidableError as error:
        return Asked(row=row, undecidable=str(error))
    except _NOT_UNDERSTOOD as error:
        return Asked(row=row, undecidable=f"{type(error).__name__} {error}")


def decision_findings(
    deployment: Deployment, profile: Profile, *, of: Table | None = None
) -> tuple[list[Finding], int]:
    """What does not come out as the table says, and how many decisions were asked for.

    Args:
        deployment: The templates.
        profile: `app` asks everything, `any` what holds for everybody who fine-tunes on Bedrock.
        of: Another table than the committed one.
    """
    stage = Stage(deployment, of=of)
    asked = ask_all(stage, profile)
    return findings_of(stage, asked), len(asked)


def findings_of(stage: Stage, asked: list[Asked]) -> list[Finding]:
    """What does not come out as the table says."""
    found = [_of_answer(stage, each.answer) for each in asked if each.answer and not each.holds]
    return [*found, *_of_the_others(asked)]


def run(deployment: Deployment, profile: Profile = "app") -> list[Finding]:
    """The findings alone."""
    return decision_findings(deployment, profile)[0]


def _of_the_others(asked: list[Asked]) -> Iterator[Finding]:
    """Rows that were not decided, one finding for each cause: one broken policy is in many."""
    causes: dict[str, list[Asked]] = {}
    for each in asked:
        if cause := each.undecidable or (str(each.missing) if each.missing else None):
            causes.setdefault(cause, []).append(each)
    for cause, rows in causes.items():
        missing = rows[0].missing is not None
        ids = list(dict.fromkeys(each.row.entry.id for each in rows))
        shown = ", ".join(ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")
        yield Finding(
            id="decisions.nothing-to-ask-about" if missing else "decisions.not-decided",
            level="error",
            message=f"{len(rows)} decisions could not be made ({shown}): {cause}",
            fix=(
                "put it back, or review these templates with --profile any"
                if missing
                else "write what this gate can decide, as every policy of the app is written"
            ),
        )


def _of_answer(stage: Stage, answer: Answer) -> Finding:
    row = answer.row
    request, decision = answer.decisive
    was = "allowed" if answer.allowed else "denied"
    through = f" under {', '.join(row.through)}" if row.through else ""
    message = (
        f"{row.who} may {'' if answer.allowed else 'not '}{row.does} on {row.to} "
        f"from {row.source}"
        f"{through}: {was}, expected {row.expect}. {row.entry.because} "
        f"Decided by {request.action} on {request.resource}: {decision}"
    )
    setting = (
        f", unless the setting {row.entry.setting} is meant to say so" if row.entry.setting else ""
    )
    fix = (
        f"take away what allows it{setting}"
        if answer.allowed
        else f"allow it, or take away what denies it{setting}"
    )
    return Finding(
        id=f"decisions.{row.entry.id}",
        # A setting may mean it; whether the templates have the form that the setting gives them,
        # and not a wider one, is the structure rules' to say.
        level="warning" if row.entry.setting else "error",
        message=message,
        fix=fix,
        where=_where(stage, decision.reasons[0]),
    )


def _where(stage: Stage, reason: Reason) -> dict[str, str | int]:
    source = stage.scene.sources.get(reason.policy or "")
    if source is None:
        return {}
    kind = reason.kind
    return stage.deployment.place(
        stack=source.stack,
        logical_id=source.logical_id,
        path=_DOCUMENTS.get(kind, "PolicyDocument") if kind else "",
    )
