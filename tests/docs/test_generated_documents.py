"""The generated parts of the documents show the app as it is, and nothing of who deploys it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.documents import ROOT
from tools.document_diagrams import (
    DiagramError,
    allowed_paths,
    render_network,
    render_stacks,
)
from tools.document_tables import (
    UnknownCostError,
    render_cost,
    render_endpoint_policies,
    render_findings,
)
from tools.generate import GENERATED
from tools.generate_docs import DOCUMENTS, PARTS, MarkerError, fill, render_document
from tools.shown_deployments import CONFIG, Deployment, synthesised

Templates = dict[str, dict[str, Any]]
Change = Callable[[Templates], None]


@pytest.fixture(scope="module")
def dev() -> Deployment:
    return synthesised("dev")


@pytest.fixture(scope="module")
def changed(dev: Deployment) -> Callable[[Change], Deployment]:
    """The deployment of dev with its templates changed."""

    def make(change: Change) -> Deployment:
        return Deployment(
            environment="dev", model=dev.model.changed(change), prefix_lists=dev.prefix_lists
        )

    return make


def resources(templates: Templates, stack: str) -> dict[str, Any]:
    found: dict[str, Any] = templates[f"finetune-dev-{stack}"]["Resources"]
    return found


def of_type(templates: Templates, stack: str, type: str) -> dict[str, Any]:
    """The first resource of a type."""
    return next(each for each in resources(templates, stack).values() if each["Type"] == type)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_fresh(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == DOCUMENTS[name](), "run `make generate`"


def test_make_generate_writes_every_document() -> None:
    assert DOCUMENTS.keys() <= GENERATED.keys()


def no_flow_log(templates: Templates) -> None:
    found = resources(templates, "network")
    del found[next(name for name, each in found.items() if each["Type"] == "AWS::EC2::FlowLog")]


def another_zone(templates: Templates) -> None:
    of_type(templates, "network", "AWS::EC2::Subnet")["Properties"]["AvailabilityZone"] = "x-1z"


def wider_endpoint(templates: Templates) -> None:
    endpoint = of_type(templates, "storage", "AWS::EC2::VPCEndpoint")
    endpoint["Properties"]["PolicyDocument"]["Statement"][0]["Resource"] = "*"


def another_reason(templates: Templates) -> None:
    metadata = of_type(templates, "engine", "AWS::SQS::Queue")["Metadata"]
    metadata["cdk_nag"]["rules_to_suppress"][0]["reason"] = "false positive"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (no_flow_log, "docs/architecture.md"),
        (another_zone, "README.md"),
        (wider_endpoint, "docs/architecture.md"),
        (another_reason, "docs/security.md"),
    ],
)
def test_a_change_of_the_app_makes_a_document_stale(
    change: Change, name: str, changed: Callable[[Change], Deployment]
) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")

    assert render_document(name, shown=changed(change)) != text


def test_a_way_out_of_the_vpc_is_shown(
    dev: Deployment, changed: Callable[[Change], Deployment]
) -> None:
    def internet_gateway(templates: Templates) -> None:
        resources(templates, "network")["Way"] = {"Type": "AWS::EC2::InternetGateway"}

    assert "no way to the Internet or another network" in render_network(dev)
    assert "WAYS OUT: InternetGateway" in render_network(changed(internet_gateway))


def with_settings(folder: Path, **changes: Any) -> Deployment:
    """The deployment of dev with other settings."""
    values = yaml.safe_load((CONFIG / "dev.yaml").read_text(encoding="utf-8"))
    for path in CONFIG.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    # JSON is YAML, and has no aliases.
    (folder / "dev.yaml").write_text(json.dumps({**values, **changes}), encoding="utf-8")
    return synthesised("dev", directory=folder)


@pytest.mark.parametrize("jobs", [0, 2])
def test_other_jobs_are_drawn_too(jobs: int, tmp_path: Path) -> None:
    settings = yaml.safe_load((CONFIG / "dev.yaml").read_text(encoding="utf-8"))
    job = settings["jobs"]["policy-review"]
    deployment = with_settings(tmp_path, jobs={f"job-{number}": job for number in range(jobs)})

    assert render_network(deployment).count("interfaces of a job") == min(jobs, 1)
    assert render_stacks(deployment).count('["job-job-') == jobs
    for name in DOCUMENTS:
        assert render_document(name, shown=deployment)


def test_people_and_account_appear_in_no_document(tmp_path: Path) -> None:
    groups = ("uploaders", "readers", "invokers", "administrators")
    deployment = with_settings(
        tmp_path,
        account="210987654321",
        people={group: ["role/somebody-else"] for group in groups},
    )

    for name in DOCUMENTS:
        assert render_document(name, shown=deployment) == (ROOT / name).read_text(encoding="utf-8")


def test_the_diagram_has_every_group_endpoint_and_subnet(tmp_path: Path) -> None:
    network = {"training_zones": ["a", "c", "d"], "service_zones": ["b", "e"]}
    text = render_network(with_settings(tmp_path, network=network))
    nodes = dict(re.findall(r'(n\d+)[\[(/]+"([^"]+)"', text))
    labels = set(nodes.values())

    assert {"S3 gateway endpoint", "DynamoDB gateway endpoint", "KMS endpoint"} <= labels
    assert {"Bedrock endpoint", "submitter (Lambda)", "data bucket"} <= labels
    assert any(label.startswith("interfaces of a job") for label in labels)
    assert "training subnets, zones a, c, d" in labels
    assert "service subnets, zones b, e" in labels


def test_the_diagram_has_every_allowed_path(dev: Deployment) -> None:
    text = render_network(dev)
    nodes = dict(re.findall(r'(n\d+)[\[(/]+"([^"]+)"', text))
    arrows = {
        (nodes[source].partition("<br/>")[0], nodes[target])
        for source, target in re.findall(r'(n\d+) -->\|"tcp 443"\| (n\d+)', text)
    }

    assert arrows == {
        ("interfaces of a job, made", "KMS endpoint"),
        ("interfaces of a job, made", "S3 gateway endpoint"),
        ("submitter (Lambda)", "Bedrock endpoint"),
        ("submitter (Lambda)", "DynamoDB gateway endpoint"),
        ("submitter (Lambda)", "S3 gateway endpoint"),
    }
    assert "among themselves: all protocols" in text


def arrows_of(text: str) -> set[tuple[str, str, str]]:
    """From, label and to of each arrow that has a label."""
    nodes = dict(re.findall(r'(n\d+)[\[(/]+"([^"]+)"', text))
    return {
        (nodes[source], label, nodes[target])
        for source, label, target in re.findall(r'(n\d+) -->\|"([^"]+)"\| (n\d+)', text)
    }


def test_the_diagram_says_what_the_functions_outside_do(dev: Deployment) -> None:
    arrows = arrows_of(render_network(dev))
    outside = {"completion check", "follower"}

    assert {arrow for arrow in arrows if outside & {arrow[0], arrow[2]}} == {
        ("provider framework<br/>3 functions", "calls", "completion check"),
        ("completion check", "reads Bedrock and EC2", "Amazon Bedrock"),
        ("EventBridge", "a job ended", "follower"),
        ("EventBridge", "every 5 minutes", "follower"),
        ("follower", "reads, stops and deletes", "Amazon Bedrock"),
        ("follower", "reads a job's stack", "CloudFormation"),
        ("follower", "calls", "submitter (Lambda)"),
        ("follower", "keeps states", "table of job states"),
        ("follower", "announces", "encrypted topic"),
    }


def test_a_follower_that_may_do_more_is_drawn_so(
    changed: Callable[[Change], Deployment],
) -> None:
    def more(templates: Templates) -> None:
        for each in resources(templates, "access").values():
            said = each["Properties"].get("PolicyDocument", {"Statement": []})["Statement"]
            for statement in said:
                if statement.get("Sid") == "LookAtTheJobsStacks":
                    statement["Action"] = ["bedrock:CreateModelCustomizationJob", "s3:GetObject"]

    text = render_network(changed(more))

    assert "Functions outside the VPC: access to data" in text
    follower = {arrow[1:] for arrow in arrows_of(text) if arrow[0] == "follower"}
    assert ("reads, submits, stops and deletes Bedrock and S3", "Amazon Bedrock") in follower
    assert ("reads a job's stack", "CloudFormation") not in follower


def test_alarms_are_drawn_to_the_topic_that_they_tell(
    dev: Deployment, changed: Callable[[Change], Deployment]
) -> None:
    def silent(templates: Templates) -> None:
        for each in resources(templates, "engine").values():
            if each["Type"] == "AWS::CloudWatch::Alarm":
                each["Properties"]["AlarmActions"] = []

    assert "2 CloudWatch alarms" in render_network(dev)
    assert "CloudWatch alarms" not in render_network(changed(silent))


def test_a_rule_on_one_side_only_is_refused(changed: Callable[[Change], Deployment]) -> None:
    def drop(templates: Templates) -> None:
        found = resources(templates, "network")
        del found[next(name for name in found if name.startswith("GroupsJobToKmsIn"))]

    with pytest.raises(DiagramError, match="one side only"):
        allowed_paths(changed(drop))


def test_a_rule_to_everywhere_is_shown(changed: Callable[[Change], Deployment]) -> None:
    def open_up(templates: Templates) -> None:
        group = of_type(templates, "network", "AWS::EC2::SecurityGroup")
        group["Properties"]["SecurityGroupEgress"].append(
            {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}
        )

    deployment = changed(open_up)

    assert "0.0.0.0/0" in {path.target for path in allowed_paths(deployment)}
    assert '"0.0.0.0/0"' in render_network(deployment)


def test_the_stacks_are_drawn_in_one_direction(dev: Deployment) -> None:
    text = render_stacks(dev)
    names = dict(re.findall(r'(n\d+)\["([^"]+)"\]', text))
    arrows = re.findall(r"(n\d+) --> (n\d+)", text)
    order = list(names.values())

    assert order[0] == "identity"
    assert set(order) == set(dev.stacks)
    assert all(order.index(names[one]) < order.index(names[two]) for one, two in arrows)


def test_the_cost_follows_endpoints_zones_keys_and_alarms(
    changed: Callable[[Change], Deployment],
) -> None:
    def in_zones(templates: Templates, count: int) -> None:
        for each in resources(templates, "network").values():
            if each["Type"] == "AWS::EC2::VPCEndpoint":
                each["Properties"]["SubnetIds"] = each["Properties"]["SubnetIds"][:1] * count

    # Two endpoints at 0.01 an hour and zone, 730 hours; two keys at 1 a month; alarms on three
    # metrics at 0.10 a month.
    assert "**$31.50**" in render_cost([changed(lambda templates: in_zones(templates, 2))])
    assert "**$46.10**" in render_cost([changed(lambda templates: in_zones(templates, 3))])


def test_the_cost_of_an_alarm_follows_its_metrics(
    dev: Deployment, changed: Callable[[Change], Deployment]
) -> None:
    def one_less(templates: Templates) -> None:
        for each in resources(templates, "engine").values():
            if "Metrics" in each.get("Properties", {}):
                del each["Properties"]["Metrics"][-1]

    assert "| alarms | $0.30 |" in render_cost([dev])
    assert "| alarms | $0.20 |" in render_cost([changed(one_less)])


def test_a_resource_of_unknown_cost_is_refused(changed: Callable[[Change], Deployment]) -> None:
    def add(templates: Templates) -> None:
        resources(templates, "network")["Nat"] = {"Type": "AWS::EC2::NatGateway"}

    with pytest.raises(UnknownCostError, match="AWS::EC2::NatGateway"):
        render_cost([changed(add)])


def test_every_acknowledged_finding_is_in_the_table(dev: Deployment) -> None:
    text = render_findings(dev)
    missing = [
        (each.path, acknowledgement.reason)
        for each in dev.resources
        for acknowledgement in each.acknowledgements
        if acknowledgement.reason not in text
    ]

    assert any(each.acknowledgements for each in dev.resources)
    assert missing == []


def test_an_endpoint_without_conditions_is_open_to_anyone(
    dev: Deployment, changed: Callable[[Change], Deployment]
) -> None:
    def unconditioned(templates: Templates) -> None:
        endpoint = of_type(templates, "storage", "AWS::EC2::VPCEndpoint")
        del endpoint["Properties"]["PolicyDocument"]["Statement"][0]["Condition"]

    assert "| anyone |" not in render_endpoint_policies(dev)
    assert "| anyone |" in render_endpoint_policies(changed(unconditioned))


def test_text_outside_the_markers_is_kept() -> None:
    text = "a\n<!-- generated: x -->\nold\n<!-- end of x -->\nb\n"

    filled = fill(text=text, parts={"x": "new"})

    assert filled == "a\n<!-- generated: x -->\n\nnew\n\n<!-- end of x -->\nb\n"
    assert fill(text=filled, parts={"x": "new"}) == filled


@pytest.mark.parametrize(
    "text",
    [
        "nothing",
        "<!-- generated: y -->\n<!-- end of y -->",
        "<!-- generated: x -->\n",
        "<!-- generated: x -->\n<!-- end of x -->\n" * 2,
    ],
)
def test_a_missing_or_doubled_marker_is_refused(text: str) -> None:
    with pytest.raises(MarkerError):
        fill(text=text, parts={"x": "new"})


def test_every_part_has_its_document() -> None:
    for part, (name, _) in PARTS.items():
        assert f"<!-- generated: {part} -->" in (ROOT / name).read_text(encoding="utf-8")
