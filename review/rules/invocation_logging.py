"""The log of model invocations, which holds prompts and answers of the account and Region."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from review.rules.environment import LOGGING, LOGGING_ROLE, MISSING, POLICY_TYPES, environment_of
from review.rules.rule import Violation, at, many, of_the_whole, rule, shown, unexpected_properties
from review.rules.standards import LEAST_PRIVILEGE, LOGGED, also
from review.template.deployment import Deployment

_GROUP: Final = "AWS::Logs::LogGroup"


@rule(
    id="invocation-logging.encrypted",
    requirement="Where a template has model invocations logged into a log group, it makes that log"
    " group itself, with a key.",
    risk="Prompts and answers lie in a log that nobody here encrypts, keeps or limits.",
    remedy="Make the log group in the same templates with a KmsKeyId.",
    step="W14",
    standards=also(LOGGED, prowler="bedrock_model_invocation_logs_encryption_enabled"),
    profile="app",
)
def invocations_are_logged_encrypted(deployment: Deployment) -> Iterator[Violation]:
    """Of the log group that the request names; which key is for `stores.logs-as-designed`."""
    groups = {group.ref: group for group in deployment.of_type(_GROUP)}
    for each in deployment.of_type(LOGGING):
        group = groups.get(str(each["LogGroup"]))
        if group is None:
            yield at(each, f"LogGroup is {shown(each['LogGroup'])}, which is not made here")
        elif not group["KmsKeyId"]:
            yield at(group, "logs prompts and answers without a key", "KmsKeyId")


@rule(
    id="invocation-logging.as-designed",
    requirement="At most one request has invocations logged, into the environment's own log group,"
    " with the role that is there for it, after that role's policies.",
    risk="Prompts and answers of the whole account go where somebody else reads them.",
    remedy="Take the change back.",
    step="W14",
    standards=LEAST_PRIVILEGE,
    profile="app",
)
def invocations_are_logged_as_designed(deployment: Deployment) -> Iterator[Violation]:
    """Its properties, and what it waits for: as long as it is there, so are they.

    The deployer in turn waits for its own policies: `functions.start-after-permissions`.
    """
    environment = environment_of(deployment)
    requests = deployment.of_type(LOGGING)
    if len(requests) != int(environment.logs_invocations):
        expected = int(environment.logs_invocations)
        yield of_the_whole(f"{len(requests)} of {LOGGING}, expected {expected}")
    deployer = environment.functions.get("deployer")
    role = environment.role_names.get(LOGGING_ROLE, MISSING)
    for each in requests:
        yield from unexpected_properties(
            each,
            {
                "ServiceToken": environment.function_arn("framework-on-event"),
                "ServiceTimeout": "3600",
                "Environment": environment.name,
                "LogGroup": environment.invocations,
                "RoleArn": environment.roles.get(LOGGING_ROLE, MISSING),
            },
        )
        needed = [
            policy
            for policy in deployment.of_type(*POLICY_TYPES)
            if policy.stack == each.stack and role in (policy["Roles"] or [])
        ]
        for other in [*needed, *([deployer] if deployer else [])]:
            if other.logical_id not in many(each.attribute("DependsOn")):
                yield at(each, f"does not wait for {other.ref}")
