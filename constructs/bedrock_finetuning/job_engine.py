"""The functions that submit a job and wait for it, behind the provider framework of the CDK."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from .attached_policy import AttachedPolicy
from .dead_letter_queue import DeadLetterQueue
from .follower import FollowerTriggers
from .function import Function, FunctionLogs, acknowledge_outside_the_vpc, limit_events
from .job_topic import JobTopic
from .naming import Names
from .provider_framework import OLDEST_EVENT, FunctionSettings, ProviderFramework
from .security_groups import SecurityGroups
from .state_table import StateTable
from .statements import Allow
from .training_network import TrainingNetwork

# How long a new role, policy or key may take to be known everywhere in AWS.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html
PROPAGATION = Duration.minutes(1)


class JobEngine(Construct):
    """The provider of `Custom::BedrockModelCustomizationJob`.

    The **submitter** runs in the service subnets and reaches Bedrock, S3 and DynamoDB through
    endpoints alone. The **completion check** runs outside the VPC: it holds no data and no key and
    sees nothing but the state of jobs and of the interfaces Bedrock makes. The **follower**,
    outside too, sees jobs to their end: it announces, serves the queue and ends what no stack
    wants. The framework's own functions answer CloudFormation, so no endpoint needs a hole for its
    response bucket.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        names: Names,
        network: TrainingNetwork,
        groups: SecurityGroups,
        key: kms.IKey,
        table: StateTable,
        submitter_role: iam.Role,
        submitter_table_actions: Sequence[str],
        completion_check_role: iam.Role,
        follower_role: iam.Role,
        follower_table_actions: Sequence[str],
        topic: JobTopic,
        framework_on_event_role: iam.Role,
        framework_complete_role: iam.Role,
        dead_letter_queue: DeadLetterQueue,
        settings: FunctionSettings,
        max_jobs_in_progress: int,
        follow_every: Duration,
    ) -> None:
        super().__init__(scope, id)
        self.dead_letter_queue = dead_letter_queue
        self._names, self._key, self._settings = names, key, settings

        self.submitter = self._function(
            "Submitter",
            purpose="submitter",
            role=submitter_role,
            statements=table.statements_to_keep_state(actions=submitter_table_actions),
            # The framework waits for the handler; retries of slow permissions fit in here.
            timeout=Duration.minutes(5),
            environment={
                "TABLE_NAME": table.table_name,
                "PROPAGATION_SECONDS": str(PROPAGATION.to_seconds()),
                "MAX_JOBS_IN_PROGRESS": str(max_jobs_in_progress),
            },
            network=network,
            security_group=groups.functions,
        )
        self.completion_check = self._function(
            "CompletionCheck",
            purpose="completion-check",
            role=completion_check_role,
            statements=[],
            timeout=Duration.minutes(1),
            environment={},
        )
        acknowledge_outside_the_vpc(
            self.completion_check,
            reason=(
                "It reads the state of jobs and of interfaces and nothing else: no data, no key, "
                "and no endpoint that EC2 would need in the VPC."
            ),
        )
        self.follower = self._function(
            "Follower",
            purpose="follower",
            role=follower_role,
            statements=[
                *table.statements_to_keep_state(actions=follower_table_actions),
                *topic.statements_to_announce(),
                Allow(
                    sid="SubmitWhatWaited",
                    actions=["lambda:InvokeFunction"],
                    resources=[self.submitter.function_arn],
                ),
            ],
            timeout=Duration.minutes(5),
            environment={
                "TABLE_NAME": table.table_name,
                "TOPIC_ARN": topic.topic.topic_arn,
                "SUBMITTER_FUNCTION": self.submitter.function_name,
                "MAX_JOBS_IN_PROGRESS": str(max_jobs_in_progress),
            },
        )
        acknowledge_outside_the_vpc(
            self.follower,
            reason=(
                "It sees states and names and no data: CloudFormation, SNS and Lambda would need "
                "three more endpoints in the VPC, and the S3 endpoint stays as narrow as it is."
            ),
        )
        limit_events(self.submitter, max_event_age=OLDEST_EVENT, retry_attempts=2)
        # The next event or the schedule comes anyway.
        limit_events(self.follower, max_event_age=Duration.minutes(1), retry_attempts=0)
        FollowerTriggers(
            self,
            "Triggers",
            names=names,
            follower=self.follower,
            every=follow_every,
            topic=topic.topic,
            undelivered=dead_letter_queue,
        )
        self.framework = ProviderFramework(
            self,
            "Framework",
            names=names,
            on_event=self.submitter,
            on_event_role=framework_on_event_role,
            is_complete=self.completion_check,
            complete_role=framework_complete_role,
            key=key,
            dead_letter_queue=dead_letter_queue,
            settings=settings,
        )

    @property
    def service_token(self) -> str:
        """What a job's custom resource calls."""
        return self.framework.provider.service_token

    def _function(
        self,
        id: str,
        *,
        purpose: str,
        role: iam.Role,
        statements: Sequence[iam.PolicyStatement],
        timeout: Duration,
        environment: dict[str, str],
        network: TrainingNetwork | None = None,
        security_group: ec2.ISecurityGroup | None = None,
    ) -> Function:
        log_group = FunctionLogs(
            self,
            f"{id}Logs",
            names=self._names,
            purpose=purpose,
            key=self._key,
            retention=self._settings.log_retention,
            removal_policy=self._settings.removal_policy,
        )
        policy = AttachedPolicy(
            self,
            f"{id}Policy",
            description=f"What the function {self._names.function(purpose)} writes",
            role=role,
            statements=[
                log_group.statement_to_write(),
                *self.dead_letter_queue.statements_to_send(),
                *statements,
            ],
        )
        function = Function(
            self,
            id,
            names=self._names,
            purpose=purpose,
            role=role,
            log_group=log_group,
            log_level=self._settings.log_level,
            environment=environment,
            timeout=timeout,
            dead_letter_queue=self.dead_letter_queue,
            reserved_concurrency=self._settings.reserved_concurrency,
            vpc=network.vpc if network else None,
            subnets=network.service_subnets if network else None,
            security_group=security_group,
        )
        function.node.add_dependency(policy)
        return function
