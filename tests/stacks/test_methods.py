"""Distilled, reinforced and further trained: what each method asks of Bedrock, and may do."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import app
from customization.request import JobRequest
from tests.security.app_deployment import AppDeployment
from tests.security.controls import (
    JOB,
    endpoints_are_private_ways_for_these_calls,
    jobs_are_private,
    roles_may_do_only_this,
)
from tests.security.synthesis import EVERY_METHOD, write_settings

VariantMaker = Callable[[Mapping[str, Any]], AppDeployment]
MANAGED = "AWS::IAM::ManagedPolicy"
JOBS: Mapping[str, Any] = {"jobs": EVERY_METHOD["jobs"]}
POLICY = {
    "Description": "Asks teachers and graders, and reads what jobs learn from besides datasets"
}
SIDS = [
    "ReadInvocationLogs",
    "ListInvocationLogs",
    "DecryptInvocationLogs",
    "CrossRegionInference",
    "InvokeTheGrader",
    "BaseModelKeyThroughBedrock",
]


@pytest.fixture(scope="module")
def methods(variant: VariantMaker) -> AppDeployment:
    """An environment with a job of each method."""
    return variant(JOBS)


def request_of(deployment: AppDeployment, job: str) -> dict[str, Any]:
    (found,) = deployment.where(JOB, Job=job)
    request: dict[str, Any] = found["Request"]
    return request


def test_every_method_has_its_request_and_its_permissions(methods: AppDeployment) -> None:
    assert jobs_are_private(methods) == []
    assert roles_may_do_only_this(methods) == []
    assert endpoints_are_private_ways_for_these_calls(methods) == []


@pytest.mark.parametrize("sid", SIDS)
def test_a_permission_of_a_method_that_is_gone_or_wider_is_found(
    methods: AppDeployment, sid: str
) -> None:
    statement = f"PolicyDocument.Statement.Sid={sid}"
    (policy,) = methods.where(MANAGED, **POLICY)
    said = next(each for each in policy["PolicyDocument.Statement"] if each.get("Sid") == sid)

    assert roles_may_do_only_this(methods.without(MANAGED, statement, where=POLICY))
    for element in ("Resource", "Action"):
        wider = methods.put(MANAGED, f"{statement}.{element}", "*", where=POLICY)
        assert roles_may_do_only_this(wider)
    if "Condition" in said:
        assert roles_may_do_only_this(
            methods.without(MANAGED, f"{statement}.Condition", where=POLICY)
        )


def test_all_permissions_of_methods_are_weakened_above(methods: AppDeployment) -> None:
    (policy,) = methods.where(MANAGED, **POLICY)

    assert sorted(each["Sid"] for each in policy["PolicyDocument.Statement"]) == sorted(SIDS)


@pytest.mark.parametrize("sid", ["ReadInvocationLogs", "ListInvocationLogs"])
def test_logs_are_read_through_the_endpoint_by_the_job_alone(
    methods: AppDeployment, sid: str
) -> None:
    def change(templates: dict[str, Any]) -> None:
        for resource in templates["finetune-test-storage"]["Resources"].values():
            if resource["Type"] != "AWS::EC2::VPCEndpoint":
                continue
            for each in resource["Properties"]["PolicyDocument"]["Statement"]:
                if each.get("Sid") == sid:
                    del each["Condition"]["ArnEquals"]

    assert endpoints_are_private_ways_for_these_calls(methods.changed(change))


@pytest.mark.parametrize(
    ("job", "path", "value"),
    [
        ("distilled", "Request.customizationConfig", {}),
        ("reinforced", "Request.customizationConfig.rftConfig.graderConfig", {}),
        (
            "distilled",
            "Request.trainingDataConfig.invocationLogsConfig.invocationLogSource.s3Uri",
            "s3://another/",
        ),
        ("further", "Request.baseModelIdentifier", "amazon.nova-pro-v1:0:300k"),
    ],
)
def test_another_request_is_found(
    methods: AppDeployment, job: str, path: str, value: object
) -> None:
    assert jobs_are_private(methods.put(JOB, path, value, where={"Job": job}))


def test_the_requests_are_in_the_apis_own_words(methods: AppDeployment) -> None:
    assert request_of(methods, "distilled")["trainingDataConfig"] == {
        "invocationLogsConfig": {
            "usePromptResponse": True,
            "invocationLogSource": {"s3Uri": "s3://logs-of-calls/bedrock/AWSLogs/"},
            "requestMetadataFilters": {
                "orAll": [{"equals": {"project": "support"}}, {"notEquals": {"stage": "test"}}]
            },
        }
    }
    reinforced = request_of(methods, "reinforced")
    assert "hyperParameters" not in reinforced
    assert reinforced["customizationConfig"]["rftConfig"]["hyperParameters"] == {
        "epochCount": "2",
        "learningRate": "0.00001",
        "reasoningEffort": "high",
    }


def read_again(deployment: AppDeployment, job: str) -> JobRequest:
    """A job's request as the submitter reads it, with ids that AWS would make."""
    (found,) = deployment.where(JOB, Job=job)
    properties = copy.deepcopy(dict(found.properties))
    properties.pop("ServiceTimeout")
    request: dict[str, Any] = copy.deepcopy(found["Request"])
    request |= {
        "roleArn": "arn:aws:iam::111122223333:role/some-role",
        "customModelKmsKeyId": "alias/some-key",
        "vpcConfig": {"subnetIds": ["subnet-1234abcd"], "securityGroupIds": ["sg-1234abcd"]},
    }
    properties["Request"] = request
    return JobRequest.from_properties(properties)


def test_the_submitter_takes_every_request(methods: AppDeployment) -> None:
    for job in EVERY_METHOD["jobs"]:
        arguments = read_again(methods, job).create_arguments(attempt=1)
        assert arguments["jobName"].startswith(f"test-{job}-")
    typed = read_again(methods, "reinforced").request["customizationConfig"]["rftConfig"]
    assert typed["hyperParameters"] == {
        "epochCount": 2,
        "learningRate": 1e-5,
        "reasoningEffort": "high",
    }


def test_another_teacher_grader_or_filter_trains_anew(variant: VariantMaker) -> None:
    jobs = EVERY_METHOD["jobs"]
    logs = jobs["distilled"]["invocation_logs"]
    changed = variant(
        {
            "jobs": {
                "distilled": {**jobs["distilled"], "invocation_logs": {**logs, "match": "all"}},
                "reinforced": {
                    **jobs["reinforced"],
                    "reinforcement": {"grader_function": "another"},
                },
            }
        }
    )
    same = variant(JOBS)
    for job in ("distilled", "reinforced"):
        assert read_again(changed, job).digest != read_again(same, job).digest
        assert read_again(same, job).digest == read_again(variant(JOBS), job).digest


def test_fine_tuning_needs_no_permissions_of_methods(variant: VariantMaker) -> None:
    plain = variant({})

    assert plain.settings.jobs
    assert plain.where(MANAGED, **POLICY) == []


def test_a_folder_of_logs_is_the_same_with_a_slash_and_without(variant: VariantMaker) -> None:
    job = EVERY_METHOD["jobs"]["distilled"]
    logs = {**job["invocation_logs"], "prefix": f"{job['invocation_logs']['prefix']}/"}
    slashed = variant({"jobs": {"distilled": {**job, "invocation_logs": logs}}})

    assert read_again(slashed, "distilled").digest == read_again(variant(JOBS), "distilled").digest
    assert roles_may_do_only_this(slashed) == []


def test_a_grader_by_name_is_the_accounts_own(methods: AppDeployment) -> None:
    grader = request_of(methods, "reinforced")["customizationConfig"]["rftConfig"]["graderConfig"]

    assert grader["lambdaGrader"]["lambdaArn"] == methods.arn(
        "lambda", "function:reward-for-answers:live"
    )


def test_two_jobs_that_need_the_same_say_it_once(variant: VariantMaker) -> None:
    jobs = EVERY_METHOD["jobs"]
    other = {**jobs["reinforced"], "reinforcement": {"grader_function": "another"}}
    made = variant(
        {"jobs": {"one": jobs["reinforced"], "two": {**jobs["reinforced"], "run": 2}, "x": other}}
    )
    (policy,) = made.where(MANAGED, **POLICY)

    assert [each["Sid"] for each in policy["PolicyDocument.Statement"]] == [
        "InvokeTheGrader",
        "InvokeTheGrader2",
    ]
    assert roles_may_do_only_this(made) == []


@pytest.mark.slow
def test_every_method_passes_the_gates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_settings(tmp_path / "config", "dev", EVERY_METHOD)
    monkeypatch.setenv("CDK_OUTDIR", str(tmp_path / "out"))
    monkeypatch.setenv("FINETUNE_CONFIG", str(tmp_path / "config"))

    assert app.main() == 0, capsys.readouterr().err
