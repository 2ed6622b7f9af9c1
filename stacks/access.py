"""What the roles may do with keys, data, network and Bedrock: managed policies on the shells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from bedrock_finetuning.attached_policy import AttachedPolicy
from bedrock_finetuning.function import statements_to_run_in_a_vpc
from bedrock_finetuning.job_interfaces import (
    statements_to_create_interfaces,
    statements_to_manage_interfaces,
)
from bedrock_finetuning.naming import DATASETS_PREFIX, OUTPUTS_PREFIX, Names
from bedrock_finetuning.serving import (
    statements_to_deploy,
    statements_to_end_throughput,
    statements_to_invoke,
    statements_to_report,
    statements_to_try,
)
from bedrock_finetuning.submission import (
    statements_to_end,
    statements_to_follow,
    statements_to_submit,
)
from settings import Settings

from .encryption import EncryptionStack
from .identity import IdentityStack, InferenceRoles
from .methods import statements_of_methods
from .network import NetworkStack
from .storage import StorageStack


class AccessStack(Stack):
    """One managed policy for each thing a role does."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: Settings,
        names: Names,
        identity: IdentityStack,
        encryption: EncryptionStack,
        network: NetworkStack,
        storage: StorageStack,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            scope,
            id,
            description="Permissions of a private environment for Bedrock model customization",
            **kwargs,
        )
        bucket, data_key, model_key = storage.bucket, encryption.data_key, encryption.model_key
        objects = data_key.statement_to_read_and_write_objects
        subnet_ids = network.network.training_subnet_ids
        group_ids = [network.groups.job.security_group_id]

        self._policy(
            "CustomizationData",
            identity.customization,
            "Reads datasets and writes outputs",
            bucket.statements_to_train(),
        )
        keys = [objects(bucket_arn=bucket.bucket_arn), model_key.statement_to_customize()]
        if settings.keys.direct_kms:
            keys.append(model_key.statement_to_call_directly())
        self._policy(
            "CustomizationKeys",
            identity.customization,
            "Uses the data key through S3 and the model key through Bedrock",
            keys,
        )
        self._policy(
            "CustomizationInterfaces",
            identity.customization,
            "Creates a job's interfaces in the training subnets",
            statements_to_create_interfaces(
                self, subnet_ids=subnet_ids, security_group_ids=group_ids
            ),
        )
        self._policy(
            "CustomizationNetwork",
            identity.customization,
            "Looks at the network and removes a job's interfaces",
            statements_to_manage_interfaces(self, subnet_ids=subnet_ids),
        )
        # Most jobs need nothing besides; IAM takes no policy without a statement.
        if of_methods := statements_of_methods(self, settings=settings):
            self._policy(
                "CustomizationMethods",
                identity.customization,
                "Asks teachers and graders, and reads what jobs learn from besides datasets",
                of_methods,
            )
        self._policy(
            "SubmitterBedrock",
            identity.submitter,
            "Submits, stops and removes jobs of this environment",
            statements_to_submit(
                self,
                environment=names.environment,
                base_models=settings.base_models,
                role=identity.customization,
            ),
        )
        submitter_data = bucket.statements_to_look_for_datasets()
        if settings.keys.submitter_uses_model_key:
            submitter_data.append(model_key.statement_to_customize())
        self._policy(
            "SubmitterData",
            identity.submitter,
            "Looks whether a dataset is there, and lets Bedrock use the model key",
            submitter_data,
        )
        self._policy(
            "SubmitterNetwork",
            identity.submitter,
            "Lets Lambda put the submitter into the service subnets",
            statements_to_run_in_a_vpc(self, function_name=names.function("submitter")),
        )
        self._policy(
            "CompletionCheck",
            identity.completion_check,
            "Sees the state of jobs and of their interfaces",
            statements_to_follow(self),
        )
        self._policy(
            "Follower",
            identity.follower,
            "Sees jobs and their stacks, and ends the jobs that nobody wants any more",
            statements_to_end(self, names=names),
        )
        if identity.inference and network.runtime_endpoint:
            self._inference_policies(
                settings=settings,
                names=names,
                roles=identity.inference,
                endpoint_id=network.runtime_endpoint.endpoint_id,
                encryption=encryption,
                storage=storage,
            )
        self._policy(
            "Uploader",
            identity.uploader,
            "Writes datasets once",
            [*bucket.statements_to_upload(), objects(bucket_arn=bucket.bucket_arn)],
        )
        self._policy(
            "Reader",
            identity.reader,
            "Reads datasets and outputs",
            [
                *bucket.statements_to_read(prefixes=(DATASETS_PREFIX, OUTPUTS_PREFIX)),
                data_key.statement_to_read_objects(bucket_arn=bucket.bucket_arn),
            ],
        )

    def _inference_policies(
        self,
        *,
        settings: Settings,
        names: Names,
        roles: InferenceRoles,
        endpoint_id: str,
        encryption: EncryptionStack,
        storage: StorageStack,
    ) -> None:
        data_key, model_key = encryption.data_key, encryption.model_key
        deployer = statements_to_deploy(
            self, names=names, scheduler=roles.scheduler, data_key=data_key
        )
        if settings.keys.deployer_uses_model_key:
            deployer.append(model_key.statement_to_customize())
        self._policy(
            "Deployer", roles.deployer, "Deploys models of this environment, and removes", deployer
        )
        self._policy(
            "Scheduler",
            roles.scheduler,
            "Gives this environment's throughput back",
            statements_to_end_throughput(self, names=names, data_key=data_key),
        )
        self._policy(
            "Invoker",
            roles.invoker,
            "Calls this environment's models through its own endpoint",
            [
                *statements_to_invoke(self, names=names, endpoint_id=endpoint_id),
                model_key.statement_to_invoke(),
            ],
        )
        self._policy(
            "ModelReport",
            roles.model_report,
            "Reads outputs and writes reports beside them",
            [
                *statements_to_report(self),
                *storage.bucket.statements_to_report(),
                data_key.statement_to_read_and_write_objects(bucket_arn=storage.bucket.bucket_arn),
            ],
        )
        for purpose, role in (("invoker", roles.invoker), ("model-report", roles.model_report)):
            self._policy(
                f"{''.join(part.title() for part in purpose.split('-'))}Network",
                role,
                f"Lets Lambda put the function {purpose} into the service subnets",
                statements_to_run_in_a_vpc(self, function_name=names.function(purpose)),
            )
        if roles.tester:
            self._policy(
                "Tester",
                roles.tester,
                "Asks models through the function that calls them",
                statements_to_try(self, names=names),
            )

    def _policy(
        self, id: str, role: iam.IRole, description: str, statements: Sequence[iam.PolicyStatement]
    ) -> None:
        AttachedPolicy(self, id, description=description, role=role, statements=statements)
