"""Whole assemblies: stacks that use each other, nested ones, and folders nobody should trust."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from review.template.assembly import MAX_RESOURCES, load
from review.template.deployment import Unresolved
from review.template.errors import UnreadableError
from tests.review.template.made_up import (
    NESTED,
    bucket,
    load_template,
    subject,
    template,
    write_assembly,
    write_template,
)
from tests.security.app_deployment import AppDeployment


def exporting(value: object, name: object = "shared") -> dict[str, Any]:
    return {
        "Resources": {"Data": bucket()},
        "Outputs": {"Out": {"Value": value, "Export": {"Name": name}}},
    }


def test_an_import_is_what_the_other_stack_exports(tmp_path: Path) -> None:
    folder = write_assembly(
        tmp_path,
        {
            "user": template({"Fn::ImportValue": {"Fn::Sub": "owner-${AWS::Region}"}}),
            "owner": exporting(
                {"Fn::GetAtt": ["Data", "Arn"]}, {"Fn::Sub": "owner-${AWS::Region}"}
            ),
        },
    )
    loaded = load([folder])
    assert subject(loaded) == "arn:aws:s3:::bucket-data"
    assert loaded.deployment.imports == {("user", "owner")}


def test_an_import_from_another_region_is_not_known(tmp_path: Path) -> None:
    folder = write_assembly(
        tmp_path,
        {"user": template({"Fn::ImportValue": "shared"}), "owner": exporting("x")},
        owner={"environment": "aws://unknown-account/eu-west-1"},
        user={"environment": "aws://unknown-account/us-east-1"},
    )
    assert isinstance(subject(load([folder])), Unresolved)


def test_a_weak_reference_is_the_output_of_the_stack_by_its_name(tmp_path: Path) -> None:
    reference = {"Fn::GetStackOutput": {"StackName": "Real", "OutputName": "Out"}}
    folder = write_assembly(
        tmp_path,
        {"user": template(reference), "owner": exporting("value")},
        owner={"properties": {"stackName": "Real"}},
    )
    assert subject(load([folder])) == "value"


def test_each_stack_has_its_own_account_and_region(tmp_path: Path) -> None:
    here = {"Fn::Sub": "${AWS::AccountId} ${AWS::Region}"}
    folder = write_assembly(
        tmp_path,
        {"a": template(here), "b": template(here), "c": template(here)},
        a={"environment": "aws://444455556666/eu-west-1"},
        b={"environment": "aws://unknown-account/unknown-region"},
    )
    found = [each["BucketName"] for each in load([folder]).deployment.resources]
    assert found == ["444455556666 eu-west-1", "111122223333 us-east-1", "111122223333 us-east-1"]


def test_parameters_protection_and_order_come_from_the_manifest(tmp_path: Path) -> None:
    content = template({"Ref": "P"}, Parameters={"P": {"Type": "String"}})
    folder = write_assembly(
        tmp_path,
        {"a": template("x"), "b": content},
        b={
            "properties": {"parameters": {"P": "given"}, "terminationProtection": True},
            "dependencies": ["a", "b.assets"],
        },
    )
    deployment = load([folder]).deployment
    assert [each["BucketName"] for each in deployment.resources] == ["x", "given"]
    assert deployment.protected == {"b"}
    assert deployment.dependencies["b"] == {"a"}


def nested(file: str, **parameters: object) -> dict[str, Any]:
    return {
        "Type": NESTED,
        "Properties": {"TemplateURL": "https://bucket/x", "Parameters": parameters},
        "Metadata": {"aws:asset:path": file},
    }


CHILD = {
    "Parameters": {"Given": {"Type": "String"}, "List": {"Type": "CommaDelimitedList"}},
    "Resources": {"Inner": bucket(BucketName={"Ref": "Given"})},
    "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Inner", "Arn"]}}},
}


def test_a_nested_stack_gets_its_parameters_and_gives_its_outputs(tmp_path: Path) -> None:
    write_template(tmp_path, CHILD, "child.nested.template.json")
    parent = template(
        {"Fn::GetAtt": ["Child", "Outputs.Arn"]},
        Resources={
            "Child": nested("child.nested.template.json", Given={"Ref": "Named"}, List=["a", "b"]),
            "Named": bucket(BucketName="from-above"),
        },
    )
    loaded = load([write_assembly(tmp_path, {"parent": parent})])
    assert loaded.problems == ()
    assert subject(loaded) == "arn:aws:s3:::from-above"
    inner = next(each for each in loaded.deployment.resources if each.logical_id == "Inner")
    assert (inner.stack, inner["BucketName"]) == ("parent/Child", "from-above")
    assert str(loaded.deployment.location(inner)["file"]).endswith("child.nested.template.json")


def test_a_nested_template_beside_the_template_is_found(tmp_path: Path) -> None:
    write_template(tmp_path, {"Resources": {"Inner": bucket()}}, "child.json")
    parent = {"Resources": {"C": {"Type": NESTED, "Properties": {"TemplateURL": "./child.json"}}}}
    found = load_template(tmp_path, parent).deployment.resources
    assert [each.logical_id for each in found] == ["C", "Inner"]


@pytest.mark.parametrize("url", ["https://bucket.s3.amazonaws.com/t", "missing.json", {"Ref": "X"}])
def test_a_nested_template_that_is_not_here_is_a_problem(tmp_path: Path, url: object) -> None:
    loaded = load_template(
        tmp_path,
        {
            "Parameters": {"X": {"Type": "String", "Default": "x"}},
            "Resources": {"C": {"Type": NESTED, "Properties": {"TemplateURL": url}}},
        },
    )
    assert [each.id for each in loaded.problems] == ["template.nested"]


def test_a_stage_is_read_with_what_it_holds(tmp_path: Path) -> None:
    inner = tmp_path / "assembly-Prod"
    inner.mkdir()
    write_assembly(inner, {"Prod-a": template("inner")})
    stage = {"type": "cdk:cloud-assembly", "properties": {"directoryName": "assembly-Prod"}}
    manifest = {"artifacts": {"assembly-Prod": stage}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert subject(load([tmp_path])) == "inner"


def test_yaml_and_json_of_one_template_are_the_same(tmp_path: Path, dev: AppDeployment) -> None:
    name = "finetune-dev-encryption"
    as_json = load_template(tmp_path, dev.templates[name])
    file = tmp_path / "stack.template.yaml"
    file.write_text(yaml.safe_dump(dict(dev.templates[name])), encoding="utf-8")
    as_yaml = load([file])
    assert [each.properties for each in as_yaml.deployment.resources] == [
        each.properties for each in as_json.deployment.resources
    ]
    resource = as_yaml.deployment.of_type("AWS::KMS::Key")[0]
    line = as_yaml.deployment.location(resource, "EnableKeyRotation")["line"]
    text = file.read_text(encoding="utf-8").splitlines()
    assert "EnableKeyRotation" in text[int(line) - 1]


def test_nothing_in_the_app_is_unknown(deployment: AppDeployment) -> None:
    assert deployment.problems == ()
    assert not any(isinstance(each, Unresolved) for each in _values(deployment))


def _values(deployment: AppDeployment) -> list[object]:
    left: list[Any] = [each.properties for each in deployment.resources]
    found = []
    while left:
        value = left.pop()
        if isinstance(value, list):
            left += value
        elif isinstance(value, dict):
            left += value.values()
        else:
            found.append(value)
    return found


TRANSFORMED: dict[str, dict[str, Any]] = {
    "template.transform": {"Transform": "AWS::Serverless-2016-10-31"},
    "template.module": {"Resources": {"M": {"Type": "Our::S3::Safe::MODULE", "Properties": {}}}},
}


@pytest.mark.parametrize("id_", TRANSFORMED)
def test_what_a_macro_or_module_would_make_is_a_problem(tmp_path: Path, id_: str) -> None:
    content = {**template("x"), **TRANSFORMED[id_]}
    assert [each.id for each in load_template(tmp_path, content).problems] == [id_]


def test_loops_and_several_macros_are_problems_each(tmp_path: Path) -> None:
    content = template(
        "x",
        Transform=["AWS::LanguageExtensions", "Ours", {"Name": "AWS::Include"}],
        Resources={"Fn::ForEach::Buckets": ["N", ["a", "b"], {"B${N}": bucket()}]},
    )
    problems = load_template(tmp_path, content).problems
    assert [each.id for each in problems] == ["template.transform"] * 3


def refers(name: str) -> dict[str, Any]:
    return bucket(BucketName={"Ref": name})


def doubling(levels: int) -> dict[str, Any]:
    """A chain of conditions as long as the limits of the language allow, and longer."""
    conditions: dict[str, Any] = {"C0": {"Fn::Equals": ["a", "a"]}}
    for number in range(1, levels):
        before = {"Condition": f"C{number - 1}"}
        conditions[f"C{number}"] = {"Fn::And": [before, before]}
    return template({"Fn::If": [f"C{levels - 1}", "a", "b"]}, Conditions=conditions)


REFUSED: dict[str, tuple[Any, str]] = {
    "no object": ([], "no object `Resources`"),
    "no resources": ({"Outputs": {}}, "no object `Resources`"),
    "resources that are a list": ({"Resources": []}, "no object `Resources`"),
    "a resource that is a text": ({"Resources": {"A": "x"}}, "A has no Type"),
    "a resource without a type": ({"Resources": {"A": {}}}, "A has no Type"),
    "properties that are a list": (
        {"Resources": {"A": {"Type": "T", "Properties": []}}}, "the Properties of A"),
    "parameters that are a list": (template("x", Parameters=[]), "Parameters is no object"),
    "a parameter that is a text": (template("x", Parameters={"P": "x"}), "P is no object"),
    "an output that is a text": (template("x", Outputs={"O": "x"}), "O is no object"),
    "more resources than there may be": (
        {"Resources": {f"B{n}": bucket() for n in range(MAX_RESOURCES + 1)}}, "501 resources"),
    "a circle of two": ({"Resources": {"A": refers("B"), "B": refers("A")}}, "circle of resources"),
    "a circle through a text": (
        {"Resources": {"A": bucket(BucketName={"Fn::Sub": "x${B.Arn}"}), "B": refers("A")}},
        "circle of resources"),
    "a circle of waiting": (
        {"Resources": {"A": {**bucket(), "DependsOn": ["B"]}, "B": {**bucket(), "DependsOn": "A"}}},
        "circle of resources"),
    "a resource that refers to itself": ({"Resources": {"A": refers("A")}}, "circle of re"),
    "conditions in a circle": (
        template({"Fn::If": ["A", 1, 2]}, Conditions={
            "A": {"Fn::Not": [{"Condition": "B"}]}, "B": {"Fn::Not": [{"Condition": "A"}]}}),
        "circle of references"),
    "a chain of conditions without end": (doubling(5000), "nested too deeply"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cloudformation_would_refuse_is_refused(tmp_path: Path, case: str) -> None:
    content, said = REFUSED[case]
    begun = time.perf_counter()
    with pytest.raises(UnreadableError, match=said) as refused:
        load_template(tmp_path, content)
    assert refused.value.fix
    assert time.perf_counter() - begun < 10


def test_a_chain_of_conditions_that_doubles_is_worked_out_once_each(tmp_path: Path) -> None:
    assert subject(load_template(tmp_path, doubling(100))) == "a"


def test_a_circle_of_imports_is_refused(tmp_path: Path) -> None:
    def importing(name: str, other: str) -> dict[str, Any]:
        return {
            "Resources": {"R": bucket(BucketName={"Fn::ImportValue": f"{other}-plain"})},
            "Outputs": {"O": {"Value": "x", "Export": {"Name": f"{name}-plain"}}},
        }

    folder = write_assembly(tmp_path, {"a": importing("a", "b"), "b": importing("b", "a")})
    with pytest.raises(UnreadableError, match="circle of imports"):
        load([folder])


def test_exports_that_need_each_other_are_refused(tmp_path: Path) -> None:
    folder = write_assembly(
        tmp_path,
        {
            "a": exporting({"Fn::ImportValue": "b"}, "a"),
            "b": exporting({"Fn::ImportValue": "a"}, "b"),
            "c": template({"Fn::ImportValue": "a"}),
        },
    )
    with pytest.raises(UnreadableError, match="circle of references"):
        load([folder])


def test_nested_stacks_in_a_circle_are_refused(tmp_path: Path) -> None:
    write_template(tmp_path, {"Resources": {"C": nested("b.json")}}, "a.json")
    write_template(tmp_path, {"Resources": {"C": nested("a.json")}}, "b.json")
    with pytest.raises(UnreadableError, match="circle of nested stacks"):
        load([tmp_path / "a.json"])


def test_nested_stacks_that_multiply_are_refused(tmp_path: Path) -> None:
    for level in range(12):
        children = {f"C{n}": nested(f"{level + 1}.json") for n in range(3)}
        write_template(tmp_path, {"Resources": children}, f"{level}.json")
    write_template(tmp_path, template("x"), "12.json")
    with pytest.raises(UnreadableError, match="more than 2000 stacks"):
        load([tmp_path / "0.json"])


@pytest.mark.parametrize("kind", ["text", "list"])
def test_values_that_multiply_from_stack_to_stack_are_refused(tmp_path: Path, kind: str) -> None:
    """Each stack passes on twice what it got: a billion laughs in forty templates."""
    value: dict[str, Any]
    if kind == "text":
        value = {"Fn::Join": ["", [{"Ref": "P"}, {"Ref": "P"}]]}
    else:
        value = {"Fn::Join": [",", [{"Fn::Join": [",", {"Ref": "P"}]}] * 2]}
    type_ = "String" if kind == "text" else "CommaDelimitedList"
    for level in range(40):
        child = nested(f"{level + 1}.json", P=value)
        content = {
            "Parameters": {"P": {"Type": type_, "Default": "laugh"}},
            "Resources": {"C": child},
        }
        write_template(tmp_path, content, f"{level}.json")
    last = template({"Ref": "P"}, Parameters={"P": {"Type": type_}})
    write_template(tmp_path, last, "40.json")
    begun = time.perf_counter()
    with pytest.raises(UnreadableError, match=r"multiply|nested too deeply"):
        load([tmp_path / "0.json"])
    assert time.perf_counter() - begun < 20


MANIFESTS: dict[str, Any] = {
    "no object": [],
    "artifacts that are a list": {"artifacts": []},
    "a stack without a file": {"artifacts": {"a": {"type": "aws:cloudformation:stack"}}},
    "a file elsewhere": {"artifacts": {"a": {
        "type": "aws:cloudformation:stack", "properties": {"templateFile": "../../etc/passwd"}}}},
    "an absolute file": {"artifacts": {"a": {
        "type": "aws:cloudformation:stack", "properties": {"templateFile": "/etc/hostname"}}}},
    "a missing file": {"artifacts": {"a": {
        "type": "aws:cloudformation:stack", "properties": {"templateFile": "gone.json"}}}},
    "a folder elsewhere": {"artifacts": {"a": {
        "type": "cdk:cloud-assembly", "properties": {"directoryName": ".."}}}},
    "a folder that is this one": {"artifacts": {"a": {
        "type": "cdk:cloud-assembly", "properties": {"directoryName": "."}}}},
    "no stack": {"artifacts": {"t": {"type": "cdk:tree"}}},
    "a strange environment": {"artifacts": {"a": {
        "type": "aws:cloudformation:stack", "environment": "nowhere",
        "properties": {"templateFile": "t.json"}}}},
}  # fmt: skip


@pytest.mark.parametrize("case", MANIFESTS)
def test_a_manifest_that_the_cdk_does_not_write_is_refused(tmp_path: Path, case: str) -> None:
    write_template(tmp_path, template("x"), "t.json")
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFESTS[case]), encoding="utf-8")
    with pytest.raises(UnreadableError) as refused:
        load([tmp_path])
    assert refused.value.fix


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match=r"without manifest\.json"):
        load([tmp_path])


_NAMES = st.sampled_from(["A", "B", "P", "C", "AWS::Region", "AWS::NoValue", "Nothing", "*"])
_FUNCTIONS = st.sampled_from(
    ["Ref", "Condition", "Fn::If", "Fn::GetAtt", "Fn::Join", "Fn::Sub", "Fn::Select", "Fn::Split",
     "Fn::FindInMap", "Fn::Cidr", "Fn::GetAZs", "Fn::ImportValue", "Fn::GetStackOutput", "Fn::Not",
     "Fn::Base64", "Fn::Length", "Fn::ToJsonString", "Fn::Equals", "Fn::And", "Fn::Transform",
     "Fn::ForEach::X", "Type", "Properties", "DependsOn", "Condition", "Value", "Default"]
)  # fmt: skip
_PIECES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | _NAMES | st.just("${A.Arn}${P}${!x}"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(_FUNCTIONS, inner, max_size=2)
        | st.tuples(_FUNCTIONS, inner).map(lambda pair: {pair[0]: pair[1]})
    ),
    max_leaves=25,
)
_RESOURCE = st.fixed_dictionaries(
    {"Type": st.sampled_from(["AWS::S3::Bucket", "AWS::KMS::Key", "Custom::X", NESTED])},
    optional={
        "Properties": st.dictionaries(_NAMES, _PIECES, max_size=3),
        "Condition": _PIECES,
        "DependsOn": _PIECES,
        "Metadata": _PIECES,
    },
)
_TEMPLATE = st.fixed_dictionaries(
    {"Resources": st.dictionaries(_NAMES, _RESOURCE | _PIECES, max_size=4)},
    optional={
        name: st.dictionaries(_NAMES, _PIECES, max_size=3)
        for name in ("Parameters", "Conditions", "Mappings", "Outputs")
    },
)


@given(content=_TEMPLATE | _PIECES)
@settings(max_examples=100, deadline=None)
def test_any_template_is_resolved_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: object
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    try:
        loaded = load_template(folder, content)
    except UnreadableError:
        return  # any other error fails the test
    for resource in loaded.deployment.resources:
        assert isinstance(resource.ref, str)
        assert "Fn::" not in json.dumps(resource.properties) or loaded.problems
