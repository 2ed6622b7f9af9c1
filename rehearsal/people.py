"""The people of the settings, as roles of the emulated account.

A rehearsal pushes data as an uploader and cleans up as an administrator, not as the account's
root: a bucket or key policy that shuts its own people out must fail here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from rehearsal.client import Client, Credentials
from rehearsal.errors import RehearsalError

_ROLE = re.compile(r"(?:arn:[^:]+:iam::(?P<account>\d{12}|\*):)?role/(?P<path>.*/)?(?P<name>[^/]+)")
_STAND_IN = "rehearsal"
_WORKING_DAY = 12 * 3600
"""Seconds a kept rehearsal's credentials last; the most STS allows."""
_ALLOW_ALL = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


def role_of(people: Sequence[str], *, account: str) -> tuple[str, str]:
    """Path and name of a role that the first usable pattern of `people` admits.

    Raises:
        RehearsalError: every pattern is a user or a role of another account.
    """
    for pattern in people:
        found = _ROLE.fullmatch(pattern)
        if found and found["account"] in (None, "*", account):
            path = "/" + (found["path"] or "").lstrip("/").replace("*", _STAND_IN)
            return path, found["name"].replace("*", _STAND_IN)
    raise RehearsalError(
        f"none of {', '.join(people) or 'no people'} is a role of this account",
        fix="name a role of the account in `people`, as `role/<name>`",
    )


def become(*, client: Client, people: Sequence[str], session_name: str) -> Client:
    """Make the role of a person, with every permission IAM can give, and take it.

    What is left to refuse are the resources' own policies: bucket, key, role trust.
    """
    path, name = role_of(people, account=client.account)
    iam = client.service("iam")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{client.account}:root"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    try:
        role = iam.create_role(
            Path=path,
            RoleName=name,
            AssumeRolePolicyDocument=json.dumps(trust),
            MaxSessionDuration=_WORKING_DAY,
        )["Role"]
        iam.put_role_policy(
            RoleName=name, PolicyName="everything", PolicyDocument=json.dumps(_ALLOW_ALL)
        )
    except iam.exceptions.EntityAlreadyExistsException:
        role = iam.get_role(RoleName=name)["Role"]
    return take_role(
        client=client,
        role_arn=role["Arn"],
        session_name=session_name,
        seconds=_WORKING_DAY,
    )


def take_role(*, client: Client, role_arn: str, session_name: str, seconds: int = 3600) -> Client:
    """The session of a role that `client` may assume."""
    answer = client.service("sts").assume_role(
        RoleArn=role_arn, RoleSessionName=session_name, DurationSeconds=seconds
    )["Credentials"]
    return client.acting_as(
        Credentials(
            access_key=answer["AccessKeyId"],
            secret_key=answer["SecretAccessKey"],
            session_token=answer["SessionToken"],
        )
    )
