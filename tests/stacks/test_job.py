"""Jobs: private by their request, the same for the same content, one stack each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from customization.request import JobRequest
from tests.security.app_deployment import AppDeployment
from tests.security.controls import JOB, jobs_are_private

TWO_JOBS: dict[str, Any] = {
    "tags": {"team": "legal"},
    "jobs": {
        "plain": {"base_model": "amazon.nova-micro-v1:0:128k", "dataset": "short-reviews"},
        "rich": {
            "base_model": "amazon.nova-lite-v1:0:300k",
            "dataset": "reviews",
            "validation_dataset": "held-back",
            "hyperparameters": {"epochCount": 3, "learningRate": "0.00001"},
            "run": 2,
            "wait_for": "submission",
            "on_replace": "delete-model",
            "on_delete": "keep-model",
            "tags": {"purpose": "review"},
        },
    },
}
VariantMaker = Callable[[Mapping[str, Any]], AppDeployment]


def test_every_job_names_its_network_its_key_and_its_role(deployment: AppDeployment) -> None:
    assert jobs_are_private(deployment) == []


def test_every_setting_of_a_job_reaches_its_request(variant: VariantMaker) -> None:
    assert jobs_are_private(variant(TWO_JOBS)) == []


@pytest.mark.parametrize(
    "path",
    [
        "Request.vpcConfig",
        "Request.vpcConfig.subnetIds.0",
        "Request.vpcConfig.securityGroupIds",
        "Request.customModelKmsKeyId",
        "Request.roleArn",
        "Request.jobTags",
        "Request.customModelTags",
        "Request.trainingDataConfig",
        "ServiceTimeout",
        "DatasetDigest",
        "OnReplace",
        "OnDelete",
    ],
)
def test_a_job_without_something_is_found(dev: AppDeployment, path: str) -> None:
    assert jobs_are_private(dev.without(JOB, path))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("Request.customModelKmsKeyId", "alias/aws/bedrock"),
        ("Request.roleArn", "arn:aws:iam::111122223333:role/Admin"),
        ("Request.outputDataConfig.s3Uri", "s3://another/"),
        ("Request.vpcConfig.securityGroupIds", ["sg-open"]),
        ("ServiceToken", "arn:aws:lambda:us-east-1:444455556666:function:other"),
    ],
)
def test_a_job_elsewhere_is_found(dev: AppDeployment, path: str, value: object) -> None:
    assert jobs_are_private(dev.put(JOB, path, value))


def test_each_job_has_a_stack_and_its_names_as_outputs(variant: VariantMaker) -> None:
    made = variant(TWO_JOBS)
    for job in ("plain", "rich"):
        stack = f"finetune-test-job-{job}"
        assert [each.type for each in made.resources if each.stack == stack] == [JOB]
        outputs = {name for at, name in made.outputs if at == stack}
        assert outputs == {"JobName", "ModelName", "State"}


def _names(deployment: AppDeployment) -> dict[str, str]:
    """The names that the submitter would give the jobs.

    The model's ids are none that AWS would make, and the request is checked: what does not enter a
    name is replaced.
    """
    made = {}
    for job in deployment.of_type(JOB):
        properties = {key: each for key, each in job.properties.items() if key != "ServiceTimeout"}
        properties["Request"] = {
            **job["Request"],
            "roleArn": "arn:aws:iam::111122223333:role/some-role",
            "customModelKmsKeyId": "alias/some-key",
            "vpcConfig": {"subnetIds": ["subnet-1234abcd"], "securityGroupIds": ["sg-1234abcd"]},
        }
        made[job["Job"]] = JobRequest.from_properties(properties).name(attempt=1)
    return made


def test_what_does_not_change_the_model_does_not_train_again(variant: VariantMaker) -> None:
    """Subnets, tags, roles and what becomes of the data: another submission, the same model."""
    changed = variant(
        {
            **TWO_JOBS,
            "network": {"training_zones": ["a", "b"], "cidr": "10.99.0.0/16"},
            "tags": {"team": "other"},
            "permissions_boundary": "boundary",
            "storage": {"retain": False},
        }
    )
    assert _names(changed) == _names(variant(TWO_JOBS))


def _digests(variant: VariantMaker, **changes: Mapping[str, Any]) -> dict[str, str]:
    """The part of each job's name that says what is trained; `same` is the job without a change."""
    job = TWO_JOBS["jobs"]["rich"]
    jobs = {"same": job, **{name: {**job, **fields} for name, fields in changes.items()}}
    names = _names(variant({**TWO_JOBS, "jobs": jobs}))
    return {job: name.rsplit("-", maxsplit=1)[-1] for job, name in names.items()}


def test_what_changes_the_model_trains_again(variant: VariantMaker) -> None:
    digests = _digests(
        variant,
        run={"run": 3},
        model={"base_model": "amazon.nova-pro-v1:0:300k"},
        more={"hyperparameters": {"epochCount": 4}},
        fewer={"hyperparameters": {"epochCount": 3}},
    )
    assert len(set(digests.values())) == 5


def test_what_only_governs_a_job_does_not_train_again(variant: VariantMaker) -> None:
    digests = _digests(
        variant,
        tags={"tags": {"a": "b"}},
        wait={"wait_for": "validation"},
        replace={"on_replace": "keep-model"},
        delete={"on_delete": "delete-model"},
        # The stand-in digest is the same for every data set of these settings: the name alone
        # says nothing of the content.
        data={"dataset": "held-back"},
    )
    assert len(digests) == 6
    assert len(set(digests.values())) == 1
