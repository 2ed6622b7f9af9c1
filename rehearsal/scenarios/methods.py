"""Other jobs than plain fine-tuning: taught by a teacher, rated by a function, trained further."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from rehearsal import datasets, main_scenario
from rehearsal.scenarios.stage import Jobs, Stage, must
from rehearsal.toolkit import Assembly

_PLAIN, _FURTHER = "plain", "further"
JOBS: Jobs = {_PLAIN: {}}
_DISTILLED = "distilled"
_REINFORCED = "reinforced"
_PROMPTS, _QUESTIONS = "prompts", "questions"
_RECORDS = 120
_GRADER = "reward-for-answers"
_MORE: Jobs = {
    **JOBS,
    _DISTILLED: {
        "base_model": "amazon.nova-micro-v1:0:128k",
        "customization_type": "DISTILLATION",
        "distillation": {"teacher": "amazon.nova-pro-v1:0", "maximum_response_tokens": 500},
        "dataset": _PROMPTS,
        "hyperparameters": {},
    },
    _REINFORCED: {
        "base_model": "amazon.nova-2-lite-v1:0:256k",
        "customization_type": "REINFORCEMENT_FINE_TUNING",
        "reinforcement": {"grader_function": _GRADER},
        "dataset": _QUESTIONS,
        "hyperparameters": {"epochCount": 2, "learningRate": 1e-5, "reasoningEffort": "high"},
    },
}


def methods(stage: Stage, assembly: Assembly) -> None:
    """Train by distillation, by reinforcement and further, each with what it asks of Bedrock."""
    stage.deploy(assembly, [_PLAIN])
    stage.write_settings(_MORE)
    _push(stage, _PROMPTS, _prompt)
    _push(stage, _QUESTIONS, _question)
    changed = stage.synthesise(_MORE)
    # Base models are in the submitter's and the endpoint's policy, the grader in the job's role's.
    stage.deploy_shared(changed)
    stage.deploy(changed, [_DISTILLED, _REINFORCED])
    for job in (_DISTILLED, _REINFORCED):
        stage.wait_for(stage.output(job, "JobName"), "Completed")
    teacher = _config(stage, _DISTILLED)["distillationConfig"]["teacherModelConfig"]
    must(
        teacher
        == {
            "teacherModelIdentifier": "amazon.nova-pro-v1:0",
            "maxResponseLengthForInference": 500,
        },
        "the student has its teacher",
        seen=teacher,
    )
    rated = _config(stage, _REINFORCED)["rftConfig"]
    arn = rated["graderConfig"]["lambdaGrader"]["lambdaArn"]
    must(arn.endswith(f":function:{_GRADER}"), "the grader is the settings' function", seen=arn)
    must(
        rated["hyperParameters"]
        == {"epochCount": 2, "learningRate": 1e-5, "reasoningEffort": "high"},
        "its hyperparameters are numbers again after CloudFormation made them text",
        seen=rated["hyperParameters"],
    )
    _train_further(stage)
    for job in (_PLAIN, _FURTHER, _DISTILLED, _REINFORCED):
        name = stage.output(job, "ModelName")
        must(name in stage.models(), f"{job} made a model", seen=stage.models())
    stage.delete([_PLAIN, _FURTHER, _DISTILLED, _REINFORCED])
    must(not stage.models(), "their models are gone with their stacks", seen=stage.models())


def _train_further(stage: Stage) -> None:
    """Train the model of the plain job further, by its ARN."""
    bedrock = stage.service("bedrock")
    stage.wait_for(stage.output(_PLAIN, "JobName"), "Completed")
    model = bedrock.get_custom_model(modelIdentifier=stage.output(_PLAIN, "ModelName"))["modelArn"]
    changed = stage.synthesise({**_MORE, _FURTHER: {"base_model": model}})
    stage.deploy_shared(changed)
    stage.deploy(changed, [_FURTHER])
    name = stage.output(_FURTHER, "JobName")
    must(name != stage.output(_PLAIN, "JobName"), "another base model is another job", seen=name)
    stage.wait_for(name, "Completed")


def _push(stage: Stage, name: str, record: Callable[[int], Mapping[str, Any]]) -> None:
    """Push a data set of this scenario's own, as an uploader."""
    path = stage.session.state / f"{name}.jsonl"
    lines = (json.dumps(record(number)) + "\n" for number in range(_RECORDS))
    path.write_text("".join(lines), encoding="utf-8")
    datasets.push_file(
        person=main_scenario.engineer(client=stage.client, settings=stage.settings),
        name=name,
        path=path,
        environment=stage.settings.environment,
        config=stage.config,
        state=stage.session.state,
        children=stage.session.children,
    )


def _prompt(number: int) -> Mapping[str, Any]:
    text = f"Which policies let request number {number} through, and which of them is too wide?"
    return {
        "schemaVersion": "bedrock-conversation-2024",
        "messages": [{"role": "user", "content": [{"text": text}]}],
    }


def _question(number: int) -> Mapping[str, Any]:
    return {
        "messages": [{"role": "user", "content": f"For how many days may access {number} last?"}],
        "reference_answer": {"days": number},
    }


def _config(stage: Stage, job: str) -> Mapping[str, Any]:
    """What Bedrock has of a job's `customizationConfig`."""
    found: Mapping[str, Any] = stage.service("bedrock").get_model_customization_job(
        jobIdentifier=stage.output(job, "JobName")
    )
    must("customizationConfig" in found, f"Bedrock knows what {job} needs besides", seen=found)
    config: Mapping[str, Any] = found["customizationConfig"]
    return config
