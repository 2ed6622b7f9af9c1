"""Policies and requests made by chance, so near to each other that most statements nearly match."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

from review.decisions.request import Value, Who
from tests.review.decisions.simulator import Question

OURS: Final = "111122223333"
THEIRS: Final = "444455556666"

_ROLE: Final = f"arn:aws:iam::{OURS}:role/worker"
_USER: Final = f"arn:aws:iam::{OURS}:user/alice"

_OBJECT: Final = "arn:aws:s3:::data/outputs/one"
_KEY: Final = f"arn:aws:kms:us-east-1:{OURS}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
_QUEUE: Final = f"arn:aws:sqs:us-east-1:{OURS}:failed"
_TAKEN: Final = f"arn:aws:iam::{OURS}:role/taken"
_FUNCTION: Final = f"arn:aws:lambda:us-east-1:{OURS}:function:submit"
_INTERFACE: Final = f"arn:aws:ec2:us-east-1:{OURS}:network-interface/eni-1"
_TABLE: Final = f"arn:aws:dynamodb:us-east-1:{OURS}:table/jobs"

_CALLS: Final = (
    ("s3:GetObject", _OBJECT),
    ("s3:PutObject", _OBJECT),
    ("s3:ListBucket", "arn:aws:s3:::data"),
    ("kms:Decrypt", _KEY),
    ("kms:CreateGrant", _KEY),
    ("sqs:SendMessage", _QUEUE),
    ("sts:AssumeRole", _TAKEN),
    ("lambda:InvokeFunction", _FUNCTION),
    ("ec2:CreateNetworkInterface", _INTERFACE),
    ("iam:PassRole", _TAKEN),
    ("dynamodb:GetItem", _TABLE),
)
_HAVE_POLICIES: Final = frozenset({"s3", "kms", "sqs", "sts", "lambda", "dynamodb"})
_UNSIGNED: Final = frozenset({"s3", "sqs", "lambda"})

_TEXTS: Final[Mapping[str, Sequence[str]]] = {
    "aws:SourceVpce": ("vpce-ours", "vpce-other", "VPCE-ours", "vpce-*"),
    "aws:PrincipalTag/team": ("blue", "Blue", "blue-green", "red", "b?ue", "*"),
    "aws:SourceAccount": (OURS, THEIRS),
    "aws:RequestedRegion": ("us-east-1", "us-west-2", "us-*"),
    "aws:PrincipalAccount": (OURS, THEIRS),
}
_TEXTS_OF: Final[Mapping[str, Mapping[str, Sequence[str]]]] = {
    "s3:ListBucket": {"s3:prefix": ("outputs/", "outputs/one", "", "data/*", "outputs/${*}")},
    "s3:PutObject": {
        "s3:x-amz-server-side-encryption": ("aws:kms", "AES256"),
        "s3:if-none-match": ("*", "etag"),
    },
    "kms:Decrypt": {
        "kms:ViaService": ("s3.us-east-1.amazonaws.com", "bedrock.us-east-1.amazonaws.com"),
    },
    "kms:CreateGrant": {"kms:ViaService": ("bedrock.us-east-1.amazonaws.com", "s3.*")},
    "iam:PassRole": {"iam:PassedToService": ("bedrock.amazonaws.com", "lambda.amazonaws.com")},
    "ec2:CreateNetworkInterface": {"aws:RequestTag/managed": ("true", "false", "t*")},
}
_ARNS: Final = (
    _ROLE,
    _USER,
    f"arn:aws:iam::{OURS}:role/*",
    f"arn:aws:iam::{THEIRS}:role/worker",
    "arn:aws:iam::*:role/wor?er",
    f"arn:*:iam::{OURS}:*",
)
_NUMBERS: Final = ("1.1", "1.2", "1.3", "2", "-1")
_TIMES: Final = ("2026-01-01T00:00:00Z", "2026-06-30T12:00:00Z", "2027-01-01T00:00:00Z")
_ADDRESSES: Final = (
    "203.0.113.7",
    "203.0.113.0/24",
    "198.51.100.0/25",
    "2001:db8::1",
    "10.0.0.0/8",
)
_TAGS: Final = ("BedrockManaged", "job", "cost")

_STRING_OPERATORS: Final = (
    "StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase",
    "StringLike", "StringNotLike",
)  # fmt: skip
_ARN_OPERATORS: Final = ("ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike")
_NUMBER_OPERATORS: Final = (
    "NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals",
    "NumericGreaterThan", "NumericGreaterThanEquals",
)  # fmt: skip
_DATE_OPERATORS: Final = tuple(f"Date{each.removeprefix('Numeric')}" for each in _NUMBER_OPERATORS)


class Chance:
    """Questions from a seed: the same seed, the same questions."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - for tests

    def _often(self, part: float) -> bool:
        return self._random.random() < part

    def _some(self, of: Sequence[str], *, most: int = 2) -> list[str]:
        return self._random.sample(list(of), self._random.randint(1, min(most, len(of))))

    def question(self) -> Question:
        """A question about one of our calls."""
        choice = self._random.choice
        action, resource = choice(_CALLS)
        service = action.partition(":")[0]
        who = choice([Who.ROLE, Who.ROLE, Who.ROLE, Who.USER, Who.ROOT, Who.SERVICE, Who.ANONYMOUS])
        if who is Who.ANONYMOUS and service not in _UNSIGNED:
            who = Who.ROLE
        account = THEIRS if self._often(0.15) else OURS
        arn = {
            Who.ROLE: f"arn:aws:iam::{account}:role/worker",
            Who.USER: f"arn:aws:iam::{account}:user/alice",
            Who.ROOT: f"arn:aws:iam::{account}:root",
        }.get(who, "")
        own = bool(arn) and who is not Who.ROOT

        def document(*, names: bool = False, generous: float = 0.0) -> dict[str, Any]:
            return self.document(action, resource, names=names, generous=generous, arn=arn)

        return Question(
            who=who,
            action=action,
            resource=resource,
            owner=OURS,
            arn=arn,
            service="events.amazonaws.com" if who is Who.SERVICE else "",
            keys=self._keys(action),
            identity=[document(generous=0.5) for _ in range(self._random.randint(0, 2))]
            if own
            else [],
            boundary=document(generous=0.6) if own and self._often(0.2) else None,
            session=document(generous=0.6) if who is Who.ROLE and self._often(0.2) else None,
            resource_policy=document(names=True, generous=0.4)
            if service in _HAVE_POLICIES and (service in {"kms", "sts"} or self._often(0.6))
            else None,
            endpoint=self._endpoint(action, resource, arn) if self._often(0.15) else None,
            scps=[[document(generous=0.8)] for _ in range(self._random.randint(1, 2))]
            if arn and self._often(0.2)
            else [],
            rcps=[[self._rcp(action, resource)]]
            if service in {"s3", "kms", "sqs", "sts", "dynamodb"} and self._often(0.15)
            else [],
        )

    def _endpoint(self, action: str, resource: str, arn: str) -> dict[str, Any]:
        found = self.document(action, resource, names=False, generous=0.7, arn=arn)
        for statement in found["Statement"]:
            statement["Principal"] = "*"
        return found

    def _rcp(self, action: str, resource: str) -> dict[str, Any]:
        found = self.document(action, resource, names=False, generous=0.5, arn="")
        for statement in found["Statement"]:
            # What a resource control policy may say: https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps_syntax.html
            statement.pop("NotAction", None)
            statement.update(Effect="Deny", Principal="*", Action=f"{action.partition(':')[0]}:*")
        return found

    def document(
        self, action: str, resource: str, *, names: bool, generous: float, arn: str
    ) -> dict[str, Any]:
        """A policy document near a request; a generous one begins with a wide Allow."""
        statements = [
            self._statement(action, resource, names=names, arn=arn)
            for _ in range(self._random.randint(1, 3))
        ]
        if self._often(generous):
            wide: dict[str, Any] = {"Effect": "Allow", "Action": "*", "Resource": "*"}
            if names:
                wide["Principal"] = self._principal(arn)
                wide["Action"] = f"{action.partition(':')[0]}:*"
            statements.insert(0, wide)
        if action.startswith("sts:") and names:
            for statement in statements:
                if statement.pop("NotPrincipal", None):
                    statement["Principal"] = "*"
                statement.pop("Resource", None)
                statement.pop("NotResource", None)
        return {"Version": "2012-10-17", "Statement": statements}

    def _statement(self, action: str, resource: str, *, names: bool, arn: str) -> dict[str, Any]:
        found: dict[str, Any] = {"Effect": "Deny" if self._often(0.3) else "Allow"}
        if names:
            found["Principal"] = self._principal(arn)
            if found["Effect"] == "Deny" and self._often(0.2):
                found["NotPrincipal"] = self._exempt(arn)
                del found["Principal"]
        found["NotAction" if self._often(0.1) else "Action"] = self._action(action)
        found["NotResource" if self._often(0.1) else "Resource"] = self._resource(resource)
        conditions: dict[str, dict[str, Any]] = {}
        for _ in range(self._random.choice([0, 0, 1, 1, 2])):
            operator, key, values = self._condition(action)
            conditions.setdefault(operator, {})[key] = values
        if conditions:
            found["Condition"] = conditions
        return found

    def _principal(self, arn: str) -> object:
        choice = self._random.choice
        role = arn.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/session"
        return choice(
            [
                "*",
                {"AWS": "*"},
                {"AWS": f"arn:aws:iam::{OURS}:root"},
                {"AWS": THEIRS},
                {"AWS": arn or _ROLE},
                {"AWS": [_ROLE, _USER]},
                {"AWS": role if ":role/" in arn else _USER},
                {"Service": "events.amazonaws.com"},
                {"Service": ["lambda.amazonaws.com", "events.amazonaws.com"]},
            ]
        )

    def _exempt(self, arn: str) -> object:
        """Some of the names that NotPrincipal has to have, or all of them."""
        own = arn or _ROLE
        account = f"arn:aws:iam::{own.split(':')[4]}:root"
        session = own.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/session"
        every = [account, own, *([session] if ":role/" in own else [])]
        return {"AWS": every if self._often(0.6) else self._some(every)}

    def _action(self, action: str) -> object:
        service, _, operation = action.partition(":")
        return self._random.choice(
            [
                action,
                action.lower(),
                f"{service}:*",
                f"{service}:{operation[:3]}*",
                f"{service}:?{operation[1:]}",
                [f"{service}:Nothing", action],
                f"{service}:{operation}s",
            ]
        )

    def _resource(self, resource: str) -> object:
        parts = resource.split(":")
        return self._random.choice(
            [
                "*",
                resource,
                resource[:-2] + "*",
                resource[:-1] + "?",
                ":".join([*parts[:3], "*", "*", *parts[5:]]),
                ":".join([*parts[:5], "*"]),
                f"{resource}/more",
                [f"{resource}-other", resource],
                resource.replace("outputs", "${aws:PrincipalTag/team, 'outputs'}"),
            ]
        )

    def _condition(self, action: str) -> tuple[str, str, Any]:
        choice = self._random.choice
        texts = {**_TEXTS, **_TEXTS_OF.get(action, {})}
        kinds = ["text", "text", "text", "arn", "date", "bool", "ip", "null"]
        kinds += ["number"] if action.startswith("s3:") else []
        kinds += ["tags"] if action.startswith("ec2:") else []
        name = choice(list(texts))
        over = choice(["ForAllValues:", "ForAnyValue:"]) if self._often(0.05) else ""
        sets = choice(["ForAllValues", "ForAnyValue"])
        made: dict[str, tuple[Sequence[str], str, Any]] = {
            "text": (
                [over + each for each in _STRING_OPERATORS], name, self._some(texts[name])
            ),
            "arn": (_ARN_OPERATORS, "aws:PrincipalArn", self._some(_ARNS)),
            "number": (_NUMBER_OPERATORS, "s3:TlsVersion", choice(_NUMBERS)),
            "date": (_DATE_OPERATORS, "aws:CurrentTime", choice(_TIMES)),
            "bool": (
                ["Bool"],
                choice(["aws:SecureTransport", "aws:ViaAWSService"]),
                choice(["true", "false"]),
            ),
            "ip": (["IpAddress", "NotIpAddress"], "aws:SourceIp", self._some(_ADDRESSES)),
            "null": (["Null"], name, choice(["true", "false"])),
            "tags": (
                [f"{sets}:{each}" for each in ("StringEquals", "StringLike", "StringNotEquals")],
                "aws:TagKeys",
                self._some(_TAGS),
            ),
        }  # fmt: skip
        kind = choice(kinds)
        operators, key, values = made[kind]
        exists = "IfExists" if kind != "null" and self._often(0.25) else ""
        return choice(operators) + exists, key, values

    def _keys(self, action: str) -> dict[str, Value]:
        choice = self._random.choice
        found: dict[str, Value] = {
            name: choice([value for value in values if "*" not in value and "?" not in value])
            for name, values in {**_TEXTS, **_TEXTS_OF.get(action, {})}.items()
            if name not in {"aws:RequestedRegion", "aws:PrincipalAccount"} and self._often(0.6)
        }
        found["aws:SecureTransport"] = choice(["true", "true", "false"])
        if self._often(0.7):
            found["aws:SourceIp"] = choice(["203.0.113.7", "198.51.100.200", "10.1.2.3"])
        if self._often(0.8):
            found["aws:CurrentTime"] = choice(_TIMES)
        if action.startswith("s3:") and self._often(0.8):
            found["s3:TlsVersion"] = choice(["1.1", "1.2", "1.3"])
        if action.startswith("ec2:") and self._often(0.7):
            found["aws:TagKeys"] = tuple(self._some(_TAGS, most=3))
        return found
