"""A deployment as decisions see it: its roles, its resources, and the policies of both."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Final

from review.decisions.document import Kind, Policy, policy
from review.decisions.errors import UndecidableError
from review.decisions.request import Principal, Who
from review.decisions.world import Endpoint, World
from review.template.deployment import Deployment, Resource

_POLICY_TYPES: Final = ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy", "AWS::IAM::RolePolicy")

UNKNOWN_BOUNDARY: Final = policy(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    },
    name="a permissions boundary that the templates do not hold",
    kind=Kind.BOUNDARY,
)


class Scene:
    """The policies of a deployment, each parsed once, and the world that they make."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.sources: dict[str, Resource] = {}
        """The resource that each policy comes from, by the name that reasons give it."""
        self.documents: dict[tuple[str, str], list[object]] = {}
        """What was parsed, as it stands in the templates, by the stack and logical id."""

    def _parsed(self, resource: Resource, document: object, *, part: str, kind: Kind) -> Policy:
        """A policy document of a resource, parsed once for all scenes that share the resource."""
        name = f"{kind} {resource.logical_id}{f' ({part})' if part else ''}"
        self.sources[name] = resource
        self.documents.setdefault((resource.stack, resource.logical_id), []).append(document)
        known = resource.__dict__.setdefault("_decision_policies", {})
        key = (part, kind)
        if key not in known:
            known[key] = policy(document, name=name, kind=kind)
        found: Policy = known[key]
        return found

    def role(self, resource: Resource, *, name: str) -> Principal:
        """A role of the templates with everything that is attached to it."""
        return Principal(
            who=Who.ROLE,
            name=name,
            arn=resource.arn,
            session=name,
            policies=tuple(self._role_policies(resource)),
            boundary=self._boundary(resource),
        )

    def _role_policies(self, role: Resource) -> Iterator[Policy]:
        for place, inline in enumerate(role["Policies"] or []):
            document = inline["PolicyDocument"]
            yield self._parsed(role, document, part=f"inline {place}", kind=Kind.IDENTITY)
        managed = {each.ref: each for each in self.deployment.of_type("AWS::IAM::ManagedPolicy")}
        attached = {arn: managed.get(arn) for arn in role["ManagedPolicyArns"] or []}
        for arn, found in attached.items():
            if found is None:
                raise UndecidableError(
                    f"{role.logical_id} has the policy {arn}, which is not in the templates: "
                    "write its statements into one that is"
                )
            yield self._document(found)
        for each in self.deployment.of_type(*_POLICY_TYPES):
            if each.ref not in attached and role.ref in _roles_of(each):
                yield self._document(each)

    def _document(self, resource: Resource, *, kind: Kind = Kind.IDENTITY) -> Policy:
        return self._parsed(resource, resource["PolicyDocument"], part="", kind=kind)

    def _boundary(self, role: Resource) -> Policy | None:
        """The boundary; one that the templates do not hold is taken to take nothing away."""
        arn = role["PermissionsBoundary"]
        for each in self.deployment.of_type("AWS::IAM::ManagedPolicy"):
            if each.ref == arn:
                return self._document(each, kind=Kind.BOUNDARY)
        return UNKNOWN_BOUNDARY if arn is not None else None

    @cached_property
    def world(self) -> World:
        """The policies of resources and endpoints."""
        policies: dict[str, list[Policy]] = {}
        for arn, found in self._resource_policies():
            policies.setdefault(arn, []).append(found)
        return World(
            account=self.deployment.account,
            partition=self.deployment.partition,
            region=self.deployment.region,
            resource_policies={arn: _together(each) for arn, each in policies.items()},
            endpoints={each.ref: self._endpoint(each) for each in self._endpoints},
        )

    @property
    def _endpoints(self) -> list[Resource]:
        return self.deployment.of_type("AWS::EC2::VPCEndpoint")

    def _endpoint(self, resource: Resource) -> Endpoint:
        document = resource["PolicyDocument"]
        return Endpoint(
            id=resource.ref,
            vpc=str(resource["VpcId"]),
            policy=self._parsed(resource, document, part="", kind=Kind.ENDPOINT)
            if document is not None
            else None,
            owner=self.deployment.account,
        )

    def _resource_policies(self) -> Iterator[tuple[str, Policy]]:
        yield from self._own_policies()
        yield from self._policies_beside()
        yield from self._permissions()

    def _own_policies(self) -> Iterator[tuple[str, Policy]]:
        for key in self.deployment.of_type("AWS::KMS::Key"):
            document = key["KeyPolicy"]
            if document is None:
                document = _default_key_policy(account=self.deployment.account)
            yield key.arn, self._parsed(key, document, part="", kind=Kind.KEY)
        for role in self.deployment.of_type("AWS::IAM::Role"):
            document = role["AssumeRolePolicyDocument"]
            yield role.arn, self._parsed(role, document, part="", kind=Kind.TRUST)
        for table in self.deployment.of_type("AWS::DynamoDB::Table"):
            document = table["ResourcePolicy.PolicyDocument"]
            if document is not None:
                yield table.arn, self._parsed(table, document, part="", kind=Kind.RESOURCE)

    def _policies_beside(self) -> Iterator[tuple[str, Policy]]:
        for type_, (of, targets) in _BESIDE.items():
            for each in self.deployment.of_type(type_):
                named = each[targets]
                for target in named if isinstance(named, list) else [named]:
                    held = [one for one in self.deployment.of_type(of) if one.ref == target]
                    for one in held:
                        found = self._document(each, kind=Kind.RESOURCE)
                        yield one.arn, found

    def _permissions(self) -> Iterator[tuple[str, Policy]]:
        """Lambda keeps its permissions as statements of one policy for each function."""
        functions = self.deployment.of_type("AWS::Lambda::Function")
        for permission in self.deployment.of_type("AWS::Lambda::Permission"):
            named = str(permission["FunctionName"])
            for function in functions:
                if named in {function.ref, function.arn}:
                    document = {
                        "Version": "2012-10-17",
                        "Statement": [_permission_statement(permission, function.arn)],
                    }
                    yield (
                        function.arn,
                        self._parsed(permission, document, part="", kind=Kind.RESOURCE),
                    )


def _roles_of(resource: Resource) -> list[Any]:
    roles = resource["Roles"] or []
    return [*roles, resource["RoleName"]] if resource.type == "AWS::IAM::RolePolicy" else roles


def _default_key_policy(*, account: str) -> dict[str, Any]:
    """Of a key whose template gives none.

    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
    """
    everything = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    statement = {"Sid": "Default", **everything, "Principal": {"AWS": account}}
    return {"Version": "2012-10-17", "Statement": [statement]}


def _permission_statement(permission: Resource, function: str) -> dict[str, Any]:
    """The statement that Lambda writes for a permission.

    https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
    """
    principal = str(permission["Principal"])
    by_service = "." in principal and not principal.startswith("arn:")
    conditions: dict[str, dict[str, Any]] = {}
    for operator, key, name in _PERMISSION_CONDITIONS:
        if (value := permission[name]) is not None:
            conditions.setdefault(operator, {})[key] = value
    return {
        "Effect": "Allow",
        "Principal": {"Service" if by_service else "AWS": principal},
        "Action": permission["Action"],
        "Resource": function,
        **({"Condition": conditions} if conditions else {}),
    }


_PERMISSION_CONDITIONS: Final = (
    ("StringEquals", "aws:SourceAccount", "SourceAccount"),
    ("ArnLike", "aws:SourceArn", "SourceArn"),
    ("StringEquals", "aws:PrincipalOrgID", "PrincipalOrgID"),
    ("StringEquals", "lambda:EventSourceToken", "EventSourceToken"),
    ("StringEquals", "lambda:FunctionUrlAuthType", "FunctionUrlAuthType"),
)


def _together(policies: list[Policy]) -> Policy:
    """Several policies of one resource as one."""
    first, *rest = policies
    if not rest:
        return first
    return Policy(
        name=" and ".join(each.name for each in policies),
        kind=first.kind,
        statements=tuple(one for each in policies for one in each.statements),
    )


_BESIDE: Final = {
    "AWS::S3::BucketPolicy": ("AWS::S3::Bucket", "Bucket"),
    "AWS::SQS::QueuePolicy": ("AWS::SQS::Queue", "Queues"),
    "AWS::SQS::QueueInlinePolicy": ("AWS::SQS::Queue", "Queue"),
    "AWS::SNS::TopicPolicy": ("AWS::SNS::Topic", "Topics"),
    "AWS::SNS::TopicInlinePolicy": ("AWS::SNS::Topic", "TopicArn"),
}
"""Policies that stand beside what they are of: the type they are of, and where they name it."""
