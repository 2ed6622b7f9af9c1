"""Templates with the mistakes that peers make: each mistake is found, and a mended one is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from review.findings import Finding
from review.run import review
from tools.review_page import EXPECTED, PEERS, render_peers

MISTAKES = [
    pytest.param(file, entry, id=f"{file}: {entry['mistake'][:50]}")
    for file, peer in yaml.safe_load(EXPECTED.read_text(encoding="utf-8")).items()
    for entry in peer["mistakes"]
]
_KNOWN: dict[Path, tuple[Finding, ...]] = {}


def findings(file: Path) -> tuple[Finding, ...]:
    if file not in _KNOWN:
        _KNOWN[file] = review([file], profile="any", only=["structure", "decisions"]).findings
    return _KNOWN[file]


@pytest.mark.parametrize(("file", "entry"), MISTAKES)
def test_a_mistake_of_peers_is_found(file: str, entry: dict[str, Any]) -> None:
    assert set(entry["found"]) <= {each.id for each in findings(PEERS / file)}


def test_every_template_of_the_folder_is_in_the_table() -> None:
    written = {file.name for file in PEERS.glob("*.yaml")} - {EXPECTED.name}
    assert written == set(yaml.safe_load(EXPECTED.read_text(encoding="utf-8")))


def test_nothing_in_them_is_unknown_to_the_model() -> None:
    for file in sorted(PEERS.glob("*.yaml")):
        if file != EXPECTED:
            unknown = [each.id for each in findings(file) if each.id.startswith("template.")]
            assert unknown == []


DEFAULT_ROUTE = (
    "  DefaultRoute:\n    Type: AWS::EC2::Route\n    Properties: {RouteTableId: !Ref Routes, "
    "DestinationCidrBlock: 0.0.0.0/0, GatewayId: !Ref Gateway}\n"
)
FULL_ACCESS = (
    "      ManagedPolicyArns:\n"
    '        - !Sub "arn:${AWS::Partition}:iam::aws:policy/AmazonBedrockFullAccess"\n'
)
MENDED = {
    "jobs.known-fields": ("upload-starts-a-job.yaml", "Subnets: !Ref", "SubnetIds: !Ref"),
    "keys.rotate": ("module-with-a-role.yaml", "Rotation: false", "Rotation: true"),
    "roles.no-broad-policies": ("script-as-a-template.yaml", FULL_ACCESS, ""),
    "functions.no-secrets": ("train-wait-evaluate.yaml", "SCORE_API_KEY", "SCORE_LIMIT"),
    "network.only-local-routes": ("network-by-hand.yaml", DEFAULT_ROUTE, ""),
    "endpoints.private-dns": (
        "perimeter-of-another-service.yaml",
        "PrivateDnsEnabled: false",
        "PrivateDnsEnabled: true",
    ),
}


@pytest.mark.parametrize("rule", MENDED)
def test_a_mended_template_has_the_finding_no_more(tmp_path: Path, rule: str) -> None:
    name, before, after = MENDED[rule]
    text = (PEERS / name).read_text(encoding="utf-8")
    assert before in text
    mended = tmp_path / name
    mended.write_text(text.replace(before, after), encoding="utf-8")
    assert rule in {each.id for each in findings(PEERS / name)}
    assert rule not in {each.id for each in findings(mended)}


def test_the_table_names_every_mistake() -> None:
    table = render_peers()
    for peer in yaml.safe_load(EXPECTED.read_text(encoding="utf-8")).values():
        assert all(entry["mistake"] in table for entry in peer["mistakes"])
