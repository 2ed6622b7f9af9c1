"""One customization job, in a stack of its own that comes last and goes first."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from bedrock_finetuning.customization_job import CustomizationJob, Training
from bedrock_finetuning.model_deployment import ModelDeployment, Serving, SmokeTest
from bedrock_finetuning.naming import Names
from settings import Job, Settings

from .encryption import EncryptionStack
from .engine import EngineStack
from .identity import IdentityStack
from .inference import InferenceStack
from .methods import dataset_of, method_of, training_source
from .network import NetworkStack
from .storage import StorageStack


class JobStack(Stack):
    """A job of the settings. Its name carries the content, not the stack."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        name: str,
        job: Job,
        settings: Settings,
        names: Names,
        identity: IdentityStack,
        encryption: EncryptionStack,
        network: NetworkStack,
        storage: StorageStack,
        engine: EngineStack,
        inference: InferenceStack | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, id, description=f"The customization job {name}", **kwargs)
        self.job = CustomizationJob(
            self,
            "Job",
            service_token=engine.engine.service_token,
            environment=names.environment,
            job=name,
            training=Training(
                base_model=job.base_model,
                customization_type=job.customization_type,
                hyperparameters=job.hyperparameters,
                training=training_source(job),
                validation=dataset_of(job.validation_data) if job.validation_data else None,
                method=method_of(job),
                run=job.run,
            ),
            bucket=storage.bucket,
            role=identity.customization,
            key=encryption.model_key,
            key_name="model",
            subnet_ids=network.network.training_subnet_ids,
            security_group_ids=[network.groups.job.security_group_id],
            tags={**settings.tags, **job.tags},
            wait_for=job.wait_for,
            validation_minutes=settings.engine.validation_minutes,
            on_replace=job.on_replace,
            on_delete=job.on_delete,
        )
        for output in ("JobName", "ModelName", "State"):
            CfnOutput(self, output, value=self.job.resource.get_att_string(output))
        if inference is not None and job.deployment.kind != "none":
            self._deployment(
                job=job, settings=settings, names=names, engine=engine, inference=inference
            )

    def _deployment(
        self,
        *,
        job: Job,
        settings: Settings,
        names: Names,
        engine: EngineStack,
        inference: InferenceStack,
    ) -> None:
        deployment = ModelDeployment(
            self,
            "Deployment",
            service_token=engine.engine.service_token,
            environment=names.environment,
            job=job.name,
            job_name=self.job.resource.ref,
            table_name=inference.table.table_name,
            serving=serving_of(job),
            tags={**settings.tags, **job.tags},
        )
        CfnOutput(self, "DeploymentName", value=deployment.resource.ref)


def serving_of(job: Job) -> Serving:
    """How a job's model is to be served; not asked of a job whose deployment is `none`."""
    wish = job.deployment
    if wish.kind == "none":
        raise ValueError(f"the job {job.name} wants no deployment")
    return Serving(
        kind=wish.kind,
        model_units=wish.model_units,
        commitment=wish.commitment,
        hours=wish.ends_after_hours,
        smoke_tests=[
            SmokeTest(
                prompt=test.prompt,
                contains=test.contains,
                not_contains=test.not_contains,
                matches=test.matches,
                max_seconds=test.max_seconds,
                max_tokens=test.max_tokens,
            )
            for test in wish.smoke_tests
        ],
    )
