"""Access: what each role may do, no more and no less."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from review.template.deployment import ABSENT, Resource
from review.template.policies import Grant, grants
from tests.security.app_deployment import AppDeployment
from tests.security.control import role_grants
from tests.security.controls import roles_may_do_only_this

MANAGED = "AWS::IAM::ManagedPolicy"
CUSTOMIZATION = "AmazonBedrock-finetune-dev-us-east-1-customization"


def test_every_role_may_do_what_it_needs_and_nothing_else(deployment: AppDeployment) -> None:
    assert roles_may_do_only_this(deployment) == []


def _statements() -> Iterator[tuple[str, str]]:
    for description, sids in {
        "Reads datasets and writes outputs": ("ReadObjects", "ListObjects", "WriteOutputs"),
        "Uses the data key through S3 and the model key through Bedrock": (
            "DataKeyThroughS3",
            "ModelKeyThroughBedrock",
        ),
        "Creates a job's interfaces in the training subnets": (
            "CreateTaggedInterfaces",
            "CreateInterfacesInTheseSubnets",
            "TagInterfacesWhileCreating",
        ),
        "Looks at the network and removes a job's interfaces": (
            "DescribeTheNetwork",
            "ManageTheJobsInterfaces",
        ),
        "Submits, stops and removes jobs of this environment": (
            "CustomizeTheAllowedBaseModels",
            "SubmitJobsTaggedAsOurs",
            "LookAtJobsAndModels",
            "StopAndRemoveOurs",
            "PassTheCustomizationRole",
        ),
        "Lets Lambda put the submitter into the service subnets": (
            "LambdaAttachesTheFunction",
            "DenyToTheFunctionsOwnCode",
        ),
        "Sees jobs and their stacks, and ends the jobs that nobody wants any more": (
            "LookAtJobs",
            "StopAndRemoveOurs",
            "LookAtTheJobsStacks",
        ),
        "What the function finetune-dev-follower writes": (
            "WriteLogs",
            "KeepFailedEvents",
            "DataKeyThroughSqs",
            "JobState",
            "DataKeyThroughDynamoDb",
            "AnnounceEnds",
            "DataKeyThroughSns",
            "SubmitWhatWaited",
        ),
    }.items():
        for sid in sids:
            yield description, sid


@pytest.mark.parametrize(("description", "sid"), list(_statements()))
def test_a_statement_taken_away_or_widened_is_found(
    dev: AppDeployment, description: str, sid: str
) -> None:
    where = {"Description": description}
    statement = f"PolicyDocument.Statement.Sid={sid}"
    (policy,) = dev.where(MANAGED, **where)
    said = next(each for each in policy["PolicyDocument.Statement"] if each.get("Sid") == sid)
    assert roles_may_do_only_this(dev.without(MANAGED, statement, where=where))
    assert roles_may_do_only_this(dev.put(MANAGED, f"{statement}.Action", "*", where=where))
    if said["Resource"] != "*":
        wider = dev.put(MANAGED, f"{statement}.Resource", "*", where=where)
        assert roles_may_do_only_this(wider)
    if "Condition" in said:
        bare = dev.without(MANAGED, f"{statement}.Condition", where=where)
        assert roles_may_do_only_this(bare)
        for operator, keys in said["Condition"].items():
            for key in keys:

                def change(condition: dict[str, Any], o: str = operator, k: str = key) -> None:
                    del condition[o][k]

                assert roles_may_do_only_this(_with_condition(dev, policy, sid, change))


def _with_condition(
    dev: AppDeployment, policy: Resource, sid: str, change: Callable[[dict[str, Any]], None]
) -> AppDeployment:
    def apply(templates: dict[str, Any]) -> None:
        document = templates[policy.stack]["Resources"][policy.logical_id]["Properties"]
        for statement in document["PolicyDocument"]["Statement"]:
            if statement.get("Sid") == sid:
                change(statement["Condition"])

    return dev.changed(apply)


def test_a_policy_detached_from_its_role_is_found(dev: AppDeployment) -> None:
    assert roles_may_do_only_this(dev.put(MANAGED, "Roles", []))
    assert roles_may_do_only_this(dev.put(MANAGED, "Roles", ["role-of-others"]))
    assert roles_may_do_only_this(dev.put(MANAGED, "Users", ["somebody"]))


def test_a_policy_beside_the_others_is_found(dev: AppDeployment) -> None:
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
    }
    inline = [{"PolicyName": "more", "PolicyDocument": document}]
    where = {"RoleName": CUSTOMIZATION}
    assert roles_may_do_only_this(
        dev.plus("access", "AWS::IAM::Policy", PolicyDocument=document, Roles=[CUSTOMIZATION])
    )
    assert roles_may_do_only_this(dev.put("AWS::IAM::Role", "Policies", inline, where=where))
    managed = ["arn:aws:iam::aws:policy/AmazonS3FullAccess"]
    assert roles_may_do_only_this(
        dev.put("AWS::IAM::Role", "ManagedPolicyArns", managed, where=where)
    )


@pytest.mark.parametrize("element", ["NotAction", "NotResource"])
def test_a_statement_by_exclusion_is_found(dev: AppDeployment, element: str) -> None:
    where = {"Description": "Reads datasets and writes outputs"}
    statement = "PolicyDocument.Statement.Sid=ReadObjects"
    weaker = dev.put(MANAGED, f"{statement}.{element}", "s3:GetObject", where=where)
    assert roles_may_do_only_this(weaker)


def _all_grants(deployment: AppDeployment) -> Iterator[tuple[str, Grant]]:
    for policy in deployment.of_type(MANAGED, "AWS::IAM::Policy"):
        for grant in grants(policy["PolicyDocument"]):
            yield policy.ref, grant


def test_no_policy_allows_a_wildcard_of_actions(deployment: AppDeployment) -> None:
    assert [
        (ref, grant.action) for ref, grant in _all_grants(deployment) if "*" in grant.action
    ] == []


def test_what_needs_any_resource_stands_apart_from_what_does_not(dev: AppDeployment) -> None:
    """An acknowledged `*` in a policy would hide the widening of another statement to `*`."""
    for policy in dev.of_type(MANAGED):
        statements = policy["PolicyDocument.Statement"]
        bare = [each for each in statements if each["Resource"] == "*"]
        if bare:
            assert bare == statements or _only_log_and_look(statements), policy.ref


def _only_log_and_look(statements: list[dict[str, Any]]) -> bool:
    """Whether all the rest of a policy reads the state of jobs, which has no wider form."""
    return all(
        each["Resource"] == "*" or each["Action"] == "bedrock:GetModelCustomizationJob"
        for each in statements
    )


def test_one_role_is_passed_to_bedrock_alone(deployment: AppDeployment) -> None:
    passing = [grant for _, grant in _all_grants(deployment) if grant.action == "iam:PassRole"]
    (grant,) = passing
    assert grant.resource.endswith("-customization")
    assert grant.conditions == (
        ("StringEquals", "iam:PassedToService", ("bedrock.amazonaws.com",)),
    )


def test_only_the_base_models_of_the_settings_can_be_customized(
    variant: Callable[[Mapping[str, Any]], AppDeployment],
) -> None:
    two = variant(
        {
            "jobs": {
                "one": {"base_model": "amazon.nova-micro-v1:0:128k", "dataset": "a"},
                "two": {"base_model": "amazon.nova-lite-v1:0:300k", "dataset": "b"},
            }
        }
    )
    assert roles_may_do_only_this(two) == []
    models = {
        grant.resource.rsplit("/", maxsplit=1)[-1]
        for _, grant in _all_grants(two)
        if "foundation-model/" in grant.resource
    }
    assert models == {"amazon.nova-micro-v1:0:128k", "amazon.nova-lite-v1:0:300k"}


def test_the_settings_about_keys_reach_the_roles(
    variant: Callable[[Mapping[str, Any]], AppDeployment],
) -> None:
    assert roles_may_do_only_this(variant({"keys": {"submitter_uses_model_key": False}})) == []


def test_direct_calls_to_kms_are_allowed_where_the_setting_asks_for_them(
    variant: Callable[[Mapping[str, Any]], AppDeployment],
) -> None:
    """The key's policy delegates to the account: the role needs a permission of its own."""
    assert roles_may_do_only_this(variant({"keys": {"direct_kms": True}})) == []


# What a role may do beside its function's own calls: log, keep failed events, use keys through
# services, and for the submitter what Lambda does to put it into the VPC.
_BESIDE_ITS_CALLS = {"kms", "logs", "sqs"}


@pytest.mark.parametrize("purpose", ["submitter", "completion-check", "follower"])
def test_a_function_may_do_what_its_code_calls_and_no_more(
    deployment: AppDeployment, purpose: str
) -> None:
    """`customization/calls.py` is what a test drives the functions with; roles agree with it."""
    from customization.calls import (  # noqa: PLC0415
        COMPLETION_CHECK_CALLS,
        FOLLOWER_CALLS,
        SUBMITTER_CALLS,
        actions,
    )

    # Those of an environment that deploys no model.
    calls = {
        "submitter": SUBMITTER_CALLS,
        "completion-check": COMPLETION_CHECK_CALLS,
        "follower": FOLLOWER_CALLS,
    }
    env = deployment.settings.environment
    role = f"finetune-{env}-us-east-1-{purpose}"
    said = {
        grant.action
        for grant in role_grants(deployment, role)
        if grant.action.split(":")[0] not in _BESIDE_ITS_CALLS
    }
    if purpose == "submitter":
        said = {action for action in said if not action.startswith("ec2:")}
    assert said == set(actions(calls[purpose]))


def test_the_follower_submits_nothing_and_passes_no_role(deployment: AppDeployment) -> None:
    env = deployment.settings.environment
    said = role_grants(deployment, f"finetune-{env}-us-east-1-follower")
    assert {grant.action.split(":")[0] for grant in said}.isdisjoint({"iam", "s3", "sts"})
    assert "bedrock:CreateModelCustomizationJob" not in {grant.action for grant in said}
    for grant in said:
        if grant.action in {"bedrock:DeleteCustomModel", "bedrock:StopModelCustomizationJob"}:
            assert grant.conditions == (
                ("StringEquals", "aws:ResourceTag/finetune:environment", (env,)),
            )


def test_an_emptied_policy_is_found(dev: AppDeployment) -> None:
    assert roles_may_do_only_this(dev.put(MANAGED, "PolicyDocument", ABSENT))
    assert roles_may_do_only_this(dev.put(MANAGED, "PolicyDocument.Version", "2008-10-17"))
