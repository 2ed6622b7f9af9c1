"""What becomes of a mutant: caught, and by whom; the same; stricter; out of scope; alive."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from review.decisions.errors import UndecidableError
from review.mutation.gate import Catch, Gate
from review.mutation.normal import Normal, normal_form
from review.mutation.scope import out_of_scope
from review.proofs.baseline import access_findings
from review.template.deployment import Deployment

_NOT_UNDERSTOOD = (UndecidableError, AttributeError, IndexError, KeyError, TypeError, ValueError)


class Fate(enum.StrEnum):
    """What became of it."""

    CAUGHT = "caught"
    EQUIVALENT = "equivalent"
    """Its normal form is the same, and policies allow no more and no less."""
    STRICTER = "stricter"
    """The same but for policies, and these allow less and nothing more."""
    OUT_OF_SCOPE = "out of scope"
    SURVIVED = "survived"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of one mutant, and why."""

    fate: Fate
    catch: Catch | None = None
    classes: tuple[str, ...] = ()
    """Why it is out of scope."""


@dataclass(frozen=True, kw_only=True)
class _Comparison:
    """How a deployment differs from the one that it was made of."""

    explained: bool
    """Whether beside policies nothing differs but what is out of scope."""
    classes: tuple[str, ...]
    """What of it is out of scope."""
    more: bool
    """Whether policies and ways through the network allow something that they did not."""
    less: bool


class Court:
    """Judges changes to one deployment.

    Args:
        gate: Who notices changes.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._normal: Normal = normal_form(gate.deployment)

    def verdict(self, weaker: Deployment, *, alike: str = "") -> Verdict:
        """What becomes of a changed deployment.

        What is the same to the last permission is not put to the decisions and proofs, which
        take most of the time: `neutral` is what holds them to say nothing of it.

        Args:
            weaker: The changed deployment.
            alike: As `Gate.catch` takes it.
        """
        catch = self._gate.catch(weaker, stages=("reading", "rules"), alike=alike)
        if catch is not None:
            return Verdict(fate=Fate.CAUGHT, catch=catch)
        found = self._compared(weaker)
        if found.explained and not found.more and not found.less:
            fate = Fate.OUT_OF_SCOPE if found.classes else Fate.EQUIVALENT
            return Verdict(fate=fate, classes=found.classes)
        catch = self._gate.catch(weaker, stages=("decisions", "proofs", "access"))
        if catch is not None:
            return Verdict(fate=Fate.CAUGHT, catch=catch)
        if found.more or not found.explained:
            return Verdict(fate=Fate.SURVIVED)
        if found.classes:
            return Verdict(fate=Fate.OUT_OF_SCOPE, classes=found.classes)
        return Verdict(fate=Fate.STRICTER)

    def _compared(self, weaker: Deployment) -> _Comparison:
        """Compare with the deployment as it was; what cannot be compared counts as worse."""
        try:
            normal = normal_form(weaker)
            # Whatever stage is switched off: what allows more is never the same.
            differences, _ = access_findings(weaker, self._gate.baseline)
        except _NOT_UNDERSTOOD:
            return _Comparison(explained=False, classes=(), more=True, less=True)
        classes = () if normal == self._normal else out_of_scope(self._normal, normal)
        return _Comparison(
            explained=classes is not None,
            classes=classes or (),
            more=any(each.level != "note" for each in differences),
            less=any(each.level == "note" for each in differences),
        )
