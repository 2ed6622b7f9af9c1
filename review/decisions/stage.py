"""A deployment with the table's names on it: what each row asks, and what comes of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

from review.decisions import purposes
from review.decisions.calls import Asked, requests_of
from review.decisions.document import Kind, Policy, policy
from review.decisions.errors import MalformedRequestError, UndecidableError
from review.decisions.evaluator import Decision, context_of, evaluate
from review.decisions.purposes import NotFoundError
from review.decisions.request import Principal, Request, Value, Who
from review.decisions.scene import Scene
from review.decisions.table import (
    Person,
    Row,
    Table,
    table,
    table_with_logging,
    table_with_serving,
)
from review.decisions.world import Endpoint, Guardrails, World
from review.rules.environment import Environment, environment_of
from review.template.deployment import Deployment

_NAME: Final = re.compile(r"\{([a-z0-9-]+)\}")
ANYWHERE: Final = "anywhere"
ELSEWHERE: Final = "444455556666"
"""The account of others."""
ANOTHER_ENDPOINT: Final = "another-endpoint"
"""One of somebody else's VPC, which lets everything through."""
_EVERYTHING: Final = {"Effect": "Allow", "Action": "*", "Resource": "*"}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of a row."""

    row: Row
    requests: tuple[Request, ...]
    decisions: tuple[Decision, ...]
    """One for each request, up to the first that is denied."""

    @property
    def allowed(self) -> bool:
        """Whether all of it is allowed."""
        return all(decision.allowed for decision in self.decisions)

    @property
    def holds(self) -> bool:
        """Whether it came out as the row says."""
        return self.allowed == (self.row.expect == "allowed")

    @property
    def decisive(self) -> tuple[Request, Decision]:
        """The request that is denied, or the last one."""
        return self.requests[len(self.decisions) - 1], self.decisions[-1]


class Stage:
    """Gives the table's names their meaning in one deployment."""

    def __init__(self, deployment: Deployment, *, of: Table | None = None) -> None:
        self.deployment = deployment
        self.scene = Scene(deployment)
        self.table = of or _table_for(environment_of(deployment))
        self._principals: dict[str, Principal] = {}

    @cached_property
    def _facts(self) -> Mapping[str, str]:
        return purposes.facts(self.deployment)

    def fact(self, name: str) -> str:
        """Account, Region, partition, environment, or the base model of a job.

        Raises:
            NotFoundError: The templates do not say.
        """
        if name not in self._facts:
            raise NotFoundError(
                f"the templates say no {name.replace('-', ' ')}",
                may_be_left_out=name == "base-model" and not self.deployment.of_type(purposes.JOB),
            )
        return self._facts[name]

    def arn(self, name: str) -> str:
        """The ARN of a thing: by its purpose, by its name in the table, or a text with such names.

        Raises:
            NotFoundError: The templates hold no such thing.
            MalformedRequestError: There is no such name.
        """
        if name == "*" or name.startswith("arn:"):
            return name
        if name in purposes.PURPOSES:
            # The ARN that a log group's policies name ends with `:*`, for its streams.
            return purposes.resource_for(name, self.deployment).arn.removesuffix(":*")
        if name in self.table.things:
            return self._filled(self.table.things[name])
        if "{" in name:
            return self._filled(name)
        raise MalformedRequestError(f"nothing is known by the name {name!r}")

    def _filled(self, text: str) -> str:
        return _NAME.sub(lambda found: self._text(found[1]), text)

    def _text(self, name: str) -> str:
        return self.fact(name) if name in purposes.FACTS else self.arn(name)

    def owner_of(self, resource: str) -> str | None:
        """Whose a bucket is, where it is not the account's own."""
        others = self.table.things.get("another-bucket")
        is_theirs = others is not None and resource.partition("/")[0] == self._filled(others)
        return ELSEWHERE if is_theirs else None

    def key_of(self, resource: str) -> tuple[str, bool] | None:
        """The key that something is encrypted with, and whether it is a bucket key."""
        for type_, path in _KEYS.items():
            for found in self.deployment.of_type(type_):
                if found.arn == resource:
                    return self._key(found[path], bucket=type_.endswith("Bucket"))
        return None

    def _key(self, encryption: Any, *, bucket: bool) -> tuple[str, bool] | None:  # noqa: ANN401
        rule = encryption[0] if isinstance(encryption, list) and encryption else encryption
        key: object = rule
        if isinstance(rule, Mapping):
            key = rule.get("ServerSideEncryptionByDefault", {}).get("KMSMasterKeyID")
        bucket_key = bucket and isinstance(rule, Mapping) and rule.get("BucketKeyEnabled") is True
        for found in self.deployment.of_type("AWS::KMS::Key"):
            if key in {found.ref, found.arn}:
                return found.arn, bucket_key
        return None

    # Who asks.

    def principal(self, name: str) -> Principal:
        """A principal by its name.

        Raises:
            NotFoundError: The templates hold none of it.
            MalformedRequestError: There is no such name.
        """
        if name not in self._principals:
            self._principals[name] = self._principal(name)
        return self._principals[name]

    def _principal(self, name: str) -> Principal:
        if name in {*purposes.ROLES, *purposes.SERVING_ROLES, *purposes.LOGGING_ROLES}:
            return self.scene.role(purposes.resource_for(name, self.deployment), name=name)
        if name not in self.table.principals:
            raise MalformedRequestError(f"nobody is known by the name {name!r}")
        return self._person(name, self.table.principals[name])

    def _person(self, name: str, person: Person) -> Principal:
        if person.anonymous:
            return Principal(who=Who.ANONYMOUS, name=name)
        if person.service:
            return Principal(who=Who.SERVICE, name=name, service=self._filled(person.service))
        who, arn = self._identity(person)
        actions = ["*"] if person.may == "everything" else person.may
        policies: tuple[Policy, ...] = ()
        if actions != "nothing":
            policies = (_made_up([{**_EVERYTHING, "Action": actions}], name, Kind.IDENTITY),)
        return Principal(who=who, name=name, arn=arn, session=name, policies=policies)

    def _identity(self, person: Person) -> tuple[Who, str]:
        if person.is_also:
            return Who.ROLE, purposes.resource_for(person.is_also, self.deployment).arn
        if person.named:
            return Who.ROLE, f"arn:{self.fact('partition')}:iam::{self._stranger}:role/stranger"
        if person.admitted_by:
            arn = self._admitted(person.admitted_by)
            return (Who.USER if ":user/" in arn else Who.ROLE), arn
        iam = f"arn:{self.fact('partition')}:iam::{self._filled(person.account)}"
        if person.root:
            return Who.ROOT, f"{iam}:root"
        if person.user:
            return Who.USER, f"{iam}:user/{person.user}"
        return Who.ROLE, f"{iam}:role/{person.role}"

    @property
    def _stranger(self) -> str:
        """Another account that a policy of the templates names."""
        for found in self.scene.world.resource_policies.values():
            for statement in found.statements:
                for names in (statement.principals, statement.not_principals):
                    accounts = sorted(
                        each.split(":")[4] if ":" in each else each
                        for each in (names.aws if names else ())
                    )
                    for account in accounts:
                        if account != self.fact("account"):
                            return account
        raise NotFoundError("no policy names another account", may_be_left_out=True)

    def _admitted(self, by: str) -> str:
        """One whom a policy admits by a pattern of ARNs: people are in no other place."""
        resource = purposes.resource_for(by, self.deployment)
        documents: list[Any] = [resource["AssumeRolePolicyDocument"], resource["KeyPolicy"]]
        documents += [
            each["PolicyDocument"]
            for each in self.deployment.of_type("AWS::S3::BucketPolicy")
            if each["Bucket"] == resource.ref
        ]
        for document in documents:
            for pattern in _patterns_of_people(document, of=by):
                somebody = pattern.replace("*", "anybody").replace("?", "x")
                return somebody if somebody.startswith("arn:") else self._filled(_ANYBODY)
        raise NotFoundError(
            f"the policy of the {by.replace('-', ' ')} admits no people",
            may_be_left_out=by == "model-key",
        )

    # What is asked.

    def ask(self, row: Row) -> Answer:
        """Decide a row.

        Raises:
            NotFoundError: The templates hold nothing that it is about.
            UndecidableError: It meets a statement that says something unknown.
        """
        requests = self.requests(row)
        world = self._world(row, requests)
        answer = self._decided(row, requests, world)
        if answer.holds or answer.allowed:
            return answer
        # Stricter than the table: a condition on a key that it says nothing of, such as the age of
        # a second factor, leaves open what it asks. It is not weaker for it.
        stricter = self._decided(row, requests, world, open_keys=self._says_nothing_of)
        return stricter if stricter.holds else answer

    def _decided(
        self,
        row: Row,
        requests: tuple[Request, ...],
        world: World,
        *,
        open_keys: Callable[[str], bool] | None = None,
    ) -> Answer:
        decisions: list[Decision] = []
        for request in requests:
            if _lacks_its_policy(request, world):
                raise UndecidableError(f"the policy of {request.resource} is not known")
            decisions.append(evaluate(request, world, open_keys=open_keys))
            if not decisions[-1].allowed:
                break
        return Answer(row=row, requests=requests, decisions=tuple(decisions))

    def _says_nothing_of(self, key: str) -> bool:
        return key not in self._said

    @cached_property
    def _said(self) -> frozenset[str]:
        """The condition keys, in lower case, that some request of the table carries."""
        found: set[str] = set()
        for row in self.table.rows:
            try:
                requests = self.requests(row)
            except NotFoundError:
                continue
            for request in requests:
                found.update(name.lower() for name in request.keys)
                found.update(name.lower() for name in context_of(request, self._with_others))
        return frozenset(found)

    def requests(self, row: Row) -> tuple[Request, ...]:
        """What AWS decides about for a row."""
        asked = Asked(
            stage=self,
            principal=self._limited(self.principal(row.who), row),
            target=row.to if row.does == "make-interface" else self.arn(row.to),
            endpoint=self._endpoint(row.source),
            given={name: self._given(value) for name, value in row.given.items()},
        )
        return tuple(requests_of(row.does, asked))

    def _given(self, value: str | list[str] | None) -> Value | None:
        if isinstance(value, list):
            return tuple(map(self._filled, value))
        return None if value is None else self._filled(value)

    def _endpoint(self, source: str) -> str | None:
        if source == ANYWHERE:
            return None
        if source == ANOTHER_ENDPOINT:
            return ANOTHER_ENDPOINT
        return purposes.resource_for(source, self.deployment).ref

    def _limits(self, row: Row, kind: str) -> Iterator[Policy]:
        for name in row.through:
            limit = self.table.limits[name]
            if limit.kind == kind:
                yield _made_up(_with_names(limit.statements, self), name, _LIMIT_KINDS[kind])

    def _limited(self, principal: Principal, row: Row) -> Principal:
        sessions = tuple(self._limits(row, "session"))
        boundaries = [*self._limits(row, "boundary")]
        return replace(
            principal,
            session_policies=(*principal.session_policies, *sessions),
            boundary=boundaries[0] if boundaries else principal.boundary,
        )

    def _world(self, row: Row, requests: tuple[Request, ...]) -> World:
        world = self._with_others
        if not row.through:
            return world
        rails = Guardrails(
            scps=tuple((each,) for each in self._limits(row, "scp")),
            rcps=tuple((each,) for each in self._limits(row, "rcp")),
        )
        accounts = {world.account, *(each.principal.account for each in requests)} - {""}
        return replace(world, guardrails=dict.fromkeys(accounts, rails))

    @cached_property
    def _with_others(self) -> World:
        """The world of the templates, with what they do not hold.

        What somebody else has is open to everybody; what the account has besides leaves it to the
        account's own policies, as AWS makes a key by default.
        """
        world = self.scene.world
        anybody = {**_EVERYTHING, "Principal": "*"}
        of_the_account = {**_EVERYTHING, "Principal": {"AWS": self.fact("account")}}
        taken = {"Effect": "Allow", "Action": "sts:*", "Principal": of_the_account["Principal"]}
        beside: dict[str, tuple[list[dict[str, Any]], Kind]] = {
            "another-key": ([anybody], Kind.KEY),
            "another-bucket": ([anybody], Kind.RESOURCE),
            "sibling-key": ([of_the_account], Kind.KEY),
            "another-role": ([taken], Kind.TRUST),
        }
        policies = {
            self.arn(name): _made_up(statements, name, kind)
            for name, (statements, kind) in beside.items()
            if name in self.table.things
        }
        other = Endpoint(id=ANOTHER_ENDPOINT, vpc="vpc-another", policy=None, owner=ELSEWHERE)
        return replace(
            world,
            resource_policies={**world.resource_policies, **policies},
            endpoints={**world.endpoints, other.id: other},
        )


_ANYBODY: Final = "arn:{partition}:iam::{account}:role/anybody"
_KEYS: Final = {
    "AWS::S3::Bucket": "BucketEncryption.ServerSideEncryptionConfiguration",
    "AWS::DynamoDB::Table": "SSESpecification.KMSMasterKeyId",
    "AWS::SQS::Queue": "KmsMasterKeyId",
    "AWS::SNS::Topic": "KmsMasterKeyId",
}
_LIMIT_KINDS: Final = {
    "scp": Kind.SCP,
    "rcp": Kind.RCP,
    "boundary": Kind.BOUNDARY,
    "session": Kind.SESSION,
}


def _lacks_its_policy(request: Request, world: World) -> bool:
    """Whether the resource is a key or a role, which are open to nobody but by their own policy."""
    asks_a_key = request.service == "kms" and ":key/" in request.resource
    takes_a_role = request.service == "sts" and ":role/" in request.resource
    known = world.policy_of(request.resource, action=request.action) is not None
    return (asks_a_key or takes_a_role) and not known


def _made_up(statements: list[dict[str, Any]], name: str, kind: Kind) -> Policy:
    document = {"Version": "2012-10-17", "Statement": statements}
    return policy(document, name=f"{kind} of the table ({name})", kind=kind)


def _with_names(value: Any, stage: Stage) -> Any:  # noqa: ANN401 - a piece of a policy
    """A piece of a policy of the table with the names in it filled."""
    if isinstance(value, str):
        return stage._filled(value)
    if isinstance(value, list):
        return [_with_names(each, stage) for each in value]
    if isinstance(value, Mapping):
        return {key: _with_names(each, stage) for key, each in value.items()}
    return value


def _patterns_of_people(document: object, *, of: str) -> Iterator[str]:
    """What conditions on aws:PrincipalArn say of people, and not of roles of ours."""
    if not isinstance(document, Mapping):
        return
    statements = document.get("Statement", [])
    for statement in statements if isinstance(statements, list) else [statements]:
        if not _is_about_people(statement, of=of):
            continue
        for operator in ("ArnLike", "ArnNotLike", "StringLike", "StringNotLike"):
            values = statement.get("Condition", {}).get(operator, {}).get("aws:PrincipalArn", [])
            yield from values if isinstance(values, list) else [values]


def _is_about_people(statement: Mapping[str, Any], *, of: str) -> bool:
    if of != "data-bucket":
        return True
    actions = statement.get("Action", [])
    return "s3:DeleteObject" in (actions if isinstance(actions, list) else [actions])


def _table_for(environment: Environment) -> Table:
    if environment.logs_invocations:
        return table_with_logging()
    return table_with_serving() if environment.serves else table()
