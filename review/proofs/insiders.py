"""Questions about those who have business here: that they can do it in no other way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import z3

from review.decisions import purposes
from review.decisions.document import Kind, Policy
from review.decisions.request import Principal, Who
from review.decisions.scene import Scene
from review.proofs import encoding
from review.proofs.access import hints_of
from review.proofs.languages import Pattern, Wild, literal
from review.proofs.outsiders import about, document_of
from review.proofs.proof import Asking, Proof
from review.proofs.solver import Hints
from review.proofs.symbols import Symbols
from review.rules.environment import LOGGING_ROLE, environment_of
from review.rules.roles import of_named_state_machines
from review.template.deployment import Resource

_READS: Final = ("s3:getobject", "s3:getobjectversion")
_WRITES: Final = ("s3:putobject",)
_SSE: Final = "s3:x-amz-server-side-encryption"
_KEY_ID: Final = f"{_SSE}-aws-kms-key-id"
_OLDEST_TLS: Final = "1.2"

RAISES: Final = (
    "iam:Add*", "iam:Attach*", "iam:Create*", "iam:Delete*", "iam:Put*", "iam:Set*", "iam:Update*",
    "lambda:AddPermission", "lambda:CreateFunction", "lambda:UpdateFunction*",
    "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:DisableKey",
    "s3:PutBucketPolicy", "s3:DeleteBucketPolicy", "s3:PutBucketAcl", "s3:PutObjectAcl",
    "s3:PutEncryptionConfiguration", "s3:PutReplicationConfiguration",
    "s3:PutBucketPublicAccessBlock", "s3:PutAccountPublicAccessBlock",
    "ec2:CreateVpcEndpoint*", "ec2:ModifyVpcEndpoint*", "ec2:CreateRoute", "ec2:ReplaceRoute*",
    "ec2:CreateInternetGateway", "ec2:CreateNatGateway", "ec2:CreateVpcPeeringConnection",
    "ec2:CreateFlowLogs", "ec2:DeleteFlowLogs", "ec2:RunInstances",
    "cloudformation:Create*", "cloudformation:Update*", "cloudformation:Execute*",
    "logs:DeleteLogGroup", "logs:DeleteLogStream", "logs:PutResourcePolicy",
    "sts:AssumeRole*", "organizations:*",
)  # fmt: skip
"""Actions by which somebody gets at more than the policies of the day give, or at the traces."""


DELIVERS: Final = "logs:PutResourcePolicy"
"""What Step Functions needs, on `*`, to deliver a state machine's log.

https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
"""


def roles(scene: Scene) -> Iterator[tuple[Resource, Principal]]:
    """Every role of the templates with its policies."""
    for resource in scene.deployment.of_type("AWS::IAM::Role"):
        yield resource, scene.role(resource, name=resource.logical_id)


def may(
    request: Symbols, principal: Principal, *held: Policy, actions: Sequence[Pattern]
) -> list[z3.BoolRef]:
    """That a principal's own policies, or those of the resource, let one of some actions through.

    Not less than AWS lets through: where both are needed, one is enough here.
    """
    own = [_only(each, actions) for each in principal.policies]
    held = tuple(_only(each, actions) for each in held)
    limits = [principal.boundary] if principal.boundary else []
    return [
        *_is(request, principal),
        encoding.some(request.action.matches(each) for each in actions),
        z3.Or(encoding.allows(request, own), encoding.allows(request, held)),
        z3.Not(encoding.denies(request, [*own, *held, *limits])),
        *(encoding.allows(request, [limit]) for limit in limits),
    ]


def _only(found: Policy, actions: Sequence[Pattern]) -> Policy:
    """The statements of a policy that could be about some actions."""
    statements = tuple(each for each in found.statements if encoding.is_about(each, actions))
    return replace(found, statements=statements)


def _is(request: Symbols, principal: Principal) -> list[z3.BoolRef]:
    """That the request is one of a role's."""
    return [
        request.is_a(principal.who),
        request.arn.equals(principal.arn),
        request.session.equals(principal.session),
        request.is_bounded == (principal.boundary is not None),
    ]


def _one_of(request: Symbols, actions: Sequence[str]) -> z3.BoolRef:
    return encoding.some(request.action.matches(_with_star(each.lower())) for each in actions)


def _with_star(text: str) -> Pattern:
    return tuple(Wild.MANY if each == "*" else each for each in text)


def _policy_of(scene: Scene, purpose: str) -> tuple[Resource, Policy]:
    """A thing and the policy it has, by its purpose.

    Raises:
        NotFoundError: There is no such thing, or it has no policy.
    """
    resource = purposes.resource_for(purpose, scene.deployment)
    found = scene.world.resource_policies.get(resource.arn)
    if found is None:
        raise purposes.NotFoundError(f"the {purpose.replace('-', ' ')} has no policy")
    return scene.sources[found.name.split(" and ")[0]], found


def _object_in(bucket: str) -> Pattern:
    return (*literal(bucket), "/", Wild.ONE, Wild.MANY)


def data_only_through_the_endpoint(asking: Asking, scene: Scene) -> Iterator[Proof]:
    """A job's role reaches the data from our VPC alone, whoever has its credentials."""
    bucket = purposes.resource_for("data-bucket", scene.deployment)
    source, held = _policy_of(scene, "data-bucket")
    endpoint = purposes.resource_for("s3-endpoint", scene.deployment)
    role = scene.role(
        purposes.resource_for("customization-role", scene.deployment), name="customization-role"
    )
    request = asking.symbols()
    key = request.key("aws:sourcevpce")
    yield asking.prove(
        request,
        *may(request, role, held, actions=[_with_star("s3:*")]),
        *about(request, bucket.arn, kind=Kind.RESOURCE),
        z3.Not(z3.And(key.given, key.matches(0, literal(endpoint.ref)))),
        claim="the customization role reaches nothing in the data bucket but through our "
        "S3 endpoint",
        resource=source,
        path=document_of(held),
        principal=role,
        hints=Hints(
            actions=[*_READS, *_WRITES, "s3:listbucket"],
            resources=[f"{bucket.arn}/fine-tuning-datasets/some/train.jsonl", bucket.arn],
        ),
    )


def buckets_only_by_tls(asking: Asking, scene: Scene) -> Iterator[Proof]:
    """Nothing is read or written in the clear, or by a TLS that is too old."""
    for bucket in scene.deployment.of_type("AWS::S3::Bucket"):
        held = scene.world.resource_policies.get(bucket.arn)
        held_by = [held] if held else []
        request = asking.symbols()
        version = request.key("s3:tlsversion")
        yield asking.prove(
            request,
            # Nobody else is let in at all: that is `proofs.no-outsider`.
            request.is_of(asking.account),
            z3.Not(encoding.denies(request, held_by)),
            *about(request, bucket.arn, kind=Kind.RESOURCE),
            z3.Or(
                request.key("aws:securetransport").matches(0, literal("false")),
                z3.And(version.given, version.number < z3.RealVal(_OLDEST_TLS)),
            ),
            claim=f"{bucket} answers the account by TLS {_OLDEST_TLS} and newer only",
            resource=bucket,
            hints=Hints(
                actions=["s3:getobject"],
                resources=[f"{bucket.arn}/some-object"],
                keys={"aws:securetransport": ["false"]},
            ),
        )


def data_only_under_its_key(asking: Asking, scene: Scene) -> Iterator[Proof]:
    """Nobody writes under a key that is not the data key, or under none of ours."""
    bucket = purposes.resource_for("data-bucket", scene.deployment)
    key = purposes.resource_for("data-key", scene.deployment)
    source, held = _policy_of(scene, "data-bucket")
    request = asking.symbols()
    named, kind = request.key(_KEY_ID), request.key(_SSE)
    yield asking.prove(
        request,
        request.is_of(asking.account),
        z3.Not(encoding.denies(request, [held])),
        _one_of(request, _WRITES),
        request.resource.matches(_object_in(bucket.arn)),
        z3.Or(
            z3.And(named.given, z3.Not(named.matches(0, literal(key.arn)))),
            z3.And(kind.given, z3.Not(kind.matches(0, literal("aws:kms")))),
        ),
        claim="nobody writes into the data bucket under another key than the data key",
        resource=source,
        path=document_of(held),
        hints=Hints(
            actions=_WRITES,
            resources=[f"{bucket.arn}/outputs/some/file"],
            keys={_SSE: ["aws:kms", "AES256"]},
        ),
    )


def data_only_for_its_users(asking: Asking, scene: Scene) -> Iterator[Proof]:
    """No administrator of the account, by whatever policies, reads or writes the data."""
    bucket = purposes.resource_for("data-bucket", scene.deployment)
    source, held = _policy_of(scene, "data-bucket")
    users = [
        purposes.resource_for(purpose, scene.deployment).arn
        for purpose in (
            "customization-role",
            "submitter",
            "uploader",
            "reader",
            *(["model-report"] if environment_of(scene.deployment).serves else []),
        )
    ]
    request = asking.symbols()
    yield asking.prove(
        request,
        request.is_of(asking.account),
        z3.Not(encoding.denies(request, [held])),
        _one_of(request, [*_READS, *_WRITES]),
        request.resource.matches(_object_in(bucket.arn)),
        *(z3.Not(request.arn.equals(each)) for each in users),
        claim="nobody but a job, the submitter, an uploader and a reader"
        + (", and the report on outputs," if environment_of(scene.deployment).serves else "")
        + " gets at the data, whatever else they may",
        resource=source,
        path=document_of(held),
        hints=Hints(actions=[*_READS, *_WRITES], resources=[f"{bucket.arn}/some-object"]),
    )


def models_only_for_their_users(asking: Asking, scene: Scene) -> Iterator[Proof]:
    """Nobody decrypts a model but a job and the people who may call it, and Bedrock for them."""
    source, held = _policy_of(scene, "model-key")
    environment = environment_of(scene.deployment)
    purposes_of = ["customization-role"]
    if environment.submitter_uses_model_key:
        purposes_of.append("submitter")
    if environment.deployer_uses_model_key:
        purposes_of.append("deployer")
    if environment.serves:
        purposes_of.append("runtime-caller")
    users = [literal(purposes.resource_for(each, scene.deployment).arn) for each in purposes_of]
    users += [_with_star(each) for each in environment.people["invokers"]]
    request = asking.symbols()
    via = request.key("kms:viaservice")
    bedrock = f"bedrock.{environment.region}.{environment.url_suffix}"
    by_a_user = encoding.some(request.arn.matches(each) for each in users)
    through_bedrock = z3.And(via.given, via.matches(0, literal(bedrock)))
    direct = z3.BoolVal(False)
    if environment.direct_kms:
        direct = request.arn.matches(users[0])
    itself = z3.BoolVal(False)
    if environment.throughput != "none":
        itself = _bedrock_for_us(request, asking, documented=environment.throughput == "documented")
    yield asking.prove(
        request,
        encoding.allows(request, [held]),
        z3.Not(encoding.denies(request, [held])),
        request.action.equals("kms:decrypt"),
        z3.Not(z3.Or(z3.And(by_a_user, z3.Or(through_bedrock, direct)), itself)),
        claim="nobody decrypts a model but a job, the submitter's request and those who may call "
        "it, each through Bedrock"
        if not environment.serves
        else "nobody decrypts a model but a job, the submitter's, the deployer's and the invoker's "
        "requests and people who may call it, each through Bedrock, and Bedrock for this account's "
        "throughput",
        resource=source,
        path=document_of(held),
        hints=Hints(
            actions=["kms:decrypt"],
            resources=[source.arn],
            keys={"kms:viaservice": [bedrock, "s3.us-east-1.amazonaws.com"]},
        ),
    )


def _bedrock_for_us(request: Symbols, asking: Asking, *, documented: bool) -> z3.BoolRef:
    """That Bedrock asks in its own name, for a model and for this account.

    As AWS documents it the account is left open: `proofs.no-confused-deputy` tells.
    """
    keys = request.key("kms:encryptioncontextkeys")
    account = request.key("aws:sourceaccount")
    parts = [
        request.is_a(Who.SERVICE),
        request.service.equals("bedrock.amazonaws.com"),
        keys.given,
    ]
    if not documented:
        parts += [account.given, account.matches(0, literal(asking.account))]
    return z3.And(*parts)


def roles_are_passed_to_bedrock_only(asking: Asking, scene: Scene) -> Iterator[Proof]:
    """A role is handed on to Bedrock only, and only one that Bedrock is there to take."""
    role_of_jobs = purposes.resource_for("customization-role", scene.deployment)
    environment = environment_of(scene.deployment)
    for resource, principal in roles(scene):
        passed, service = role_of_jobs.arn, "bedrock.amazonaws.com"
        words = "the customization role, and to Bedrock only"
        if environment.serves and resource.ref == environment.role_names["deployer"]:
            passed, service = environment.roles["scheduler"], "scheduler.amazonaws.com"
            words = "the scheduler's, and to EventBridge Scheduler only"
        pairs = [(passed, service)]
        if environment.logs_invocations and resource.ref == environment.role_names["deployer"]:
            pairs.append((environment.roles[LOGGING_ROLE], "bedrock.amazonaws.com"))
            words = f"{words}, and that of the log of invocations, to Bedrock only"
        request = asking.symbols()
        to = request.key("iam:passedtoservice")
        yield asking.prove(
            request,
            *may(request, principal, actions=[literal("iam:passrole")]),
            *(
                z3.Not(
                    z3.And(
                        request.resource.equals(role),
                        to.given,
                        to.matches(0, literal(taker)),
                    )
                )
                for role, taker in pairs
            ),
            claim=f"{resource} passes no role but {words}",
            resource=resource,
            principal=principal,
            hints=_hints(principal, ["iam:passrole"], passed),
        )


def no_role_raises_itself(asking: Asking, scene: Scene) -> Iterator[Proof]:
    """No role of the app changes policies, keys, code or ways of the network."""
    for resource, principal in roles(scene):
        request = asking.symbols()
        raises = [
            each
            for each in RAISES
            # Step Functions alone takes it, for a state machine that calls functions and a topic.
            if not (each == DELIVERS and of_named_state_machines(resource))
        ]
        yield asking.prove(
            request,
            *may(request, principal, actions=[_with_star(each.lower()) for each in raises]),
            claim=f"{resource} changes no policy, key, code or network, and takes no other role",
            resource=resource,
            principal=principal,
            hints=_hints(principal, [each for each in raises if "*" not in each], "*"),
        )


def _hints(principal: Principal, actions: Sequence[str], resource: str) -> Hints:
    own = hints_of(statement for policy in principal.policies for statement in policy.statements)
    return Hints(
        actions=[each.lower() for each in actions],
        resources=[resource, *own.resources],
        keys=own.keys,
    )
