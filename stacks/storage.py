"""The buckets, and the gateway endpoints through which they and the table are reached."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from bedrock_finetuning.gateway_endpoint import GatewayEndpoint
from bedrock_finetuning.naming import Names
from bedrock_finetuning.state_table import statement_on_deployments, statement_on_jobs
from bedrock_finetuning.statements import Allow, people_arns, through_endpoint
from bedrock_finetuning.training_bucket import AccessLogBucket, BucketUsers, TrainingBucket
from customization.calls import INVOKER_CALLS, REPORT_CALLS, SUBMITTER_CALLS, actions
from settings import Settings

from .common import removal_policy
from .encryption import EncryptionStack
from .identity import IdentityStack
from .methods import statements_to_read_logs
from .network import NetworkStack


class StorageStack(Stack):
    """Datasets and outputs, whom they are open to, and the private way to them."""

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
        **kwargs: Any,
    ) -> None:
        super().__init__(
            scope,
            id,
            description="Storage of a private environment for Amazon Bedrock model customization",
            **kwargs,
        )
        self.access_logs = AccessLogBucket(
            self,
            "AccessLogs",
            retention=Duration.days(settings.storage.access_log_retention_days),
            removal_policy=removal_policy(settings),
        )
        self.bucket = TrainingBucket(
            self,
            "Bucket",
            key=encryption.data_key,
            access_logs=self.access_logs,
            users=BucketUsers(
                customizer=identity.customization,
                submitter=identity.submitter,
                uploader=identity.uploader,
                reader=identity.reader,
                administrators=people_arns(self, settings.people.administrators),
                reporter=identity.inference.model_report if identity.inference else None,
            ),
            removal_policy=removal_policy(settings),
        )
        s3_endpoint = GatewayEndpoint(
            self,
            "S3Endpoint",
            service="s3",
            network=network.network,
            statements=self._through_the_s3_endpoint(settings=settings, identity=identity),
        )
        if settings.storage.require_endpoint:
            self.bucket.require_endpoint(endpoint_id=s3_endpoint.endpoint_id)
        GatewayEndpoint(
            self,
            "DynamoDbEndpoint",
            service="dynamodb",
            network=network.network,
            statements=self._through_the_dynamodb_endpoint(names=names, identity=identity),
        )
        CfnOutput(self, "DataBucketName", value=self.bucket.bucket_name)
        CfnOutput(self, "AccessLogBucketName", value=self.access_logs.bucket_name)

    def _through_the_dynamodb_endpoint(
        self, *, names: Names, identity: IdentityStack
    ) -> list[iam.PolicyStatement]:
        submits = actions(SUBMITTER_CALLS, prefix="dynamodb")
        jobs = statement_on_jobs(self, names=names, actions=submits)
        inference = identity.inference
        if inference is None:
            return through_endpoint([jobs], roles=[identity.submitter])
        wishes = statement_on_deployments(self, names=names, actions=submits)
        reads = statement_on_jobs(
            self, names=names, actions=actions(REPORT_CALLS, prefix="dynamodb")
        )
        reads.sid = "JobStateForTheReport"
        finds = statement_on_deployments(
            self, names=names, actions=actions(INVOKER_CALLS, prefix="dynamodb")
        )
        finds.sid = "DeploymentStateForTheInvoker"
        return [
            *through_endpoint([jobs, wishes], roles=[identity.submitter]),
            *through_endpoint([reads], roles=[inference.model_report]),
            *through_endpoint([finds], roles=[inference.invoker]),
        ]

    def _through_the_s3_endpoint(
        self, *, settings: Settings, identity: IdentityStack
    ) -> list[iam.PolicyStatement]:
        if not settings.network.scoped_s3_endpoint_policy:
            return [
                # Bedrock might read buckets of its own as itself, so that no condition on the
                # principal can stand here: this is the policy of an endpoint without one.
                Allow(
                    sid="AnythingByAnyone",
                    principals=[iam.AnyPrincipal()],
                    actions=["s3:*"],
                    resources=["*"],
                )
            ]
        submitter = self.bucket.statements_to_look_for_datasets()
        for statement in submitter:
            statement.sid = f"Submitter{statement.sid}"
        training = [
            *self.bucket.statements_to_train(),
            *statements_to_read_logs(self, settings=settings),
        ]
        return [
            *through_endpoint(training, roles=[identity.customization]),
            *through_endpoint(submitter, roles=[identity.submitter]),
            *self._reports_through_the_s3_endpoint(identity),
        ]

    def _reports_through_the_s3_endpoint(
        self, identity: IdentityStack
    ) -> list[iam.PolicyStatement]:
        if identity.inference is None:
            return []
        reports = self.bucket.statements_to_report()
        for statement in reports:
            statement.sid = f"Report{statement.sid}"
        return through_endpoint(reports, roles=[identity.inference.model_report])
