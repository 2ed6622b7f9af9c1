"""What is asked of a deployment, and what was proven of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

import z3

from review.decisions.document import Kind, policy
from review.decisions.errors import UndecidableError
from review.decisions.evaluator import Decision, evaluate
from review.decisions.request import Principal, Request, Who
from review.decisions.scene import Scene
from review.decisions.world import World
from review.proofs import solver
from review.proofs.solver import Answer, Hints, Outcome
from review.proofs.symbols import Symbols
from review.template.deployment import Resource

Profile = Literal["any", "app"]

EVERYTHING: Final = policy(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    },
    name="all that an administrator of the account could allow",
    kind=Kind.IDENTITY,
)
"""What a principal is given that the templates do not hold: the worst there is."""


@dataclass(frozen=True, kw_only=True)
class Proof:
    """A question about one thing, and its answer."""

    question: str
    """Id of the question, such as `proofs.no-outsider`."""
    claim: str
    """What was to be proven, as a sentence."""
    resource: Resource | None
    path: str
    """Where the policy stands in the resource."""
    outcome: Outcome
    request: Request | None = None
    """One that must not be let through, and is."""
    decision: Decision | None = None
    """What the evaluator says of it."""
    why: str = ""
    """Why it is undecided."""
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether it is proven."""
        return self.outcome is Outcome.PROVEN

    @property
    def message(self) -> str:
        """What came of it, in one sentence."""
        if self.holds:
            return f"proven: {self.claim}"
        if self.outcome is Outcome.UNDECIDED:
            return f"not proven, and not refuted: {self.claim}: {self.why}"
        if self.decision is None:
            return f"not so: {self.claim}: {self.why}"
        return f"not so: {self.claim}: {shown(self.request)} is allowed: {self.decision}"


def shown(request: Request | None) -> str:
    """A request as a person would write it down."""
    if request is None:
        return "a request"
    keys = ", ".join(
        f"{name} = {value if isinstance(value, str) else ', '.join(value)}"
        for name, value in sorted(request.keys.items())
        if value is not None
    )
    through = f" through {request.endpoint}" if request.endpoint else ""
    return f"{request.action} on {request.resource} by {request.principal.name}{through}" + (
        f" with {keys}" if keys else ""
    )


@dataclass(frozen=True, kw_only=True)
class Question:
    """One kind of claim, about every resource that it applies to."""

    id: str
    words: str
    """As a reviewer would ask it."""
    profile: Profile
    fix: str
    ask: Callable[[Asking, Scene], Iterator[Proof]]


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What a question needs to be asked of one deployment."""

    question: str
    partition: str
    account: str
    world: World

    def symbols(self) -> Symbols:
        """A request of which nothing is known."""
        return Symbols(partition=self.partition)

    def prove(
        self,
        request: Symbols,
        *conditions: z3.BoolRef,
        claim: str,
        resource: Resource | None,
        path: str = "",
        hints: Hints | None = None,
        principal: Principal | None = None,
        endpoint: str | None = None,
    ) -> Proof:
        """Prove that no request meets all conditions, or show one that does.

        Args:
            request: What is open of the request.
            conditions: What a request that must not be meets.
            claim: That there is none, as a sentence.
            resource: Whose policy is at fault where there is one.
            path: Where the policy stands in it.
            hints: What to prefer in a request that is shown.
            principal: Who asks, where that is known.
            endpoint: The endpoint that the request passes, where that is known.
        """
        answer = solver.find(request, *conditions, hints=hints or Hints())
        found = Proof(
            question=self.question,
            claim=claim,
            resource=resource,
            path=path,
            outcome=answer.outcome,
            why=answer.why,
            seconds=answer.seconds,
        )
        if answer.outcome is not Outcome.REFUTED:
            return found
        return self._confirmed(found, answer, principal=principal, endpoint=endpoint)

    def _confirmed(
        self, found: Proof, answer: Answer, *, principal: Principal | None, endpoint: str | None
    ) -> Proof:
        """A refutation is one when the evaluator, which knows all policies, says the same."""
        if answer.request is None:  # pragma: no cover - a refutation has a request
            raise AssertionError("a refutation without a request")
        request = replace(
            answer.request,
            principal=principal or with_everything(answer.request.principal),
            endpoint=endpoint,
        )
        try:
            decision = evaluate(request, self.world)
        except UndecidableError as error:
            return replace(
                found, outcome=Outcome.UNDECIDED, request=request, why=f"not understood: {error}"
            )
        if not decision.allowed:
            return replace(
                found,
                outcome=Outcome.UNDECIDED,
                request=request,
                decision=decision,
                why=f"the solver's {shown(request)} is not allowed: {decision}",
            )
        return replace(found, request=request, decision=decision)


def with_everything(principal: Principal) -> Principal:
    """A principal whose own account lets it do everything."""
    if principal.who in {Who.ROLE, Who.USER}:
        return replace(principal, policies=(EVERYTHING,))
    return principal
