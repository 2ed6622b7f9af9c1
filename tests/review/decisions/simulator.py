"""Asking someone else's IAM simulator, in a process of its own, what it would decide."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from review.decisions.document import Kind, policy
from review.decisions.evaluator import context_of, evaluate
from review.decisions.request import Principal, Request, Value, Who
from review.decisions.world import Endpoint, Guardrails, World, holder

ROOT: Final = Path(__file__).resolve().parents[3]
FOLDER: Final = ROOT / "tools" / "iam-simulator"
INSTALLED: Final = FOLDER / "node_modules" / "@cloud-copilot" / "iam-simulate"
NODE: Final = ROOT / "node_modules" / ".bin" / "node"

_ENCRYPTION_CONTEXT: Final = ("kms:EncryptionContext:", "aws:PrincipalTag/context-")

Document = Mapping[str, Any]

_EVERYTHING: Final = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


@dataclass(frozen=True, kw_only=True)
class Question:
    """A request with the policy documents around it, in a form that both can be asked."""

    who: Who
    action: str
    resource: str
    owner: str
    arn: str = ""
    service: str = ""
    keys: Mapping[str, Value | None] = field(default_factory=dict)
    identity: Sequence[Document] = ()
    boundary: Document | None = None
    session: Document | None = None
    resource_policy: Document | None = None
    endpoint: Document | None = None
    scps: Sequence[Sequence[Document]] = ()
    rcps: Sequence[Sequence[Document]] = ()

    @property
    def _kind(self) -> Kind:
        service = self.action.partition(":")[0]
        return {"kms": Kind.KEY, "sts": Kind.TRUST}.get(service, Kind.RESOURCE)

    def ours(self) -> tuple[Request, World]:
        """The question as our evaluator takes it.

        Raises:
            MalformedPolicyError: One of the documents says what we do not know.
        """
        principal = Principal(
            who=self.who,
            name="caller",
            arn=self.arn,
            service=self.service,
            policies=tuple(
                policy(each, name=f"identity {place}", kind=Kind.IDENTITY)
                for place, each in enumerate(self.identity)
            ),
            boundary=policy(self.boundary, name="boundary", kind=Kind.BOUNDARY)
            if self.boundary
            else None,
            session_policies=(policy(self.session, name="session", kind=Kind.SESSION),)
            if self.session
            else (),
        )
        endpoint = "vpce-ours" if self.endpoint else None
        world = World(
            account=self.owner,
            partition="aws",
            region="us-east-1",
            resource_policies={
                holder(self.resource): policy(
                    self.resource_policy, name="resource policy", kind=self._kind
                )
            }
            if self.resource_policy
            else {},
            endpoints={
                "vpce-ours": Endpoint(
                    id="vpce-ours",
                    vpc="vpc-ours",
                    policy=policy(self.endpoint, name="endpoint policy", kind=Kind.ENDPOINT),
                )
            }
            if self.endpoint
            else {},
            guardrails=self._guardrails(principal.account),
        )
        request = Request(
            principal=principal,
            action=self.action,
            resource=self.resource,
            keys=self.keys,
            endpoint=endpoint,
            resource_account=self.owner,
        )
        return request, world

    def _guardrails(self, account: str) -> dict[str, Guardrails]:
        scps = tuple(
            tuple(policy(each, name="SCP", kind=Kind.SCP) for each in level) for level in self.scps
        )
        rcps = tuple(
            tuple(policy(each, name="RCP", kind=Kind.RCP) for each in level) for level in self.rcps
        )
        if account == self.owner:
            return {account: Guardrails(scps=scps, rcps=rcps)}
        return {account: Guardrails(scps=scps), self.owner: Guardrails(rcps=rcps)}

    def theirs(self) -> dict[str, Any]:
        """The question as the simulator takes it."""
        request, world = self.ours()
        principal: object = request.principal.caller_arn
        if self.who is Who.ANONYMOUS:
            principal = {"type": "Anonymous"}
        elif self.who is Who.SERVICE:
            principal = self.service
        return {
            "request": {
                "action": self.action,
                "principal": principal,
                "resource": {"resource": self.resource, "accountId": self.owner},
                "contextVariables": {
                    name: list(value) if isinstance(value, tuple) else value
                    for name, value in context_of(request, world).items()
                },
            },
            # It does not know that a root needs no policy of its own.
            "identityPolicies": _named([_EVERYTHING] if self.who is Who.ROOT else self.identity),
            "sessionPolicy": self.session,
            "resourcePolicy": self.resource_policy,
            "permissionBoundaryPolicies": _named([self.boundary]) if self.boundary else None,
            "vpcEndpointPolicies": _named([self.endpoint]) if self.endpoint else None,
            "serviceControlPolicies": _levels(self.scps),
            "resourceControlPolicies": _levels(self.rcps),
        }

    def decided(self) -> bool:
        """Whether our evaluator allows it."""
        return evaluate(*self.ours()).allowed


def _named(documents: Sequence[Document]) -> list[dict[str, Any]]:
    return [{"name": f"policy-{place}", "policy": each} for place, each in enumerate(documents)]


def _levels(levels: Sequence[Sequence[Document]]) -> list[dict[str, Any]]:
    return [
        {"orgIdentifier": f"ou-{place}", "policies": _named(level)}
        for place, level in enumerate(levels)
    ]


def ask(questions: Sequence[Question]) -> list[dict[str, Any]]:
    """What the simulator decides: `decision` and `ignored`, or `error`, in the same order."""
    lines = "".join(
        # It drops keys of an encryption context that have colons in them: they get other names.
        f"{json.dumps({'simulation': each.theirs()})}\n".replace(*_ENCRYPTION_CONTEXT)
        for each in questions
    )
    run = subprocess.run(
        [_node(), "simulate.mjs"],
        cwd=FOLDER,
        input=lines,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return [json.loads(line) for line in run.stdout.splitlines()]


def condition_keys(services: Sequence[str]) -> dict[str, str]:
    """The condition keys of services with their types, from the simulator's data."""
    run = subprocess.run(
        [_node(), "condition-keys.mjs", *services],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: dict[str, str] = json.loads(run.stdout)
    return found


def _node() -> str:
    return str(NODE) if NODE.exists() else "node"
