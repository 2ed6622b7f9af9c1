"""Which changes to a deployment the gate notices, and by what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from review.mutation.mutant import Mutant
from review.rules import Profile, rules_of
from review.template.deployment import Deployment

AnyDeployment = TypeVar("AnyDeployment", bound=Deployment)

Judge = Callable[[AnyDeployment], Iterable[str]]
"""Says in words what is wrong with a deployment."""


def judges_of(profile: Profile) -> dict[str, Judge[Deployment]]:
    """The rules of a profile by their ids."""

    def judge(rule: Callable[[Deployment], Iterable[object]]) -> Judge[Deployment]:
        return lambda deployment: [str(each) for each in rule(deployment)]

    return {rule.id: judge(rule) for rule in rules_of(profile)}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of one change."""

    mutant: Mutant
    noticed_by: frozenset[str]
    """The judges that said something they had not said before; all of them, or the first."""


class Noticing(Generic[AnyDeployment]):
    """Asks judges about changes to one deployment.

    A judge notices when it says what it did not say of the deployment as it was. Those that noticed
    a change of the same type and property before are asked first.
    """

    def __init__(
        self, deployment: AnyDeployment, judges: Mapping[str, Judge[AnyDeployment]]
    ) -> None:
        self._deployment = deployment
        self._judges = dict(judges)
        self._before = {name: set(judge(deployment)) for name, judge in judges.items()}
        self._experience: dict[str, dict[str, None]] = {}

    def verdict(self, mutant: Mutant, *, all_judges: bool = False) -> Verdict:
        """Who notices a change.

        Args:
            mutant: The change.
            all_judges: Whether to ask them all; otherwise the first that notices is enough.
        """
        weaker = mutant.apply(self._deployment)
        first = self._experience.setdefault(f"{mutant.type} {mutant.kind}", {})
        noticed = set()
        for name in [*first, *(each for each in self._judges if each not in first)]:
            if set(self._judges[name](weaker)) - self._before[name]:
                noticed.add(name)
                first[name] = None
                if not all_judges:
                    break
        return Verdict(mutant=mutant, noticed_by=frozenset(noticed))

    def survivors(self, mutants: Iterable[Mutant]) -> Iterator[Mutant]:
        """The changes that nobody notices."""
        for mutant in mutants:
            if not self.verdict(mutant).noticed_by:
                yield mutant
