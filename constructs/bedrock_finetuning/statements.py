"""Small pieces that the policies of several constructs are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct


def account_principal(scope: Construct) -> iam.AccountPrincipal:
    """The account itself: whoever its IAM policies allow, nobody outside it.

    Statements say *who* by `aws:PrincipalArn` besides. Naming a role as a principal would store
    its unique id: a kept key or bucket would then trust nobody after the role is made anew.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    return iam.AccountPrincipal(Stack.of(scope).account)


def via_service(scope: Construct, service: str) -> dict[str, str]:
    """The `kms:ViaService` condition of calls that *service* makes for a principal.

    https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service
    """
    stack = Stack.of(scope)
    return {"kms:ViaService": f"{service}.{stack.region}.{stack.url_suffix}"}


def people_arns(scope: Construct, people: Sequence[str]) -> list[str]:
    """ARN patterns of people: `role/...` and `user/...` are of this account, ARNs stay."""
    stack = Stack.of(scope)
    return [
        who if who.startswith("arn:") else f"arn:{stack.partition}:iam::{stack.account}:{who}"
        for who in people
    ]


def customization_job_arn(scope: Construct) -> str:
    """Pattern of the ARNs of this account's customization jobs.

    A job's id is unknown before the job exists; `*` spans the base model and the id.
    https://docs.aws.amazon.com/bedrock/latest/userguide/custom-model-job-access-security.html
    """
    return bedrock_arn(scope, "model-customization-job/*")


def bedrock_arn(scope: Construct, resource: str) -> str:
    """ARN of a Bedrock resource of this account and Region."""
    stack = Stack.of(scope)
    return f"arn:{stack.partition}:bedrock:{stack.region}:{stack.account}:{resource}"


def foundation_model_arn(scope: Construct, base_model: str) -> str:
    """ARN of a foundation model, which belongs to no account."""
    stack = Stack.of(scope)
    return f"arn:{stack.partition}:bedrock:{stack.region}::foundation-model/{base_model}"


def state_machine_arn(scope: Construct, *, name: str) -> str:
    """ARN of a state machine of this account and Region."""
    stack = Stack.of(scope)
    return f"arn:{stack.partition}:states:{stack.region}:{stack.account}:stateMachine:{name}"


def function_arn(scope: Construct, *, name: str) -> str:
    """ARN of a function of this account and Region, which may be in a later stack."""
    stack = Stack.of(scope)
    return f"arn:{stack.partition}:lambda:{stack.region}:{stack.account}:function:{name}"


class Allow(iam.PolicyStatement):
    """An Allow statement with a name a reviewer can look for.

    Args:
        sid: The name.
        actions, resources, conditions: What is allowed.
        principals: To whom; left out in policies of a role.
        wildcard: What keeps a `*` among the resources narrow. It is put beside the finding that the
            `*` raises; without it the finding stays open and synth fails.
        owner: The construct whose resource is named, where it is in another stack than the policy.
    """

    def __init__(
        self,
        *,
        sid: str,
        actions: Sequence[str],
        resources: Sequence[str],
        conditions: Mapping[str, Mapping[str, object]] | None = None,
        principals: Sequence[iam.IPrincipal] | None = None,
        wildcard: str | None = None,
        owner: Construct | None = None,
    ) -> None:
        super().__init__(
            sid=sid,
            actions=list(actions),
            resources=list(resources),
            conditions=dict(conditions or {}),
            principals=list(principals) if principals else None,
        )
        self.named_resources = tuple(resources)
        self.wildcard = wildcard
        self.owner = owner


def deny(
    *,
    sid: str,
    actions: Sequence[str],
    resources: Sequence[str],
    conditions: Mapping[str, Mapping[str, object]] | None = None,
    principals: Sequence[iam.IPrincipal] | None = None,
) -> iam.PolicyStatement:
    """A Deny statement with a name a reviewer can look for."""
    return iam.PolicyStatement(
        sid=sid,
        effect=iam.Effect.DENY,
        actions=list(actions),
        resources=list(resources),
        conditions=dict(conditions or {}),
        principals=list(principals) if principals else None,
    )


def through_endpoint(
    statements: Sequence[iam.PolicyStatement], *, roles: Sequence[iam.IRole]
) -> list[iam.PolicyStatement]:
    """The same statements for an endpoint's policy: of these roles, in these conditions.

    An endpoint policy's principal is `*`; who is meant stands in `aws:PrincipalArn`.
    https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html
    """
    narrowed = []
    for statement in statements:
        copy = statement.copy(principals=[iam.AnyPrincipal()])
        copy.add_condition("ArnEquals", {"aws:PrincipalArn": [role.role_arn for role in roles]})
        narrowed.append(copy)
    return narrowed
