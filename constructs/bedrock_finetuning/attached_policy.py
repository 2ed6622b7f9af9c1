"""A managed policy on a role of another stack, with the reason of every `*` beside it."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from .acknowledgements import acknowledge, is_wildcard, wildcard_finding
from .statements import Allow


class AttachedPolicy(iam.ManagedPolicy):
    """Permissions of one kind for one role.

    A managed policy and not an inline one: it stands downstream of what it names, while the role
    stays a shell upstream of everything.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        role: iam.IRole,
        description: str,
        statements: Sequence[iam.PolicyStatement],
    ) -> None:
        super().__init__(
            scope, id, description=description, roles=[role], statements=list(statements)
        )
        for statement in statements:
            if not isinstance(statement, Allow) or statement.wildcard is None:
                continue
            owner = Stack.of(statement.owner or self)
            for resource in statement.named_resources:
                if is_wildcard(resource):
                    acknowledge(
                        self,
                        reason=statement.wildcard,
                        findings=(wildcard_finding(self, resource=resource, owner=owner),),
                    )
