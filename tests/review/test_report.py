"""One report: each thing once, the most serious first, what is taken apart from what is open."""

from __future__ import annotations

import json

from review.findings import Finding, Level
from review.others.acknowledgements import Acknowledged
from review.report import SAME, Report, divide, fold, order, subject
from review.rules import RULES


def finding(id_: str, *, at: str = "Bucket", message: str = "m", level: Level = "error") -> Finding:
    where = {"stack": "s", "logical_id": at} if at else {}
    return Finding(id=id_, level=level, message=message, fix="f", where=where)


def test_what_several_packs_and_a_rule_of_ours_say_is_told_once() -> None:
    said = [
        finding("buckets.tls-only", message="plain HTTP"),
        finding("AwsSolutions::AwsSolutions-S10"),
        finding("HIPAA.Security::HIPAA.Security-S3BucketSSLRequestsOnly"),
        finding("PCI.DSS.321::PCI.DSS.321-S3BucketSSLRequestsOnly"),
    ]
    (kept,), count = fold(said)
    assert count == 3
    assert kept.id == "buckets.tls-only"
    assert kept.message.startswith("plain HTTP (also AwsSolutions::AwsSolutions-S10, HIPAA")


def test_the_same_of_another_resource_is_told_again() -> None:
    kept, count = fold([finding("buckets.tls-only"), finding("buckets.tls-only", at="Other")])
    assert (len(kept), count) == (2, 0)


def test_two_things_that_one_rule_says_of_a_resource_stay_two() -> None:
    said = [finding("jobs.tagged", message="one"), finding("jobs.tagged", message="two")]
    assert fold(said) == (said, 0)
    assert fold([*said, *said]) == (said, 2)


def test_details_of_wildcards_are_findings_of_their_own() -> None:
    kept, _ = fold([finding("AwsSolutions::AwsSolutions-IAM5[Resource::a/*]"),
                    finding("AwsSolutions::AwsSolutions-IAM5[Resource::b/*]")])  # fmt: skip
    assert len(kept) == 2


def test_a_folded_finding_keeps_the_higher_level() -> None:
    said = [
        finding("flow-logs.every-vpc", level="warning"),
        finding("AwsSolutions::AwsSolutions-VPC7"),
    ]
    (kept,), _ = fold(said)
    assert kept.level == "error"


def test_findings_of_no_place_are_told_by_their_words() -> None:
    said = [finding("x.y", at="", message="one"), finding("x.y", at="", message="two")]
    assert fold(said) == (said, 0)


def test_rules_of_others_are_folded_into_rules_that_there_are() -> None:
    assert set(SAME.values()) <= set(RULES)
    assert subject("nobody-knows") == "nobody-knows"


def test_the_most_serious_comes_first() -> None:
    said = [finding("a", level="note"), finding("b", level="warning"), finding("c")]
    assert [each.id for each in order(said)] == ["c", "b", "a"]


def test_what_is_acknowledged_is_shown_with_its_reason_and_the_rest_is_open() -> None:
    taken = Acknowledged(stack="s", logical_id="Bucket", finding="P::P-1", reason="because of it")
    opened, answered = divide([finding("P::P-1"), finding("P::P-1", at="Other")], [taken])
    assert [each.where["logical_id"] for each in opened] == ["Other"]
    assert [(each.finding.id, each.reason) for each in answered] == [("P::P-1", "because of it")]
    assert answered[0].as_json()["reason"] == "because of it"


def test_notes_alone_leave_a_report_in_order() -> None:
    def report(*findings: Finding) -> Report:
        return Report(findings=findings, acknowledged=(), profile="any", parts=("structure",))

    assert report(finding("a", level="note")).ok
    assert not report(finding("a", level="warning")).ok
    assert report().counts() == {"error": 0, "warning": 0, "note": 0}
    json.dumps(report().as_json())
