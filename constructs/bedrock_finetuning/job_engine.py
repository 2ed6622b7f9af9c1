"""The functions that submit a job and wait for it, behind the provider framework of the CDK."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from .dead_letter_queue import DeadLetterQueue
from .follower import FollowerTriggers
from .function import acknowledge_outside_the_vpc, limit_events
from .function_maker import FunctionMaker
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


@dataclass(frozen=True, kw_only=True)
class DeploymentPart:
    """What the engine's functions may do, and are told, where an environment deploys models.

    The submitter writes wishes down, the completion check waits for removals and wakes the
    deployer, the follower starts what follows a completed job. All that they name comes after
    them, in the inference stack.
    """

    submitter_statements: Sequence[iam.PolicyStatement]
    submitter_environment: Mapping[str, str]
    check_statements: Sequence[iam.PolicyStatement]
    check_environment: Mapping[str, str]
    follower_statements: Sequence[iam.PolicyStatement]
    follower_environment: Mapping[str, str]


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
        deployments: DeploymentPart | None = None,
    ) -> None:
        super().__init__(scope, id)
        self.dead_letter_queue = dead_letter_queue
        functions = FunctionMaker(
            names=names, key=key, dead_letter_queue=dead_letter_queue, settings=settings
        )

        self.submitter = functions.make(
            self,
            "Submitter",
            purpose="submitter",
            role=submitter_role,
            statements=[
                *table.statements_to_keep_state(actions=submitter_table_actions),
                *(deployments.submitter_statements if deployments else ()),
            ],
            # The framework waits for the handler; retries of slow permissions fit in here.
            timeout=Duration.minutes(5),
            environment={
                "TABLE_NAME": table.table_name,
                "PROPAGATION_SECONDS": str(PROPAGATION.to_seconds()),
                "MAX_JOBS_IN_PROGRESS": str(max_jobs_in_progress),
                **(deployments.submitter_environment if deployments else {}),
            },
            network=network,
            security_group=groups.functions,
        )
        self.completion_check = functions.make(
            self,
            "CompletionCheck",
            purpose="completion-check",
            role=completion_check_role,
            statements=deployments.check_statements if deployments else (),
            timeout=Duration.minutes(1),
            environment=deployments.check_environment if deployments else {},
        )
        acknowledge_outside_the_vpc(
            self.completion_check,
            reason=(
                "It reads the state of jobs and of interfaces and nothing else: no data, no key, "
                "and no endpoint that EC2 would need in the VPC."
            ),
        )
        self.follower = functions.make(
            self,
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
                *(deployments.follower_statements if deployments else ()),
            ],
            timeout=Duration.minutes(5),
            environment={
                "TABLE_NAME": table.table_name,
                "TOPIC_ARN": topic.topic.topic_arn,
                "SUBMITTER_FUNCTION": self.submitter.function_name,
                "MAX_JOBS_IN_PROGRESS": str(max_jobs_in_progress),
                **(deployments.follower_environment if deployments else {}),
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
