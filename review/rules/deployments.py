"""Deployments: who makes, buys, calls and ends them, and what a job's stack asks for."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from review.rules.containment import covers_action
from review.rules.design import design_of
from review.rules.environment import (
    DEPLOYMENT,
    JOB,
    MISSING,
    Environment,
    environment_of,
)
from review.rules.roles import IDENTITY_TYPES, ROLE
from review.rules.rule import (
    Violation,
    at,
    many,
    of_the_whole,
    rule,
    shown,
    unexpected_properties,
)
from review.rules.standards import (
    ENCRYPTED,
    LEAST_PRIVILEGE,
    PRIVATE_NETWORK,
)
from review.rules.statements import Statement, statements
from review.template.deployment import Deployment, Resource
from review.template.policies import Grant

GROUP: Final = "AWS::Scheduler::ScheduleGroup"
SCHEDULE: Final = "AWS::Scheduler::Schedule"

_CREATE: Final = ("bedrock:createcustommodeldeployment", "bedrock:createprovisionedmodelthroughput")
_CHANGE: Final = (
    "bedrock:deletecustommodeldeployment",
    "bedrock:deleteprovisionedmodelthroughput",
    "bedrock:updatecustommodeldeployment",
    "bedrock:updateprovisionedmodelthroughput",
)
_CALL: Final = (
    # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonbedrock.html
    "bedrock:invokemodel",
    "bedrock:invokemodelwithresponsestream",
    "bedrock:createmodelinvocationjob",
)


def _identity_statements(deployment: Deployment) -> Iterator[tuple[Resource, Statement]]:
    for resource in deployment.of_type(*IDENTITY_TYPES):
        for each in statements(resource, "PolicyDocument"):
            if each.allows and not each.principals and not each.excludes_principals:
                yield resource, each


def _done(each: Statement, actions: tuple[str, ...]) -> list[str]:
    """Which of some actions a statement allows."""
    return [action for action in actions if each.does(action)]


@rule(
    id="deployments.carry-a-tag",
    requirement="Who may deploy a model or buy throughput does so with a tag of the owner, and"
    " changes or deletes what carries one alone.",
    risk="Something that costs by the hour belongs to nobody, and is not found; or somebody else's"
    " is deleted.",
    remedy="Ask for aws:RequestTag where deployments are made, and for aws:ResourceTag where they"
    " are changed or deleted.",
    step="W16",
    standards=LEAST_PRIVILEGE,
)
def deployments_carry_a_tag(deployment: Deployment) -> Iterator[Violation]:
    """By the name that a condition gives a value; that a tag is there at all says nothing."""
    for resource, each in _identity_statements(deployment):
        for actions, prefix in ((_CREATE, "aws:requesttag/"), (_CHANGE, "aws:resourcetag/")):
            # All but some is for `roles.no-wildcards` to tell.
            done = [] if each.excludes_actions else _done(each, actions)
            if done and not any(key.startswith(prefix) for _, key, _ in each.conditions):
                yield at(resource, f"{each} allows {done[0]} whatever its tags", each.path)


@rule(
    id="deployments.requested-as-designed",
    requirement="What a job's stack asks to have deployed is the model of that job, of a kind and"
    " size that are named, and throughput that is paid by the hour has its last hour.",
    risk="Throughput is bought for the wrong model, or costs by the hour until somebody looks.",
    remedy="Take the change back, or set hours or a commitment under the job's deployment.",
    step="W15",
    standards={},
    profile="app",
)
def deployments_are_requested_as_designed(deployment: Deployment) -> Iterator[Violation]:
    """The request is read by the form its fields have; `Wish` reads it again before anything is."""
    environment = environment_of(deployment)
    jobs = {job.stack: job for job in deployment.of_type(JOB)}
    requests = deployment.of_type(DEPLOYMENT)
    if requests and not environment.serves:
        yield of_the_whole("a deployment is asked for, and nothing here deploys")
    per_stack = Counter(each.stack for each in requests)
    for each in requests:
        job = jobs.get(each.stack)
        if job is None or per_stack[each.stack] > 1:
            yield at(each, "not the one deployment of the one job of its stack")
        yield from unexpected_properties(
            each,
            {
                "ServiceToken": environment.function_arn("framework-on-event"),
                "ServiceTimeout": "3600",
                "Environment": environment.name,
                "Job": job["Job"] if job else MISSING,
                "JobName": job.ref if job else MISSING,
                "Table": f"finetune-{environment.name}-deployments",
            },
            also={*_FORMS, "Commitment", "Hours", "Kind", "SmokeTests", "Tags"},
        )
        for name, form in _FORMS.items():
            if not re.fullmatch(form, str(each[name])):
                yield at(each, f"{name} is {shown(each[name])}, expected {form}", name)
        yield from _has_its_end(each)
        yield from _is_tested(each)


_FORMS: Final = {"ModelUnits": r"[1-9]\d{0,3}"}
_LAST_HOUR: Final = 720
_COMMITMENTS: Final = ("OneMonth", "SixMonths")


def _has_its_end(request: Resource) -> Iterator[Violation]:
    kind, commitment, hours = (request[name] for name in ("Kind", "Commitment", "Hours"))
    if kind == "provisioned" and commitment in _COMMITMENTS:
        if hours != "":
            yield at(request, f"Hours is {shown(hours)} beside a commitment", "Hours")
    elif kind == "provisioned" and commitment == "":
        if not re.fullmatch(r"[1-9]\d{0,2}", str(hours)) or int(str(hours)) > _LAST_HOUR:
            yield at(
                request,
                f"Hours is {shown(hours)}, expected 1 to {_LAST_HOUR}: it has no end",
                "Hours",
            )
    elif kind != "on_demand" or commitment != "" or hours != "":
        yield at(
            request,
            f"Kind is {shown(kind)} with Commitment {shown(commitment)} and Hours {shown(hours)}",
            "Kind",
        )


def _is_tested(request: Resource) -> Iterator[Violation]:
    tests = read_json(request["SmokeTests"])
    if not isinstance(tests, list) or not all(
        isinstance(each, dict) and each.get("prompt") for each in tests
    ):
        yield at(request, f"SmokeTests is {shown(request['SmokeTests'])}", "SmokeTests")


def read_json(text: object) -> Any:  # noqa: ANN401 - whatever a JSON text holds
    """What a JSON text says; None for what is no JSON."""
    try:
        return json.loads(str(text))
    except ValueError:
        return None


def _has(grants: frozenset[Grant], *actions: str) -> list[Grant]:
    return [
        each
        for each in sorted(grants)
        if each.effect == "Allow"
        and any(
            covers_action(each.action, action) or covers_action(action, each.action)
            for action in actions
        )
    ]


def _values(grant: Grant, key: str) -> set[str]:
    return {value for _, name, values in grant.conditions if name == key for value in values}


@rule(
    id="deployments.made-by-one",
    requirement="The deployer alone deploys, buys and deletes, its schedules delete throughput, and"
    " both touch nothing but what carries the environment's tag.",
    risk="Something is bought that no schedule ends, or somebody else's deployment is deleted.",
    remedy="Take the change back.",
    step="W16",
    standards=LEAST_PRIVILEGE,
    profile="app",
)
def one_function_makes_and_removes(deployment: Deployment) -> Iterator[Violation]:
    """Of every role of the templates, by name."""
    environment = environment_of(deployment)
    names = environment.role_names
    may = {
        *((names.get("deployer", MISSING), action) for action in (*_CREATE, *_CHANGE[:2])),
        (names.get("scheduler", MISSING), "bedrock:deleteprovisionedmodelthroughput"),
    }
    for role in deployment.of_type(ROLE):
        for action in (*_CREATE, *_CHANGE):
            tag = "aws:RequestTag" if action in _CREATE else "aws:ResourceTag"
            for grant in _has(environment.by_role.get(role.ref, frozenset()), action):
                if (role.ref, action) not in may:
                    yield at(role, f"may {grant.action}, which is the deployer's")
                elif _values(grant, f"{tag}/finetune:environment") != {environment.name}:
                    yield at(role, f"may {grant.action} whatever the environment's tag")


@rule(
    id="deployments.called-in-private",
    requirement="The invoker alone calls models, those that carry the environment's tag, and"
    " through the environment's own endpoint of Bedrock's runtime.",
    risk="A model is asked, and answers, over the Internet; or somebody else's, or a foundation"
    " model, is paid for.",
    remedy="Take the change back.",
    step="W16",
    standards=PRIVATE_NETWORK,
    profile="app",
)
def models_are_called_in_private(deployment: Deployment) -> Iterator[Violation]:
    """Roles of the templates; people of `people.invokers` have policies of their own."""
    environment = environment_of(deployment)
    invoker = environment.role_names.get("invoker", MISSING)
    served = {"custom-model-deployment/*", "provisioned-model/*"}
    for role in deployment.of_type(ROLE):
        for grant in _has(environment.by_role.get(role.ref, frozenset()), *_CALL):
            if role.ref != invoker:
                if not _of_a_method(environment, role, grant):
                    yield at(role, f"may {grant.action}, which is the invoker's")
                continue
            if _values(grant, "aws:SourceVpce") != {environment.runtime_endpoint}:
                yield at(role, f"may {grant.action} from elsewhere than our endpoint")
            if _values(grant, "aws:ResourceTag/finetune:environment") != {environment.name}:
                yield at(role, f"may {grant.action} on what is not the environment's")
            if grant.resource.rsplit(":", maxsplit=1)[-1] not in served:
                yield at(role, f"may {grant.action} on {grant.resource}")


def _of_a_method(environment: Environment, role: Resource, grant: Grant) -> bool:
    """A job that distils asks its teacher; `roles.allowed-as-designed` says which."""
    return role.ref == environment.role_names["customization"] and any(
        grant == each for each in design_of(environment).role_policies[role.ref]
    )


@rule(
    id="deployments.decrypted-by-bedrock-alone",
    requirement="The model key decrypts for requests through Bedrock, and for nobody directly.",
    risk="Who has the ciphertext of a model reads it outside Bedrock.",
    remedy="Ask for kms:ViaService with Bedrock's name in the key's policy and the role's.",
    step="W16",
    standards=ENCRYPTED,
    profile="app",
)
def models_are_decrypted_by_bedrock_alone(deployment: Deployment) -> Iterator[Violation]:
    """Key policy and roles; a job's own calls are `keys.no-direct-calls`."""
    environment = environment_of(deployment)
    bedrock = f"bedrock.{environment.region}.{environment.url_suffix}"
    customization = environment.roles["customization"]
    for key in deployment.of_type("AWS::KMS::Key"):
        if key.arn != environment.model_key:
            continue
        for grant in _has(frozenset(key.grants("KeyPolicy")), "kms:decrypt"):
            through = _values(grant, "kms:ViaService") == {bedrock}
            itself = grant.principal == "Service:bedrock.amazonaws.com" and _values(
                grant, "kms:EncryptionContextKeys"
            )
            if not through and not itself and _values(grant, "aws:PrincipalArn") != {customization}:
                yield at(key, f"decrypts for {grant.principal} directly", "KeyPolicy")
    for role in deployment.of_type(ROLE):
        for grant in _has(environment.by_role.get(role.ref, frozenset()), "kms:decrypt"):
            if (
                grant.resource in (environment.model_key, "*")
                and role.arn != customization
                and _values(grant, "kms:ViaService") != {bedrock}
            ):
                yield at(role, f"decrypts with the model key directly: {grant}")


@rule(
    id="deployments.schedules-only-end",
    requirement="Schedules are in one group of the environment, made by the deployer alone, which"
    " waits for it; their role deletes throughput of the environment's and does nothing else.",
    risk="A schedule does what nobody decided, at an hour when nobody looks; or none ends what"
    " costs by the hour.",
    remedy="Take the change back.",
    step="W17",
    standards=LEAST_PRIVILEGE,
    profile="app",
)
def schedules_only_end_throughput(deployment: Deployment) -> Iterator[Violation]:
    """The group, who writes into it, whom its role is passed to, and what that role does."""
    environment = environment_of(deployment)
    groups = deployment.of_type(GROUP)
    if len(groups) != int(environment.serves):
        yield of_the_whole(f"{len(groups)} groups of schedules, expected {int(environment.serves)}")
    for group in groups:
        yield from unexpected_properties(group, {"Name": environment.schedule_group}, also={"Tags"})
    for schedule in deployment.of_type(SCHEDULE):
        yield at(schedule, "a schedule that is none of the deployer's")
    yield from _deployer_waits(environment, groups)
    names = environment.role_names
    for role in deployment.of_type(ROLE):
        grants = environment.by_role.get(role.ref, frozenset())
        for grant in _has(grants, "scheduler:createschedule", "scheduler:updateschedule"):
            if role.ref != names.get("deployer") or grant.resource != environment.schedules:
                yield at(role, f"may {grant.action} on {grant.resource}")
        if role.ref == names.get("scheduler"):
            for grant in sorted(grants):
                if (
                    grant.action not in ("bedrock:DeleteProvisionedModelThroughput", "kms:Decrypt")
                    and grant.effect == "Allow"
                ):
                    yield at(role, f"does more than give back: {grant}")


def _deployer_waits(environment: Environment, groups: Sequence[Resource]) -> Iterator[Violation]:
    """The deployer comes after the group and goes before it: nothing is bought without an end."""
    deployer = environment.functions.get("deployer")
    if deployer is None:
        return  # for `functions.as-designed` to tell
    for group in groups:
        if deployer.stack == group.stack and group.logical_id not in many(
            deployer.attribute("DependsOn")
        ):
            yield at(deployer, f"does not wait for {group.ref}")
