"""The baselines in version control are of what would be deployed: a change needs an approval."""

from __future__ import annotations

from typing import Any

from review.proofs.baseline import Baseline, access_findings, approve, committed, read
from tests.security.app_deployment import AppDeployment


def of(deployment: AppDeployment) -> Baseline:
    file = committed(deployment.settings.environment)
    assert file is not None
    return read(file)


def is_stale(deployment: AppDeployment) -> bool:
    """Whether approving anew would write something else."""
    approved = of(deployment)
    now = approve(deployment, by="Somebody", because="a comparison")
    return (now.policies, now.traffic) != (approved.policies, approved.traffic)


def test_the_committed_baseline_is_what_would_be_deployed(deployment: AppDeployment) -> None:
    """In each environment of config/; `finetune approve cdk.out --because ...` renews it."""
    assert [each.message for each in access_findings(deployment, of(deployment))[0]] == []
    assert not is_stale(deployment)


def test_the_committed_baseline_says_who_and_why(deployment: AppDeployment) -> None:
    found = of(deployment)
    assert found.environment == deployment.settings.environment
    assert len(found.approved.because) > 40


def test_a_policy_that_changes_makes_it_stale(dev: AppDeployment) -> None:
    def change(templates: dict[str, Any]) -> None:
        for resource in templates["finetune-dev-access"]["Resources"].values():
            document = resource["Properties"].get("PolicyDocument")
            if document:
                document["Statement"].append(
                    {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
                )
                return

    changed = dev.changed(change)
    assert is_stale(changed)
    assert "access.new" in {each.id for each in access_findings(changed, of(dev))[0]}


def test_a_policy_that_loses_something_makes_it_stale_too(dev: AppDeployment) -> None:
    assert is_stale(dev.without_resources("AWS::SNS::TopicPolicy"))


def test_an_environment_that_nobody_approved_has_none() -> None:
    assert committed("nobody-knows") is None
    assert committed("../proofs/run") is None
