"""Whatever keyword argument or statement is removed from the constructs, something fails."""

from __future__ import annotations

import hashlib
import os
import random

import pytest

from tests.security.source_weakening import PACKAGES, Removal, removals, survivors

SAMPLE = 10
"""As many as fit into an everyday test run; `pytest -m slow` removes everything in turn."""

# A removal that nothing notices, with why that is no loss. An entry that is noticed, or that the
# sources do not hold any more, is an error, like an acknowledgement without a finding.
_KEY_SAYS_IT = "a key is given besides, and the library takes that to mean encryption with it"
_DEFAULT = "said for the reader: the library's default, or the flag in cdk.json, is the same"
_NAME = "the tag `Name`, which the console shows"
_DRAWN = "how a graph of the dashboard counts: people look at it, and nothing decides by it"
_LIBRARY = "bedrock_finetuning"
ACCEPTED: dict[str, str] = {
    **{
        f"{_LIBRARY}.{place}: super().__init__(encryption=)": _KEY_SAYS_IT
        for place in (
            "dead_letter_queue: DeadLetterQueue.__init__",
            "state_table: StateTable.__init__",
            "training_bucket: TrainingBucket.__init__",
        )
    },
    **{
        f"{_LIBRARY}.training_network: TrainingNetwork.__init__: Vpc(Vpc, {keyword}=)": _DEFAULT
        for keyword in (
            "create_internet_gateway",
            "enable_dns_hostnames",
            "nat_gateways",
            "restrict_default_security_group",
        )
    },
    f"{_LIBRARY}.dead_letter_queue: DeadLetterQueue.__init__: super().__init__(removal_policy=)": (
        _DEFAULT
    ),
    **{
        f"{_LIBRARY}.follower: FollowerTriggers.__init__: {place}": _DEFAULT
        for place in (
            "Alarm(FailedJobs, comparison_operator=)",
            "Metric(period=)",
            "metric_invocations(statistic=)",
            "metric_errors(statistic=)",
        )
    },
    **{
        f"{_LIBRARY}.deployer: DeployerTriggers.__init__: {place}": _DEFAULT
        for place in (
            "Alarm(FollowUp, comparison_operator=)",
            "Alarm(ThroughputOverdue, comparison_operator=)",
            "MathExpression(period=)",
            "Metric(period=)",
            "metric_errors(statistic=)",
            "metric_invocations(statistic=)",
        )
    },
    **{
        f"{_LIBRARY}.dashboard: dashboard_body: _graph({graph}, statistic=)": _DRAWN
        for graph in (
            "Diverged or overfitted",
            "Events that nobody handled",
            "Final losses",
            "Milliseconds to an answer",
        )
    },
    f"{_LIBRARY}.model_deployment: ModelDeployment.__init__: from_properties()": (
        "it refuses at synth what the submitter refuses before anything is deployed"
    ),
    f"{_LIBRARY}.provider_framework: ProviderFramework.__init__: Provider(Provider, "
    "total_timeout=)": _DEFAULT,
    f"{_LIBRARY}.training_network: TrainingNetwork.__init__: from_subnet_attributes("
    "f'ServiceSubnet{zone.upper()}, route_table_id=)": "nothing reads it",
    **{
        f"{_LIBRARY}.{place}: add(Name)": _NAME
        for place in (
            "gateway_endpoint: GatewayEndpoint.__init__",
            "interface_endpoint: InterfaceEndpoint.__init__",
            "security_groups: SecurityGroups._group",
            "training_network: _name",
        )
    },
}


def _workers() -> int:
    return min(2, os.cpu_count() or 1)


def _unexplained(found: list[Removal]) -> list[str]:
    return [f"{each} (line {each.line})" for each in found if str(each) not in ACCEPTED]


def test_there_is_much_to_remove() -> None:
    """A search that finds nothing would let everything through."""
    found = removals()
    assert len(found) > 450
    names = {removal.what for removal in found}
    for expected in (
        "TrainingBucket.__init__: super().__init__(encryption_key=)",
        "TrainingBucket._denials: deny(DenyAnotherKey)",
        "TrainingBucket._denials: deny(DenyAnotherKey, conditions=)",
        "CustomizationRole.__init__: ServicePrincipal(bedrock.amazonaws.com, conditions=)",
        "SecurityGroups._https: CfnSecurityGroupEgress(f'{id}Out, destination_security_group_id=)",
    ):
        assert expected in names


def test_what_is_accepted_is_still_in_the_sources() -> None:
    assert set(ACCEPTED) <= {str(removal) for removal in removals()}


def test_a_sample_of_removals_is_noticed() -> None:
    """Another sample for each state of the sources, and the same one for the same state."""
    found = removals()
    files = sorted(file for folder in PACKAGES.values() for file in folder.glob("*.py"))
    state = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    chosen = random.Random(state).sample(found, SAMPLE)  # noqa: S311 - a sample, not a secret
    assert _unexplained(survivors(chosen, workers=1)) == []


@pytest.mark.slow
def test_every_removal_is_noticed() -> None:
    found = survivors(removals(), workers=_workers())
    assert _unexplained(found) == []
    assert set(ACCEPTED) == {str(each) for each in found}
