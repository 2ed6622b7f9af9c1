"""The whole gate as one judge: what `finetune review` says of a changed deployment, cheapest first.

The parts are those of a review, asked in this process. A part is asked only when those before it
have nothing to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, get_args

from review.decisions.run import decision_findings
from review.findings import Finding
from review.proofs.baseline import Baseline, access_findings, approve
from review.proofs.run import prove_all
from review.rules import Profile, Rule, rules_of
from review.template.deployment import Deployment

Stage = Literal["reading", "rules", "decisions", "proofs", "access"]
STAGES: Final[tuple[Stage, ...]] = get_args(Stage)


class Said(NamedTuple):
    """A finding, as far as it tells one from another."""

    id: str
    message: str
    note: bool


@dataclass(frozen=True, kw_only=True)
class Catch:
    """Who noticed first."""

    stage: Stage
    by: str
    """Id of the finding."""
    message: str


@dataclass(kw_only=True)
class Gate:
    """Everything that a review asks of templates, but for others' tools.

    Args:
        deployment: As it should be. What is said of it already is nothing new.
        profile: As `finetune review` takes it.
        without: Stages, and families of rules, that are switched off.
    """

    deployment: Deployment
    profile: Profile = "app"
    without: frozenset[str] = frozenset()
    baseline: Baseline = field(init=False)
    _before: dict[str, frozenset[Said]] = field(init=False, default_factory=dict)
    _experience: dict[str, dict[str, None]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.baseline = approve(
            self.deployment, by="the harness", because="a comparison", environment="any"
        )

    def _was_said(self, name: str, judge: _Judge) -> frozenset[Said]:
        """What a judge says of the deployment as it was; asked when it first matters."""
        if name not in self._before:
            self._before[name] = frozenset(judge(self.deployment))
        return self._before[name]

    @property
    def _stages(self) -> Sequence[Stage]:
        return [each for each in STAGES if each not in self.without]

    def _judges(self, stage: Stage) -> Mapping[str, _Judge]:
        """What a stage asks, by name."""
        if stage == "rules":
            return {
                rule.id: _by_rule(rule)
                for rule in rules_of(self.profile)
                if rule.family not in self.without
            }
        others: dict[Stage, _Judge] = {
            "reading": _read,
            "decisions": lambda each: _said_in(decision_findings(each, self.profile)[0]),
            "proofs": lambda each: _proven(each, self.profile),
            "access": lambda each: _said_in(access_findings(each, self.baseline)[0]),
        }
        return {stage: others[stage]}

    def catch(
        self, weaker: Deployment, *, stages: Sequence[Stage] = STAGES, alike: str = ""
    ) -> Catch | None:
        """Who notices first that a deployment is not as it should be; None when nobody does.

        Args:
            weaker: The changed deployment.
            stages: Whom to ask, of those that are not switched off.
            alike: What the change has in common with others. The rules that noticed one of these
                are asked first.
        """
        for stage in (each for each in self._stages if each in stages):
            judges = self._judges(stage)
            first = self._experience.setdefault(alike, {}) if stage == "rules" else {}
            for name in [*first, *(each for each in judges if each not in first)]:
                for each in judges[name](weaker):
                    if not each.note and each not in self._was_said(name, judges[name]):
                        first[name] = None
                        return Catch(stage=stage, by=each.id, message=each.message)
        return None

    def findings(self, changed: Deployment) -> Iterator[tuple[Stage, Said]]:
        """Everything that every stage says which it did not say before, notes too."""
        for stage in self._stages:
            for name, judge in self._judges(stage).items():
                for each in judge(changed):
                    if each not in self._was_said(name, judge):
                        yield stage, each


_Judge = Callable[[Deployment], Iterable[Said]]


def _said_in(findings: Iterable[Finding]) -> Iterator[Said]:
    for each in findings:
        yield Said(each.id, each.message, each.level == "note")


def _by_rule(rule: Rule) -> _Judge:
    return lambda deployment: (Said(rule.id, str(each), note=False) for each in rule(deployment))


def _read(deployment: Deployment) -> Iterator[Said]:
    """What of the templates is not known: see `review.template.assembly.load`."""
    for each in deployment.problems:
        yield Said(each.id, each.message, each.level == "note")


def _proven(deployment: Deployment, profile: Profile) -> Iterator[Said]:
    """By the claim: the request that refutes it is another one each time."""
    for each in prove_all(deployment, profile):
        if not each.holds:
            yield Said(each.question, each.claim, note=False)
