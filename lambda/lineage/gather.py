"""Facts for a record, from what the app asked for, what AWS answers and what training left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from customization.request import JobRequest
from lineage.entry import (
    Check,
    DataSet,
    Facts,
    Job,
    Metrics,
    Model,
    Settings,
    Template,
    digest_of,
    moment,
)
from training_metrics.runs import Run
from training_metrics.summary import summarise

_OF_A_CURVE: Final = (
    "label",
    "points",
    "last_step",
    "final_loss",
    "final_perplexity",
    "lowest_loss",
    "lowest_at_step",
)


def settings_of(request: JobRequest) -> Settings:
    """Return what was asked for."""
    asked = request.request
    return Settings(
        base_model=str(asked["baseModelIdentifier"]),
        customization_type=str(asked.get("customizationType", "FINE_TUNING")),
        hyperparameters=dict(asked.get("hyperParameters", {})),
        run=request.run,
        key_name=request.key_name,
        digest=request.digest,
    )


def data_of(
    request: JobRequest, *, checks: Mapping[str, Check] | None = None
) -> tuple[DataSet, ...]:
    """Return the data sets; `checks` are those that passed, by digest, where they are known."""
    known = checks or {}
    found = [
        DataSet(
            purpose="training",
            name=request.dataset_name,
            uri=str(request.request["trainingDataConfig"].get("s3Uri", "")),
            sha256=request.dataset_digest,
            check=known.get(request.dataset_digest),
        )
    ]
    if request.validation_dataset_name and request.validation_dataset_digest:
        validators = request.request["validationDataConfig"]["validators"]
        found.append(
            DataSet(
                purpose="validation",
                name=request.validation_dataset_name,
                uri=str(validators[0]["s3Uri"]),
                sha256=request.validation_dataset_digest,
                check=known.get(request.validation_dataset_digest),
            )
        )
    return tuple(found)


def job_of(answer: Mapping[str, Any]) -> Job:
    """Return the facts of GetModelCustomizationJob's answer."""
    network = answer.get("vpcConfig") or {}
    ended = answer.get("endTime")
    return Job(
        name=str(answer["jobName"]),
        arn=str(answer["jobArn"]),
        status=str(answer.get("status")),
        created=moment(answer["creationTime"]),
        ended=moment(ended) if ended else None,
        role_arn=str(answer["roleArn"]),
        subnet_ids=tuple(network.get("subnetIds", ())),
        security_group_ids=tuple(network.get("securityGroupIds", ())),
        output_uri=str(answer["outputDataConfig"]["s3Uri"]),
    )


def model_of(answer: Mapping[str, Any]) -> Model | None:
    """Return the model of GetModelCustomizationJob's answer, None before there is one."""
    if not answer.get("outputModelArn"):
        return None
    return Model(
        name=str(answer["outputModelName"]),
        arn=str(answer["outputModelArn"]),
        key_arn=answer.get("outputModelKmsKeyArn"),
    )


def metrics_of(run: Run, *, files: Mapping[str, bytes]) -> Metrics:
    """Return what training was like; `files` are the metrics files by their keys."""
    summary = summarise(run)
    return Metrics(
        curves=tuple({key: curve[key] for key in _OF_A_CURVE} for curve in summary["curves"]),
        best=summary["best"],
        verdicts=tuple(one.verdict.value for one in run.judgements),
        files={key: digest_of(content) for key, content in sorted(files.items())},
    )


def facts_of_training(
    *,
    request: JobRequest,
    answer: Mapping[str, Any],
    template: Template | None,
    metrics: Metrics | None,
    checks: Mapping[str, Check] | None = None,
) -> Facts:
    """Return all that is known when a job has completed: the first entry of its model's record."""
    return Facts(
        settings=settings_of(request),
        data=data_of(request, checks=checks),
        template=template,
        job=job_of(answer),
        model=model_of(answer),
        metrics=metrics,
    )
