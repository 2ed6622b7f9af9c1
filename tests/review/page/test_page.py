"""The reviewer's page: one file, what it says is what the review found, and nothing gets in."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from finetune.main import app
from review.page import render
from review.page.documents import section, steps
from review.page.evidence import evidence_of
from review.page.network import OUTSIDE, Network, network_of, picture_of
from review.report import Report
from review.rules import RULES
from review.run import Part, review, review_loaded
from review.template.assembly import Loaded
from review.template.deployment import Deployment
from tests.review.template.made_up import bucket, write_template
from tests.security.app_deployment import AppDeployment

OWN: Sequence[Part] = ("structure", "decisions", "proofs", "access")
MADE_AT = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


def report_of(deployment: Deployment, *only: Part) -> Report:
    loaded = Loaded(deployment=deployment, problems=())
    return review_loaded(loaded, profile="app", only=only or OWN)


def weakened(dev: AppDeployment) -> AppDeployment:
    """Everybody reads the data, from anywhere, and the network has a way out."""

    def change(templates: dict[str, Any]) -> None:
        for resource in templates["finetune-dev-storage"]["Resources"].values():
            properties = resource["Properties"]
            if resource["Type"] == "AWS::S3::BucketPolicy":
                statements = properties["PolicyDocument"]["Statement"]
                statements[:] = [each for each in statements if "SourceVpce" not in str(each)]
                statements.append(
                    {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}
                )
        templates["finetune-dev-network"]["Resources"]["Gateway"] = {
            "Type": "AWS::EC2::InternetGateway",
            "Properties": {},
        }

    return dev.changed(change)


@pytest.fixture(scope="module")
def clean(dev: AppDeployment) -> str:
    return render(report_of(dev), made_at=MADE_AT)


@pytest.fixture(scope="module")
def broken(dev: AppDeployment) -> str:
    return render(report_of(weakened(dev)), made_at=MADE_AT)


def part(page: str, id_: str) -> str:
    """One section of the page."""
    found = re.search(rf'<section id="{id_}".*?</section>', page, re.DOTALL)
    assert found is not None
    return found[0]


def answer(page: str, id_: str) -> str:
    found = re.search(rf'<article id="answer-{id_}".*?</article>', page, re.DOTALL)
    assert found is not None
    return found[0]


def test_the_page_is_one_file_and_loads_nothing(clean: str) -> None:
    assert not re.search(r"<(?:link|img|iframe|object|embed|base)\b", clean)
    assert set(re.findall(r'(?:src|href)="([^#"][^"]*)"', clean)) == set()
    assert not re.search(r"url\((?!#)|@import|fetch\(|XMLHttpRequest|style=", clean)


def test_its_policy_admits_its_own_style_and_script_by_their_digests(clean: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', clean)
    assert policy is not None
    said = policy[1].replace("&#39;", "'")
    assert said.startswith("default-src 'none'; ")
    for element in ("style", "script"):
        (content,) = re.findall(rf"<{element}>(.*?)</{element}>", clean, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in said


def test_every_link_leads_to_something_on_the_page(clean: str, broken: str) -> None:
    for page in (clean, broken):
        ids = set(re.findall(r'\bid="([^"]+)"', page))
        assert set(re.findall(r'href="#([^"]+)"', page)) <= ids


def test_no_id_stands_twice(clean: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', clean)
    assert len(ids) == len(set(ids))


def test_the_clean_app_has_nothing_open(clean: str) -> None:
    assert "Nothing is open." in part(clean, "verdict")
    assert "leads out of the network past" not in part(clean, "network")
    assert 'class="refuted"' not in clean


def test_what_is_open_stands_first_with_what_to_do(broken: str) -> None:
    verdict = part(broken, "verdict")
    assert "errors and" in verdict
    assert "network.no-way-out" in verdict
    assert "<em>Do:</em>" in verdict


QUESTIONS = {
    "outside": ("Can anyone outside read the data?", "No. No request"),
    "without-vpc": ("What if the job is submitted without the VPC?", "It reads and writes nothing"),
    "decrypt-model": ("Who can decrypt the model?", "invoker (through-service bedrock)"),
    "pull-request": ("What does this pull request let whom do?", "Nothing that was not approved"),
}


@pytest.mark.parametrize("id_", QUESTIONS)
def test_a_question_of_reviewers_is_answered(clean: str, id_: str) -> None:
    question, words = QUESTIONS[id_]
    said = answer(clean, id_)
    assert question in said
    assert words in said
    assert 'class="answer good"' in said


@pytest.mark.parametrize(
    ("id_", "words"),
    [
        ("outside", "444455556666"),
        ("without-vpc", "is allowed"),
        ("pull-request", "things that nobody has approved"),
    ],
)
def test_the_answer_is_another_where_it_is_not_so(broken: str, id_: str, words: str) -> None:
    said = answer(broken, id_)
    assert 'class="answer bad"' in said
    assert words in said


def test_what_was_left_out_is_no_answer(dev: AppDeployment) -> None:
    page = render(report_of(dev, "structure"), made_at=MADE_AT)
    for id_ in QUESTIONS:
        assert 'class="answer open"' in answer(page, id_)
    assert "Not asked" in answer(page, "outside")
    assert "left out" in part(page, "verdict")


def test_a_refuted_proof_shows_its_witness(clean: str, broken: str) -> None:
    assert "<b>Witness:</b>" in part(broken, "proofs")
    assert "Can anyone outside the account get at anything?" in part(clean, "proofs")
    assert "<b>Witness:</b>" not in clean


def test_every_decision_is_a_row(clean: str, dev: AppDeployment) -> None:
    record = report_of(dev, "decisions").record
    assert record is not None
    rows = re.findall(r'<tr id="row-([^"]+)"', part(clean, "decisions"))
    assert rows == [each.row.id for each in record.asked]
    assert 'class="wrong"' not in clean


def test_a_decision_that_comes_out_otherwise_stands_out(broken: str) -> None:
    assert '<tr id="row-job-reads-without-the-endpoint" class="wrong">' in broken


def test_every_rule_stands_under_its_step_with_its_standards(clean: str) -> None:
    controls = part(clean, "controls")
    for rule in RULES.values():
        assert f'id="rule-{rule.id.replace(".", "-")}"' in controls
    standards = part(clean, "standards")
    assert all(each in standards for rule in RULES.values() for each in rule.standards)


def test_a_broken_rule_stands_out_in_its_step_and_its_standards(clean: str, broken: str) -> None:
    assert 'class="broken"' not in clean
    assert 'href="#rule-network-no-way-out" class="broken"' in part(broken, "standards")
    assert "Gateway" in part(broken, "controls")


def test_steps_and_risks_are_those_of_the_documents(clean: str) -> None:
    assert [each.id for each in steps()][:2] == ["W0", "W1"]
    assert len(steps()) == 18
    left = part(clean, "left")
    assert section("security.md", "What risk is left") in left
    assert section("review.md", "What it cannot tell") in left
    assert "Memorised data" in left
    with pytest.raises(LookupError, match="no section"):
        section("security.md", "Nothing of the kind")


def test_evidence_is_what_a_rule_has_read(dev: AppDeployment) -> None:
    found = evidence_of(RULES["keys.rotate"], dev)
    assert not found.violations
    assert {(each.property, each.value) for each in found.looks} >= {("EnableKeyRotation", "true")}
    assert {each.logical_id for each in found.looks} >= {
        each.logical_id for each in dev.of_type("AWS::KMS::Key")
    }
    weaker = dev.put("AWS::KMS::Key", "EnableKeyRotation", False)
    found = evidence_of(RULES["keys.rotate"], weaker)
    assert found.violations
    assert ("EnableKeyRotation", "false") in {(each.property, each.value) for each in found.looks}


def test_every_rule_has_evidence(deployment: AppDeployment) -> None:
    assert [rule.id for rule in RULES.values() if not evidence_of(rule, deployment).looks] == []


def test_what_is_looked_for_and_not_there_is_evidence_too(dev: AppDeployment) -> None:
    def beside(rule: str, deployment: Deployment) -> dict[str, str]:
        found = evidence_of(RULES[rule], deployment)
        return {each.property: each.value for each in found.looks if not each.logical_id}

    routes = "resources of type AWS::EC2::Route"
    assert beside("network.only-local-routes", dev)[routes] == "none"
    routed = dev.plus("network", "AWS::EC2::Route", DestinationCidrBlock="0.0.0.0/0")
    assert routes not in beside("network.only-local-routes", routed)
    assert evidence_of(RULES["network.only-local-routes"], routed).resources == 1
    assert beside("resources.no-macros", dev)["Transform"] == "none"
    assert "finetune-dev-jobs" in beside("resources.outputs-name-ours", dev).values()


def test_what_a_deployment_remembers_is_read_again_where_a_rule_goes_by_nothing_else(
    dev: AppDeployment,
) -> None:
    assert ("PolicyDocument", "AWS::S3::BucketPolicy") in {
        (look.property, resource.type)
        for look in evidence_of(RULES["buckets.endpoint-required"], dev).looks
        for resource in dev.resources
        if (resource.stack, resource.logical_id) == (look.stack, look.logical_id)
    }


def test_names_of_somebody_else_do_not_become_markup(tmp_path: Path) -> None:
    hostile = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    content = {"Resources": {"Data": bucket(BucketName=hostile), hostile: bucket()}}
    file = write_template(tmp_path, content)
    page = render(review([file], profile="any", only=OWN), made_at=MADE_AT)
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_templates_of_somebody_else_have_a_page_without_our_risks(tmp_path: Path) -> None:
    file = write_template(tmp_path, {"Resources": {"Data": bucket()}})
    page = render(review([file], profile="any", only=OWN), made_at=MADE_AT)
    assert "Memorised data" not in page
    assert "no VPC in these templates" in page
    assert "buckets.versioned" in part(page, "verdict")


# The network.


def ways(network: Network) -> set[tuple[str, str, bool]]:
    return {
        (network.called(each.source), network.called(each.target), each.bad)
        for each in network.ways
        if not each.half
    }


def test_the_picture_shows_who_talks_to_whom(dev: AppDeployment) -> None:
    network = network_of(dev)
    job = "Customization jobs: the interfaces Bedrock makes"
    functions = "Functions in the service subnets"
    assert ways(network) == {
        (job, "Amazon S3 endpoint", False),
        (job, "AWS KMS endpoint", False),
        (functions, "Amazon S3 endpoint", False),
        (functions, "Amazon DynamoDB endpoint", False),
        (functions, "Amazon Bedrock endpoint", False),
        ("Amazon S3 endpoint", "Amazon S3", False),
        ("AWS KMS endpoint", "AWS KMS", False),
        ("Amazon DynamoDB endpoint", "Amazon DynamoDB", False),
        ("Amazon Bedrock endpoint", "Amazon Bedrock", False),
    }
    assert not network.leads_out
    assert network.within == (f"{job} to itself: all protocols (egress and ingress)",)


def outward(deployment: Deployment) -> set[str]:
    network = network_of(deployment)
    assert network.leads_out
    return {each.by for each in network.ways if each.bad and each.target == OUTSIDE}


def test_a_gateway_a_route_and_a_rule_lead_out_in_red(dev: AppDeployment) -> None:
    gateway = dev.plus("network", "AWS::EC2::InternetGateway")
    assert outward(gateway) == {"Added00000000"}
    route = dev.plus(
        "network", "AWS::EC2::Route", RouteTableId="rtb-1", DestinationCidrBlock="0.0.0.0/0",
        NatGatewayId="nat-1",
    )  # fmt: skip
    assert outward(route) == {"Added00000000: 0.0.0.0/0, nat-1"}
    (group,) = [each for each in dev.of_type("AWS::EC2::SecurityGroup")
                if "jobs" in each["GroupDescription"]]  # fmt: skip
    rule = dev.plus(
        "network", "AWS::EC2::SecurityGroupEgress", GroupId=group.ref, IpProtocol="-1",
        CidrIp="0.0.0.0/0",
    )  # fmt: skip
    assert outward(rule) == {"egress rule to 0.0.0.0/0"}
    let_in = dev.plus(
        "network", "AWS::EC2::SecurityGroupIngress", GroupId=group.ref, IpProtocol="tcp",
        FromPort=22, ToPort=22, CidrIp="198.51.100.0/24",
    )  # fmt: skip
    assert "reached" in str(network_of(let_in).nodes[-1]) or network_of(let_in).leads_out


def test_an_endpoint_without_a_policy_is_red(dev: AppDeployment) -> None:
    network = network_of(dev.without("AWS::EC2::VPCEndpoint", "PolicyDocument"))
    assert network.leads_out
    assert all(each.bad for each in network.nodes if each.column == "endpoint")


def test_a_rule_that_the_other_side_does_not_answer_is_dashed(dev: AppDeployment) -> None:
    network = network_of(dev.without_resources("AWS::EC2::SecurityGroupIngress"))
    assert {(each.by) for each in network.ways if each.half} == {
        "egress rule, and ingress rule of the other group"
    }
    assert not [each for each in network_of(dev).ways if each.half]


def test_boxes_do_not_lie_on_each_other(dev: AppDeployment) -> None:
    boxes = picture_of(network_of(weakened(dev))).boxes
    assert len({(each.x, each.y) for each in boxes}) == len(boxes)


# The command.


def test_the_command_writes_page_and_sarif(tmp_path: Path) -> None:
    file = write_template(tmp_path, {"Resources": {"Data": bucket()}})
    page, log = tmp_path / "page.html", tmp_path / "log.sarif"
    made = CliRunner().invoke(
        app,
        ["review", str(file), "--profile", "any", "--only", "structure", "--json",
         "--html", str(page), "--sarif", str(log)],
    )  # fmt: skip
    said = json.loads(made.stdout)
    assert (said["html"], said["sarif"]) == (str(page), str(log))
    assert "buckets.versioned" in page.read_text(encoding="utf-8")
    assert json.loads(log.read_text(encoding="utf-8"))["version"] == "2.1.0"


def test_a_page_that_cannot_be_written_ends_with_2(tmp_path: Path) -> None:
    file = write_template(tmp_path, {"Resources": {"Data": bucket()}})
    made = CliRunner().invoke(
        app, ["review", str(file), "--profile", "any", "--only", "structure", "--json",
              "--html", str(tmp_path / "no" / "page.html")]
    )  # fmt: skip
    assert made.exit_code == 2
    assert "cannot be written" in json.loads(made.stdout)["findings"][0]["message"]
