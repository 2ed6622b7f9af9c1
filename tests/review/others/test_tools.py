"""The tools of others look at any template, and one that stumbles is told of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from review.others import lint
from review.others.acknowledgements import divide
from review.others.finding import Remark, ToolError
from review.others.guard_engine import guard_remarks, guard_sources
from review.others.lint import Linting
from review.others.packs import PACKS, pack_remarks
from review.run import review
from review.template.assembly import Loaded
from tests.review.template.made_up import bucket, load_template, write_assembly

QUEUE = {"Type": "AWS::SQS::Queue", "Properties": {}}
MISSPELT = {
    "Type": "AWS::S3::BucketPolicy",
    "Properties": {
        "Bucket": {"Ref": "Data"},
        "PolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": {"Fn::GetAtt": ["Data", "Arn"]},
                    "Condition": {"StringEqual": {"aws:SourceVpce": "vpce-1"}},
                }
            ],
        },
    },
}
NAG = "cdk_nag"


def loaded(folder: Path, **more: Any) -> Loaded:
    return load_template(folder, {"Resources": {"Data": bucket(), "Queue": QUEUE, **more}})


def test_every_pack_looks_at_the_templates(tmp_path: Path) -> None:
    found = pack_remarks(loaded(tmp_path).deployment.templates)
    assert {each.finding.partition("::")[0] for each in found} == set(PACKS)
    assert {(each.stack, each.logical_id) for each in found} == {
        ("stack", "Data"),
        ("stack", "Queue"),
    }


def test_an_acknowledgement_takes_its_finding_and_a_stale_one_is_told(tmp_path: Path) -> None:
    rules = [
        {"id": "AwsSolutions::AwsSolutions-S1", "reason": "it is the log"},
        {"id": "AwsSolutions::AwsSolutions-RDS1", "reason": "there is none"},
        {"id": "AwsSolutions-S10", "reason": "the short form counts for nothing"},
    ]
    data = {**bucket(), "Metadata": {NAG: {"rules_to_suppress": rules}}}
    deployment = loaded(tmp_path, Data=data).deployment
    remarks = [
        Remark(tool="cdk-nag", stack="stack", logical_id="Data", finding=f"AwsSolutions::{rule}")
        for rule in ("AwsSolutions-S1", "AwsSolutions-S10")
    ]
    opened, stale = divide(remarks, deployment, folder=None)
    assert [each.finding for each in opened] == ["AwsSolutions::AwsSolutions-S10"]
    assert [each.finding for each in stale] == ["AwsSolutions::AwsSolutions-RDS1"]


GUARD = """
let buckets = Resources.*[ Type == 'AWS::S3::Bucket' ]
rule buckets_have_a_name when %buckets !empty {
    %buckets.Properties.BucketName exists <<nobody can find it>>
}
"""


def test_rules_in_guard_are_run_by_the_librarys_engine(tmp_path: Path) -> None:
    named = bucket(BucketName="named")
    templates = loaded(tmp_path, Named=named).deployment.templates
    (remark,) = guard_remarks(templates, sources={"ours": GUARD})
    assert (remark.finding, remark.stack, remark.logical_id) == (
        "buckets_have_a_name",
        "stack",
        "Data",
    )
    assert "nobody can find it" in remark.message


def test_rules_that_are_no_guard_are_an_error_of_the_tool(tmp_path: Path) -> None:
    templates = loaded(tmp_path).deployment.templates
    with pytest.raises(ToolError):
        guard_remarks(templates, sources={"ours": "rule {{{ nonsense"})


def test_our_own_rules_in_guard_are_there() -> None:
    assert guard_sources()
    assert guard_remarks({}, sources={}) == []


def test_the_linter_finds_a_misspelt_operator_and_where_it_is(tmp_path: Path) -> None:
    found = Linting(loaded(tmp_path, Policy=MISSPELT).deployment).remarks()
    (remark,) = [each for each in found if each.finding == "E3512"]
    assert (remark.logical_id, remark.level) == ("Policy", "error")
    assert remark.property.startswith("PolicyDocument.Statement.0.Condition")


def test_a_linter_that_takes_too_long_is_ended_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lint, "MOST_SECONDS", 0.01)
    linting = Linting(loaded(tmp_path).deployment)
    with pytest.raises(ToolError, match="longer than"):
        linting.remarks()
    linting.close()


def test_a_tool_that_cannot_look_is_a_finding_and_not_a_pass(tmp_path: Path) -> None:
    dangling = bucket(BucketName={"Fn::GetAtt": ["Nothing", "Arn"]})
    content = {"Resources": {"Data": dangling}}
    report = review([write_assembly(tmp_path, {"a": content})], profile="any", only=["packs"])
    assert "cdk-nag.failed" in {each.id for each in report.findings}
    assert not report.ok
