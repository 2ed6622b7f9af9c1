"""What says the same has the same normal form, and nothing else has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from review.mutation.normal import normal_form
from review.mutation.schemas import defaults
from review.template.deployment import Deployment
from tests.review.rules.twins import good
from tests.security.app_deployment import AppDeployment

Change = Callable[[dict[str, Any]], None]


def changed(deployment: Deployment, change: Change) -> Deployment:
    """With a change made to the resources of every template."""

    def in_all(templates: dict[str, Any]) -> None:
        for template in templates.values():
            change(template["Resources"])

    return deployment.changed(in_all)


def of_type(resources: dict[str, Any], type_: str) -> list[dict[str, Any]]:
    return [each for each in resources.values() if each["Type"] == type_]


def says_a_default(resources: dict[str, Any]) -> None:
    for key in of_type(resources, "AWS::KMS::Key"):
        key["Properties"] |= {"KeySpec": "SYMMETRIC_DEFAULT", "MultiRegion": False}


def has_another_tag(resources: dict[str, Any]) -> None:
    for vpc in of_type(resources, "AWS::EC2::VPC"):
        vpc["Properties"].setdefault("Tags", []).append({"Key": "cost-center", "Value": "7"})


def waits_for_what_it_names(resources: dict[str, Any]) -> None:
    for config in of_type(resources, "AWS::Lambda::EventInvokeConfig"):
        config["DependsOn"] = [config["Properties"]["FunctionName"]["Ref"]]


def is_deleted_aloud(resources: dict[str, Any]) -> None:
    for queue in of_type(resources, "AWS::SQS::Queue"):
        queue.pop("DeletionPolicy")
        queue.pop("UpdateReplacePolicy")


def says_a_rule_twice(resources: dict[str, Any]) -> None:
    for rule in of_type(resources, "AWS::EC2::SecurityGroupIngress")[:1]:
        resources["Again"] = rule


def says_an_alias_twice(resources: dict[str, Any]) -> None:
    for alias in of_type(resources, "AWS::KMS::Alias")[:1]:
        resources["Again"] = alias


def describes_otherwise(resources: dict[str, Any]) -> None:
    for each in of_type(resources, "AWS::IAM::Role"):
        each["Properties"]["Description"] = "for whatever"
    for each in of_type(resources, "AWS::IAM::ManagedPolicy"):
        each["Properties"].pop("Description", None)


def notes_something(resources: dict[str, Any]) -> None:
    resources["Mark"] = {"Type": "AWS::CDK::Metadata", "Properties": {"Analytics": "v2"}}
    for each in resources.values():
        each.setdefault("Metadata", {})["Note"] = "read me"


def says_another_policy(resources: dict[str, Any]) -> None:
    """What a policy allows is for the comparison of access to tell."""
    for policy in of_type(resources, "AWS::S3::BucketPolicy"):
        policy["Properties"]["PolicyDocument"]["Statement"].reverse()


@pytest.mark.parametrize(
    "change",
    [
        says_a_default,
        has_another_tag,
        waits_for_what_it_names,
        is_deleted_aloud,
        says_a_rule_twice,
        says_an_alias_twice,
        describes_otherwise,
        notes_something,
        says_another_policy,
    ],
)
def test_what_says_the_same_has_one_normal_form(dev: AppDeployment, change: Change) -> None:
    after = changed(dev, change)
    assert after.templates != dev.templates
    assert normal_form(after) == normal_form(dev)


def says_another_value(resources: dict[str, Any]) -> None:
    for key in of_type(resources, "AWS::KMS::Key"):
        key["Properties"]["KeySpec"] = "RSA_2048"


def loses_the_tag_of_a_condition(resources: dict[str, Any]) -> None:
    """The administrators' policies ask for the environment's tag."""
    for function in of_type(resources, "AWS::SQS::Queue"):
        tags = function["Properties"]["Tags"]
        function["Properties"]["Tags"] = [
            each for each in tags if each["Key"] != "finetune:environment"
        ]


def waits_for_nothing(resources: dict[str, Any]) -> None:
    for function in of_type(resources, "AWS::Lambda::Function"):
        function.pop("DependsOn", None)


def describes_what_people_are_told(resources: dict[str, Any]) -> None:
    """Whom an alarm wakes reads its description."""
    for each in of_type(resources, "AWS::CloudWatch::Alarm"):
        each["Properties"]["AlarmDescription"] = "for whatever"


def is_kept(resources: dict[str, Any]) -> None:
    for queue in of_type(resources, "AWS::SQS::Queue"):
        queue["DeletionPolicy"] = "Retain"


def opens_a_group(resources: dict[str, Any]) -> None:
    for rule in of_type(resources, "AWS::EC2::SecurityGroupIngress")[:1]:
        resources["Again"] = {**rule, "Properties": {**rule["Properties"], "FromPort": 22}}


def is_there_twice(resources: dict[str, Any]) -> None:
    for table in of_type(resources, "AWS::EC2::RouteTable")[:1]:
        resources["Again"] = table


def loses_its_policy(resources: dict[str, Any]) -> None:
    for name, each in list(resources.items()):
        if each["Type"] == "AWS::S3::BucketPolicy":
            del resources[name]


@pytest.mark.parametrize(
    "change",
    [
        says_another_value,
        loses_the_tag_of_a_condition,
        waits_for_nothing,
        describes_what_people_are_told,
        is_kept,
        opens_a_group,
        is_there_twice,
        loses_its_policy,
    ],
)
def test_what_says_something_else_has_another_one(dev: AppDeployment, change: Change) -> None:
    after = changed(dev, change)
    assert after.templates != dev.templates
    assert normal_form(after) != normal_form(dev)


def test_a_policy_that_access_does_not_compare_stays(dev: AppDeployment) -> None:
    """Of a type that nobody reads policies of: what it says may be anything."""

    def with_a_secret(action: str) -> Deployment:
        statement = {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": "*"}
        return dev.plus(
            "storage",
            "AWS::SecretsManager::ResourcePolicy",
            SecretId="a-secret",
            ResourcePolicy={"Version": "2012-10-17", "Statement": [statement]},
        )

    one, other = with_a_secret("secretsmanager:DescribeSecret"), with_a_secret("*")
    assert normal_form(one) != normal_form(other)


def test_a_function_of_cloudformation_is_followed_to_what_it_names() -> None:
    """In a template by hand too: `Fn::Sub` and `Fn::GetAtt` make an order."""
    before = good()
    assert normal_form(before) == normal_form(before.changed(lambda _: None))


def test_a_default_is_a_value_and_no_text_about_one() -> None:
    assert defaults("AWS::KMS::Key")["KeySpec"] == "SYMMETRIC_DEFAULT"
    assert "KeyPolicy" not in defaults("AWS::KMS::Key")
    assert defaults("Custom::Something") == {}
