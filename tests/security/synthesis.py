"""Synthesising the app inside the test process, once for each environment and variant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import app
from review.template.assembly import load
from settings import load_settings
from settings.training_checks import model_of
from tests.security.app_deployment import AppDeployment

DIGEST: Final = "0123456789abcdef" * 4

VALUES: Final[Mapping[str, Any]] = {
    "region": "us-east-1",
    "people": {
        "uploaders": ["role/engineer"],
        "readers": ["role/engineer", "user/auditor"],
        "invokers": ["role/application-*"],
        "administrators": ["role/administrator"],
    },
    "jobs": {"review": {"base_model": "amazon.nova-micro-v1:0:128k", "dataset": "reviews"}},
}
"""Correct settings that variants start from."""

EVERY_OPTION: Final[Mapping[str, Any]] = {
    **VALUES,
    "permissions_boundary": "boundary",
    "keys": {"direct_kms": True},
    "engine": {"reserved_concurrency": 2, "max_jobs_in_progress": 3, "follow_minutes": 7},
    "network": {"scoped_s3_endpoint_policy": False},
    "jobs": {
        "review": {
            "base_model": "amazon.nova-lite-v1:0:300k",
            "dataset": "reviews",
            "validation_dataset": "held-back",
            "hyperparameters": {"epochCount": 2},
        },
    },
}
"""Correct settings that take the other side of what the settings of dev take by default."""

EVERY_METHOD: Final[Mapping[str, Any]] = {
    **VALUES,
    "jobs": {
        "distilled": {
            "base_model": "amazon.nova-micro-v1:0:128k",
            "customization_type": "DISTILLATION",
            "distillation": {
                "teacher": "amazon.nova-pro-v1:0",
                "inference_profile": {
                    "id": "us.amazon.nova-pro-v1:0",
                    "regions": ["us-east-1", "us-west-2"],
                },
                "maximum_response_tokens": 1000,
            },
            "invocation_logs": {
                "bucket": "logs-of-calls",
                "prefix": "bedrock/AWSLogs",
                "key": "arn:aws:kms:us-east-1:111122223333:key/logs-of-calls",
                "use_responses": True,
                "match": "any",
                "filters": [
                    {"key": "project", "equals": "support"},
                    {"key": "stage", "not_equals": "test"},
                ],
            },
        },
        "reinforced": {
            "base_model": "amazon.nova-2-lite-v1:0:256k",
            "customization_type": "REINFORCEMENT_FINE_TUNING",
            "reinforcement": {"grader_function": "reward-for-answers:live"},
            "dataset": "questions",
            "hyperparameters": {"epochCount": 2, "learningRate": 1e-5, "reasoningEffort": "high"},
        },
        "further": {
            "base_model": "arn:aws:bedrock:us-east-1:111122223333:custom-model/"
            "amazon.nova-pro-v1:0:300k/abcdefghij12",
            "base_model_key": "arn:aws:kms:us-east-1:111122223333:key/older-models",
            "dataset": "more-reviews",
        },
    },
}
"""Correct settings with a job of each method that is not plain fine-tuning."""


WITH_INFERENCE: Final[Mapping[str, Any]] = {
    **VALUES,
    "inference": {"enabled": True},
    "jobs": {
        "review": {
            "base_model": "amazon.nova-micro-v1:0:128k",
            "dataset": "reviews",
            "deployment": {
                "kind": "on_demand",
                "smoke_tests": [{"prompt": "What is it about?", "contains": ["policy"]}],
            },
        },
        "bought": {
            "base_model": "amazon.nova-2-lite-v1:0:256k",
            "dataset": "questions",
            "tags": {"team": "legal"},
            "deployment": {"kind": "provisioned", "model_units": 2, "hours": 4},
        },
        "plain": {"base_model": "amazon.nova-micro-v1:0:128k", "dataset": "reviews"},
    },
}
"""Correct settings with a deployment of each kind, and a job without one."""


def write_settings(folder: Path, environment: str, values: Mapping[str, Any]) -> None:
    """Write a settings file and a lock file with every data set that its jobs name."""
    folder.mkdir(parents=True, exist_ok=True)
    families = {
        job[field]: _family(job)
        for job in values.get("jobs", {}).values()
        for field in ("dataset", "validation_dataset")
        if field in job
    }
    lock = {
        name: {
            "sha256": DIGEST,
            "key": f"fine-tuning-datasets/{name}/{DIGEST}/train.jsonl",
            "bytes": 1000,
            "records": 200,
            "check": {
                "version": "1",
                "model_family": family,
                "ok": True,
                "at": "2026-11-22T12:00:00Z",
            },
        }
        for name, family in sorted(families.items())
    }
    (folder / "datasets.lock.json").write_text(json.dumps(lock, indent=2), encoding="utf-8")
    # JSON is YAML.
    (folder / f"{environment}.yaml").write_text(json.dumps(values, indent=2), encoding="utf-8")


def _family(job: Mapping[str, Any]) -> str | None:
    """The family of data sets that a job's base model takes for its method."""
    model = model_of(job["base_model"])
    found = model.families.get(job.get("customization_type", "FINE_TUNING")) if model else None
    return found.name if found else None


def synthesise(*, environment: str, directory: Path, outdir: Path) -> AppDeployment:
    """Synthesise an environment without the gates, and read what would be deployed."""
    cdk_app = app.new_app(outdir=str(outdir), environment=environment)
    app.build_app(cdk_app, directory=directory, gates=False)
    cdk_app.synth()
    return read(environment=environment, directory=directory, outdir=outdir)


def read(*, environment: str, directory: Path, outdir: Path) -> AppDeployment:
    """Read an assembly that was synthesised before."""
    found = load([outdir]).deployment
    return AppDeployment(
        settings=load_settings(environment=environment, directory=directory),
        templates=found.templates,
        dependencies=found.dependencies,
        protected=found.protected,
        stacks=found.stacks,
    )
