"""The methods of the settings in the terms of the constructs, and what they need of permissions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from aws_cdk import aws_iam as iam
from constructs import Construct

from bedrock_finetuning import methods
from bedrock_finetuning.customization_job import Dataset
from settings import DatasetLock, Job, Settings


def dataset_of(lock: DatasetLock) -> Dataset:
    """A pushed data set."""
    return Dataset(name=lock.name, key=lock.key, sha256=lock.sha256)


def training_source(job: Job) -> Dataset | methods.InvocationLogs:
    """What a job learns from."""
    if job.training_data is not None:
        return dataset_of(job.training_data)
    logs = job.invocation_logs
    if logs is None:
        raise LookupError("job without data: the loader refuses such settings")
    return methods.InvocationLogs(
        bucket=logs.bucket,
        prefix=logs.prefix,
        key_arn=logs.key,
        use_responses=logs.use_responses,
        match=logs.match,
        filters=[
            methods.LogFilter(
                key=each.key,
                value=str(each.not_equals if each.equals is None else each.equals),
                equal=each.equals is not None,
            )
            for each in logs.filters
        ],
    )


def method_of(job: Job) -> methods.Distillation | methods.Reinforcement | None:
    """What a job's method needs beside a base model and data."""
    if job.distillation is not None:
        profile = job.distillation.inference_profile
        return methods.Distillation(
            teacher=job.distillation.teacher,
            profile=profile.id if profile else None,
            profile_regions=profile.regions if profile else (),
            maximum_response_tokens=job.distillation.maximum_response_tokens,
        )
    if job.reinforcement is not None:
        return methods.Reinforcement(
            grader=job.reinforcement.grader_function, hyperparameters=job.hyperparameters
        )
    return None


def statements_to_read_logs(scope: Construct, *, settings: Settings) -> list[iam.PolicyStatement]:
    """Reading the invocation logs that jobs learn from; none where no job does."""
    sources = map(training_source, settings.jobs.values())
    return _distinct(
        each.statements(scope) for each in sources if isinstance(each, methods.InvocationLogs)
    )


def statements_of_methods(scope: Construct, *, settings: Settings) -> list[iam.PolicyStatement]:
    """What the methods of all jobs need of the customization role, each thing once."""
    found: list[Sequence[iam.PolicyStatement]] = []
    for job in settings.jobs.values():
        source, method = training_source(job), method_of(job)
        if isinstance(source, methods.InvocationLogs):
            found += [source.statements(scope), source.key_statements(scope)]
        match method:
            case methods.Distillation():
                found.append(methods.statements_to_ask_the_teacher(scope, distillation=method))
            case methods.Reinforcement(grader=grader):
                found.append(methods.statements_to_grade(scope, grader=grader))
        if job.base_model_key is not None:
            found.append(
                methods.statements_to_use_a_base_models_key(scope, key_arn=job.base_model_key)
            )
    return _distinct(found)


def _distinct(groups: Iterable[Sequence[iam.PolicyStatement]]) -> list[iam.PolicyStatement]:
    """Statements that say the same once; the sids of others are told apart by numbers."""
    said = {
        json.dumps(each.to_statement_json(), sort_keys=True): each
        for group in groups
        for each in group
    }
    kept = list(said.values())
    sids = [str(each.sid) for each in kept]
    for number, statement in enumerate(kept):
        earlier = sids[:number].count(sids[number])
        if earlier:
            statement.sid = f"{sids[number]}{earlier + 1}"
    return kept
