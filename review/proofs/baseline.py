"""The access that somebody approved, and what a change adds to it and takes from it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from review.decisions.document import Kind, policy
from review.decisions.errors import UndecidableError
from review.decisions.purposes import facts
from review.decisions.scene import UNKNOWN_BOUNDARY, Scene
from review.findings import Finding
from review.proofs.access import Difference, Of, added
from review.proofs.aliases import renaming
from review.proofs.inventory import Held, document, inventory
from review.proofs.proof import shown
from review.proofs.solver import Outcome
from review.template.deployment import Deployment, Resource
from review.template.errors import UnreadableError
from review.template.security_groups import Rule, effective_rules

FOLDER: Final = Path(__file__).resolve().parents[1] / "baseline"
"""The baselines in version control, one file for each environment."""

_APPROVE: Final = "approve it with `finetune approve` when it is meant, or take it out"


class Approval(BaseModel):
    """Who took the access for right, when, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: str = Field(min_length=1)
    at: datetime
    because: str = Field(min_length=1)


class Baseline(BaseModel):
    """The access of one environment at the time when somebody approved it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_: Literal[1] = Field(default=1, alias="schema")
    environment: str
    approved: Approval
    policies: Mapping[str, Mapping[str, Any]]
    """By the kind of policy and whose it is, one document that says it all."""
    traffic: tuple[str, ...]
    """What the security groups let through."""


def approve(
    deployment: Deployment, *, by: str, because: str, environment: str | None = None
) -> Baseline:
    """The baseline that takes a deployment for right.

    Args:
        deployment: The templates.
        by: Who takes it for right.
        because: Why.
        environment: What the templates are of, where they do not say it.

    Raises:
        UnreadableError: It has a policy that is not understood, or does not say its environment.
    """
    try:
        held = _held_now(deployment)
    except UndecidableError as error:
        raise UnreadableError(
            f"the access cannot be approved: {error}", fix="correct the policy first"
        ) from error
    return Baseline(
        environment=environment or environment_name(deployment),
        approved=Approval(by=by, at=datetime.now(tz=UTC).replace(microsecond=0), because=because),
        policies={key: document(each.policies) for key, each in held.items()},
        traffic=tuple(sorted(_traffic(deployment))),
    )


def environment_name(deployment: Deployment) -> str:
    """The environment that templates of this app belong to.

    Raises:
        UnreadableError: They do not say.
    """
    name = facts(deployment).get("environment")
    if name is None:
        raise UnreadableError(
            "the templates do not say which environment they are of",
            fix="review what `cdk synth` of this app wrote, or name a file with --baseline",
        )
    return name


def committed(environment: str) -> Path | None:
    """The file in version control for an environment; None where nothing was approved yet."""
    # A name from somebody's template leads nowhere else.
    file = FOLDER / f"{Path(environment).name}.json"
    return file if file.is_file() else None


def save(baseline: Baseline, file: Path) -> None:
    """Write a baseline so that a change of it reads well in version control."""
    file.parent.mkdir(parents=True, exist_ok=True)
    content = json.loads(baseline.model_dump_json(by_alias=True))
    file.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read(file: Path) -> Baseline:
    """Read a baseline.

    Raises:
        UnreadableError: There is none, or it is none.
    """
    try:
        return Baseline.model_validate_json(file.read_bytes())
    except OSError as error:
        raise UnreadableError(
            f"{file.name} cannot be read: {error.strerror or error}",
            fix="approve what stands with `finetune approve`, or name another file",
            where={"file": str(file)},
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise UnreadableError(
            f"{file.name} is no baseline: {place}: {first['msg']}",
            fix="take it from version control again, or approve anew with `finetune approve`",
            where={"file": str(file)},
        ) from error


def access_findings(deployment: Deployment, baseline: Baseline) -> tuple[list[Finding], int]:
    """What is allowed that was not approved, and, as notes, what is not allowed any more.

    Returns:
        The findings, and how many policies and ways through the network were compared.
    """
    try:
        held = _held_now(deployment)
        approved = {key: _held(key, found) for key, found in baseline.policies.items()}
    except UndecidableError as error:
        return [
            Finding(
                id="access.not-understood",
                level="error",
                message=f"access cannot be compared: {error}",
                fix="correct the policy: what it allows is not known",
            )
        ], 0
    found = list(_of_policies(deployment, held, approved))
    now, before = _traffic(deployment), set(baseline.traffic)
    found += _of_traffic(deployment, now, before)
    return found, len({*held, *approved}) + len({*now, *before})


def _held_now(deployment: Deployment) -> dict[str, Held]:
    """What there is, by names that stay when logical ids change.

    Raises:
        UndecidableError: A policy is not understood.
    """
    rename = renaming(deployment)
    found: dict[str, Held] = {}
    for each in inventory(Scene(deployment)):
        content = json.loads(rename(json.dumps(document(each.policies))))
        named = replace(each, owner=rename(each.owner))
        policies = (
            () if not content["Statement"] else (policy(content, name=named.key, kind=each.kind),)
        )
        found[named.key] = replace(named, policies=policies)
    return found


def _held(key: str, found: Mapping[str, Any]) -> Held:
    kind_name, _, owner = key.partition(" of ")
    kind = Kind(kind_name)
    policies = () if not found.get("Statement") else (policy(found, name=key, kind=kind),)
    return Held(owner=owner, kind=kind, policies=policies, resource=None)


def _of_policies(
    deployment: Deployment, held: Mapping[str, Held], approved: Mapping[str, Held]
) -> Iterator[Finding]:
    for key in sorted({*held, *approved}):
        now, before = held.get(key), approved.get(key)
        held_by = now or before
        # A role without a boundary is one that a boundary takes nothing away from.
        absent = (UNKNOWN_BOUNDARY,) if held_by and held_by.kind is Kind.BOUNDARY else ()
        after = now.policies if now else absent
        earlier = before.policies if before else absent
        of = _of(deployment, held_by)
        new = {_in_words(each, held_by): each for each in added(before=earlier, after=after, of=of)}
        gone = {
            _in_words(each, held_by): each for each in added(before=after, after=earlier, of=of)
        }
        for each in new.values():
            yield _added(deployment, each, held_by)
        for each in gone.values():
            yield _removed(deployment, each, held_by)


def _of(deployment: Deployment, held: Held | None) -> Of:
    """What is known of the requests that the policies are asked about."""
    if held is None or held.kind is Kind.ENDPOINT:
        return Of(partition=deployment.partition)
    if held.kind in {Kind.IDENTITY, Kind.BOUNDARY}:
        return Of(partition=deployment.partition, role=held.owner)
    return Of(partition=deployment.partition, resource=held.owner)


def _added(deployment: Deployment, found: Difference, held: Held | None) -> Finding:
    what = _in_words(found, held)
    if found.answer.outcome is Outcome.UNDECIDED:
        message = f"whether this is new could not be found out: {what}: {found.answer.why}"
    elif found.lost_denial:
        message = f"not denied any more: {what}; for example {shown(found.answer.request)}"
    else:
        message = f"new access: {what}; for example {shown(found.answer.request)}"
    return Finding(
        id="access.new", level="error", message=message, fix=_APPROVE, where=_at(deployment, held)
    )


def _removed(deployment: Deployment, found: Difference, held: Held | None) -> Finding:
    said = "denied now" if found.lost_denial else "access that is gone"
    return Finding(
        id="access.removed",
        level="note",
        message=f"{said}: {_in_words(found, held)}",
        fix="approve what stands with `finetune approve`, so that it is noticed when it comes back",
        where=_at(deployment, held),
    )


def _in_words(found: Difference, held: Held | None) -> str:
    """Who may do what with what, as a sentence."""
    statement = found.statement
    owner = held.owner if held else "somebody"
    actions = ", ".join(each.source for each in statement.actions) or (
        "everything but " + ", ".join(each.source for each in statement.not_actions)
    )
    resources = ", ".join(each.source for each in statement.resources) or (
        "everything but " + ", ".join(each.source for each in statement.not_resources)
        if statement.not_resources
        else owner
    )
    conditions = "; ".join(
        f"{each.key} {each.operator.name} {', '.join(value.source for value in each.values)}"
        for each in statement.conditions
    )
    who = owner
    if statement.principals is not None:
        names = statement.principals
        listed = ", ".join(sorted({*names.aws, *names.services, *names.federated}))
        who = "everybody" if names.everyone else listed
    elif statement.not_principals is not None:
        who = "everybody but those whom it names"
    through = f" by the {held.kind} of {owner}" if held and who != owner else ""
    if held and held.kind is Kind.BOUNDARY:
        through = ", as far as its permissions boundary goes"
    return f"{who} may {actions} on {resources}{f' if {conditions}' if conditions else ''}{through}"


def _at(deployment: Deployment, held: Held | None) -> dict[str, str | int]:
    if held is None or held.resource is None:
        return {}
    return deployment.place(
        stack=held.resource.stack, logical_id=held.resource.logical_id, path=held.path
    )


def _traffic(deployment: Deployment) -> set[str]:
    """What security groups let through and where routes lead, a line for each."""
    rename = renaming(deployment)
    rules = {
        f"{rule.group}: {rule.direction} {_protocol(rule)} {_TO[rule.direction]} {rule.peer}"
        for rule in effective_rules(deployment)
    }
    routes = {
        f"{route['RouteTableId']}: route of {_value(route, 'Destination')} to "
        f"{_value(route, '', but=('Destination', 'RouteTable'))}"
        for route in deployment.of_type("AWS::EC2::Route")
    }
    return {rename(each) for each in rules | routes}


_TO: Final = {"egress": "to", "ingress": "from"}


def _protocol(rule: Rule) -> str:
    if rule.protocol == "-1":
        return "of all protocols"
    ports = rule.from_port if rule.from_port == rule.to_port else f"{rule.from_port}-{rule.to_port}"
    return f"of {rule.protocol} {ports}"


def _value(route: Resource, start: str, *, but: tuple[str, ...] = ()) -> str:
    """What a route says in properties whose names begin so."""
    return " and ".join(
        str(value)
        for name, value in sorted(route.properties.items())
        if name.startswith(start) and not (but and name.startswith(but))
    )


def _of_traffic(deployment: Deployment, now: set[str], before: set[str]) -> Iterator[Finding]:
    rename = renaming(deployment)
    groups = {
        rename(each.ref): each
        for each in deployment.of_type("AWS::EC2::SecurityGroup", "AWS::EC2::RouteTable")
    }
    for line in sorted(now - before):
        group = groups.get(line.partition(": ")[0])
        yield Finding(
            id="access.new",
            level="error",
            message=f"new way through the network: {line}",
            fix=_APPROVE,
            where=deployment.place(stack=group.stack, logical_id=group.logical_id, path="")
            if group
            else {},
        )
    for line in sorted(before - now):
        yield Finding(
            id="access.removed",
            level="note",
            message=f"way through the network that is gone: {line}",
            fix="approve what stands with `finetune approve`, so that it is noticed when it comes "
            "back",
        )
