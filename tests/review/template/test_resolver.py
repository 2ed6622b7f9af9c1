"""Every function of CloudFormation comes out as CloudFormation would put it, or as a problem."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from review.template.assembly import load
from review.template.deployment import Unresolved
from tests.review.template.made_up import (
    bucket,
    load_template,
    subject,
    template,
    write_assembly,
)

PARAMETERS = {
    "Name": {"Type": "String", "Default": "given"},
    "Number": {"Type": "Number", "Default": 3},
    "Names": {"Type": "CommaDelimitedList", "Default": "a, b,c"},
    "NoDefault": {"Type": "String"},
    "Vpc": {"Type": "AWS::EC2::VPC::Id"},
    "Subnets": {"Type": "List<AWS::EC2::Subnet::Id>"},
    "Image": {"Type": "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>", "Default": "/an/image"},
    "FromSsm": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/known"},
    "UnknownSsm": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/unknown"},
}
CONDITIONS = {
    "Yes": {"Fn::Equals": [{"Ref": "Name"}, "given"]},
    "No": {"Fn::Not": [{"Condition": "Yes"}]},
    "Both": {"Fn::And": [{"Condition": "Yes"}, {"Condition": "No"}]},
    "Either": {"Fn::Or": [{"Condition": "Yes"}, {"Condition": "No"}]},
    "InUs": {"Fn::Contains": [["us-east-1", "us-west-2"], {"Ref": "AWS::Region"}]},
    "Unknown": {"Fn::Equals": [{"Ref": "NoDefault"}, "x"]},
}
MAPPINGS = {"ByRegion": {"us-east-1": {"List": ["pl-1", "pl-2"], "One": "pl-1"}}}
OTHERS: dict[str, Any] = {
    "Other": bucket(),
    "Named": bucket(BucketName="named"),
    "KeyA1B2C3D4": {"Type": "AWS::KMS::Key", "Properties": {}},
    "Alias": {
        "Type": "AWS::KMS::Alias",
        "Properties": {"AliasName": "alias/data", "TargetKeyId": {"Ref": "KeyA1B2C3D4"}},
    },
    "Role": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "tuner", "Path": "/ml/"}},
    "Managed": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {}},
    "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "q"}},
    "Topic": {"Type": "AWS::SNS::Topic"},
    "Function": {"Type": "AWS::Lambda::Function", "Properties": {}},
    "Vpc0": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
    "Table": {"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": "t"}},
    "Parameter": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/known", "Value": "v"}},
    "Made": {"Type": "Custom::Maker", "Properties": {"ServiceToken": "arn"}},
    "Absent": {**bucket(), "Condition": "No"},
    "New": {"Type": "AWS::New::Kind", "Properties": {}},
}

SUB = [
    "${Prefix}-${AWS::Region}-${Other.Arn}-${!Literal}",
    {"Prefix": {"Fn::Select": [0, ["p", "q"]]}},
]
RESOLVED: dict[str, tuple[Any, Any]] = {
    "Ref to a parameter": ({"Ref": "Name"}, "given"),
    "Ref to a number": ({"Ref": "Number"}, "3"),
    "Ref to a list": ({"Ref": "Names"}, ["a", "b", "c"]),
    "Ref to an id without a default": ({"Ref": "Vpc"}, "vpc-Vpc"),
    "Ref to ids without a default": ({"Ref": "Subnets"}, ["subnet-Subnets-1", "subnet-Subnets-2"]),
    "Ref to an image in Systems Manager": ({"Ref": "Image"}, "ami-Image"),
    "Ref to a known parameter in Systems Manager": ({"Ref": "FromSsm"}, "v"),
    "Ref to a bucket": ({"Ref": "Other"}, "bucket-other"),
    "Ref to a bucket with a name": ({"Ref": "Named"}, "named"),
    "Ref to a key": ({"Ref": "KeyA1B2C3D4"}, "key-data"),
    "Ref to a queue": ({"Ref": "Queue"}, "https://sqs.us-east-1.amazonaws.com/111122223333/q"),
    "Ref to a topic": ({"Ref": "Topic"}, "arn:aws:sns:us-east-1:111122223333:Topic"),
    "Ref to a policy": ({"Ref": "Managed"}, "arn:aws:iam::111122223333:policy/Managed"),
    "Ref to a kind nobody knows": ({"Ref": "New"}, "New"),
    "the account": ({"Ref": "AWS::AccountId"}, "111122223333"),
    "the partition": ({"Ref": "AWS::Partition"}, "aws"),
    "the domain": ({"Ref": "AWS::URLSuffix"}, "amazonaws.com"),
    "the stack": ({"Ref": "AWS::StackName"}, "stack"),
    "GetAtt of an ARN": ({"Fn::GetAtt": ["Role", "Arn"]},
                         "arn:aws:iam::111122223333:role/ml/tuner"),
    "GetAtt as one text": ({"Fn::GetAtt": "Other.Arn"}, "arn:aws:s3:::bucket-other"),
    "GetAtt of a table": ({"Fn::GetAtt": ["Table", "Arn"]},
                          "arn:aws:dynamodb:us-east-1:111122223333:table/t"),
    "GetAtt of a name": ({"Fn::GetAtt": ["Queue", "QueueName"]}, "q"),
    "GetAtt of a default group": ({"Fn::GetAtt": ["Vpc0", "DefaultSecurityGroup"]},
                                  "vpc-Vpc0.DefaultSecurityGroup"),
    "GetAtt of what was given": (
        {"Fn::Select": [1, {"Fn::Cidr": [{"Fn::GetAtt": ["Vpc0", "CidrBlock"]}, 2, 8]}]},
        "10.0.1.0/24",
    ),
    "GetAtt of a parameter's value": ({"Fn::GetAtt": ["Parameter", "Value"]}, "v"),
    "Join": ({"Fn::Join": ["-", ["a", {"Ref": "Name"}, {"Ref": "Number"}]]}, "a-given-3"),
    "Join of a list parameter": ({"Fn::Join": ["/", {"Ref": "Names"}]}, "a/b/c"),
    "Sub": ({"Fn::Sub": SUB}, "p-us-east-1-arn:aws:s3:::bucket-other-${Literal}"),
    "Select": ({"Fn::Select": ["1", {"Ref": "Names"}]}, "b"),
    "Select leaves the others alone": ({"Fn::Select": [0, ["a", {"Ref": "Nothing"}]]}, "a"),
    "Split": ({"Fn::Split": [",", "a,b"]}, ["a", "b"]),
    "Select of Split of Sub": (
        {"Fn::Select": [5, {"Fn::Split": [":", {"Fn::Sub": "${Topic}"}]}]}, "Topic"),
    "If that holds": ({"Fn::If": ["Yes", "a", {"Ref": "Nothing"}]}, "a"),
    "If that does not": ({"Fn::If": ["No", "a", {"Ref": "Name"}]}, "given"),
    "And": ({"Fn::If": ["Both", 1, 2]}, 2),
    "Or": ({"Fn::If": ["Either", 1, 2]}, 1),
    "Contains": ({"Fn::If": ["InUs", 1, 2]}, 1),
    "NoValue takes the property away": ({"Ref": "AWS::NoValue"}, None),
    "NoValue takes the place in a list away": (["a", {"Ref": "AWS::NoValue"}, "b"], ["a", "b"]),
    "FindInMap": ({"Fn::FindInMap": ["ByRegion", {"Ref": "AWS::Region"}, "One"]}, "pl-1"),
    "FindInMap of a list": (
        {"Fn::FindInMap": ["ByRegion", {"Ref": "AWS::Region"}, "List"]}, ["pl-1", "pl-2"]),
    "FindInMap with a default": (
        {"Fn::FindInMap": ["ByRegion", "x", "One", {"DefaultValue": "d"}]}, "d"),
    "GetAZs": ({"Fn::Select": [1, {"Fn::GetAZs": ""}]}, "us-east-1b"),
    "GetAZs of a Region": ({"Fn::Select": [0, {"Fn::GetAZs": "eu-west-1"}]}, "eu-west-1a"),
    "Cidr": ({"Fn::Select": [2, {"Fn::Cidr": ["10.0.0.0/16", 4, 8]}]}, "10.0.2.0/24"),
    "Cidr of IPv6": ({"Fn::Cidr": ["2001:db8::/56", 1, 64]}, ["2001:db8::/64"]),
    "Base64": ({"Fn::Base64": "x"}, base64.b64encode(b"x").decode()),
    "Length": ({"Fn::Length": {"Ref": "Names"}}, 3),
    "ToJsonString": ({"Fn::ToJsonString": {"a": {"Ref": "Name"}}}, '{"a": "given"}'),
    "a dynamic reference": ("{{resolve:ssm:/known:1}}-x", "v-x"),
    "a secret": ("{{resolve:secretsmanager:s:SecretString:p}}",
                 "{{resolve:secretsmanager:s:SecretString:p}}"),
}  # fmt: skip


def whole(value: object) -> dict[str, Any]:
    return template(
        value,
        Parameters=PARAMETERS,
        Conditions=CONDITIONS,
        Mappings=MAPPINGS,
        Resources=OTHERS,
    )


@pytest.mark.parametrize("case", RESOLVED)
def test_a_value_is_resolved(tmp_path: Path, case: str) -> None:
    value, expected = RESOLVED[case]
    loaded = load_template(tmp_path, whole(value))
    assert subject(loaded) == expected
    assert [each for each in loaded.problems if each.level == "error"] == []


UNRESOLVED: dict[str, Any] = {
    "a parameter without a value": {"Ref": "NoDefault"},
    "a parameter of Systems Manager that is not here": {"Ref": "UnknownSsm"},
    "something that is not there": {"Ref": "Nothing"},
    "an attribute of something that is not there": {"Fn::GetAtt": ["Nothing", "Arn"]},
    "what a custom resource says": {"Fn::GetAtt": ["Made", "Anything"]},
    "a resource that is not deployed": {"Ref": "Absent"},
    "an import of another's": {"Fn::ImportValue": "elsewhere"},
    "the output of a stack that is not here": {
        "Fn::GetStackOutput": {"StackName": "x", "OutputName": "y"}
    },
    "a part of a text": {"Fn::Join": ["", ["arn:aws:s3:::", {"Ref": "NoDefault"}, "/*"]]},
    "a part of a substitution": {"Fn::Sub": "arn:aws:s3:::${NoDefault}/*"},
    "a condition that is not known": {"Fn::If": ["Unknown", "*", "a"]},
    "a condition that is not there": {"Fn::If": ["Nothing", "*", "a"]},
    "a mapping that is not there": {"Fn::FindInMap": ["ByRegion", "xx", "One"]},
    "a place that is not there": {"Fn::Select": [9, ["a"]]},
    "a place that is no number": {"Fn::Select": ["x", ["a"]]},
    "parts of a range that has not as many": {"Fn::Cidr": ["10.0.0.0/30", 200, 8]},
    "more parts than there may be": {"Fn::Cidr": ["10.0.0.0/8", 10_000_000, 1]},
    "a range that is none": {"Fn::Cidr": ["nonsense", 1, 8]},
    "a macro": {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {}}},
    "a macro beside other keys": {"Fn::Transform": {"Name": "x"}, "More": 1},
    "a loop": {"Fn::ForEach::Each": ["X", ["a"], {}]},
    "a function nobody knows": {"Fn::Newest": ["a"]},
    "a function that is misused": {"Fn::Join": "a"},
    "joined things that are no texts": {"Fn::Join": ["", [{"a": 1}]]},
    "an unknown pseudo parameter": {"Ref": "AWS::Nothing"},
    "a dynamic reference to what is not here": "{{resolve:ssm:/nothing}}",
    "a dynamic reference of another kind": "{{resolve:new:/nothing}}",
}


@pytest.mark.parametrize("case", UNRESOLVED)
def test_what_cannot_be_known_is_a_problem_and_no_wildcard(tmp_path: Path, case: str) -> None:
    loaded = load_template(tmp_path, whole(UNRESOLVED[case]))
    found = subject(loaded)
    assert isinstance(found, Unresolved)
    assert not {"*", "?", "$"} & set(found)
    (problem,) = [each for each in loaded.problems if each.level == "error"]
    assert (problem.id, problem.logical_id, problem.property) == (
        "template.unresolved",
        "Subject",
        "BucketName",
    )
    where = loaded.deployment.place(stack="stack", logical_id="Subject", path="BucketName")
    text = (tmp_path / "stack.template.json").read_text(encoding="utf-8").splitlines()
    assert '"BucketName"' in text[int(where["line"]) - 1]


def test_one_unknown_value_takes_nothing_else_with_it(tmp_path: Path) -> None:
    value = {"Fn::If": ["Yes", {"Known": {"Ref": "Name"}, "Unknown": {"Ref": "NoDefault"}}, 1]}
    loaded = load_template(tmp_path, whole(value))
    found = subject(loaded)
    assert found["Known"] == "given"
    assert isinstance(found["Unknown"], Unresolved)
    assert [each.property for each in loaded.problems if each.level == "error"] == [
        "BucketName.Unknown"
    ]


def test_a_secret_in_a_policy_is_not_known(tmp_path: Path) -> None:
    statement = {"Principal": {"AWS": "{{resolve:secretsmanager:who}}"}}
    policy = {"Type": "AWS::S3::BucketPolicy", "Properties": {"PolicyDocument": {
        "Statement": [statement]}}}  # fmt: skip
    loaded = load_template(tmp_path, {"Resources": {"Policy": policy}})
    (problem,) = loaded.problems
    assert problem.property == "PolicyDocument.Statement.0.Principal.AWS"


def test_given_parameters_come_before_defaults(tmp_path: Path) -> None:
    loaded = load_template(tmp_path, whole({"Ref": "NoDefault"}), parameters={"NoDefault": "now"})
    assert subject(loaded) == "now"
    assert load_template(tmp_path, whole({"Ref": "Name"}), parameters={"Name": "x"}).problems == ()


def test_a_resource_whose_condition_does_not_hold_is_told_of(tmp_path: Path) -> None:
    loaded = load_template(tmp_path, whole("x"))
    assert "Absent" not in {each.logical_id for each in loaded.deployment.resources}
    (note,) = loaded.problems
    assert (note.id, note.level, note.logical_id) == ("template.not-judged", "note", "Absent")


def test_a_resource_whose_condition_is_not_known_is_judged_as_there(tmp_path: Path) -> None:
    resources = {"Maybe": {**bucket(), "Condition": "Unknown"}}
    content = template("x", Parameters=PARAMETERS, Conditions=CONDITIONS, Resources=resources)
    loaded = load_template(tmp_path, content)
    assert "Maybe" in {each.logical_id for each in loaded.deployment.resources}
    assert [each.logical_id for each in loaded.problems] == ["Maybe"]


def test_invented_names_are_the_same_each_time_and_never_shared(tmp_path: Path) -> None:
    templates = {
        name: {"Resources": {"Data1234ABCD": bucket(), "DataAAAA0000": bucket()}}
        for name in ("one", "two")
    }
    folder = write_assembly(tmp_path, templates)
    first, again = (
        [(each.stack, each.ref, each.arn) for each in load([folder]).deployment.resources]
        for _ in range(2)
    )
    assert first == again
    assert len({ref for _, ref, _ in first}) == 4


def test_a_region_and_account_of_ones_choice_are_used(tmp_path: Path) -> None:
    value = {"Fn::Sub": "${AWS::Region} ${AWS::Partition} ${AWS::URLSuffix} ${AWS::AccountId}"}
    loaded = load_template(tmp_path, whole(value), region="cn-north-1", account="444455556666")
    assert subject(loaded) == "cn-north-1 aws-cn amazonaws.com.cn 444455556666"
