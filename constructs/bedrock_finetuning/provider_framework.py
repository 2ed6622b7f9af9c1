"""The CDK's provider framework, held to what it calls here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import custom_resources as cr
from constructs import Construct, IConstruct

from .acknowledgements import acknowledge, in_packs, resource_of, wildcard_finding
from .attached_policy import AttachedPolicy
from .dead_letter_queue import DeadLetterQueue
from .function import (
    OUTSIDE_THE_VPC,
    acknowledge_function,
    acknowledge_outside_the_vpc,
    limit_events,
)
from .naming import Names
from .statements import Allow

# The framework waits an hour at most; the wait for a job's validation ends well before.
TOTAL_TIMEOUT = Duration.minutes(30)
QUERY_INTERVAL = Duration.seconds(10)

# Lambda would keep an event that it cannot deliver for six hours, long after its stack has given
# up: such a request is dropped at the door, and kept in the dead-letter queue. With the submitter's
# five minutes and the framework's thirty it ends well within the hour that the stack waits.
# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
OLDEST_EVENT = Duration.minutes(10)


@dataclass(frozen=True, kw_only=True)
class FunctionSettings:
    """What all functions of an environment have in common.

    `reserved_concurrency` is None where the account's quota leaves nothing to reserve.
    """

    log_level: str
    log_retention: logs.RetentionDays
    reserved_concurrency: int | None
    removal_policy: RemovalPolicy


class ProviderFramework(Construct):
    """Answers CloudFormation for two handlers of ours, and waits for the second of them.

    The framework would give its roles inline policies; they are shells of another stack that get
    managed policies here, for these functions without their versions. Its functions stay outside
    the VPC: they answer to a bucket of CloudFormation's, which no endpoint of ours lets through.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        names: Names,
        on_event: lambda_.IFunction,
        on_event_role: iam.Role,
        is_complete: lambda_.IFunction,
        complete_role: iam.Role,
        key: kms.IKey,
        dead_letter_queue: DeadLetterQueue,
        settings: FunctionSettings,
    ) -> None:
        super().__init__(scope, id)
        log_group = logs.LogGroup(
            self,
            "Logs",
            log_group_name=names.function_log_group("framework"),
            encryption_key=key,
            retention=settings.log_retention,
            removal_policy=settings.removal_policy,
        )
        self.provider = cr.Provider(
            self,
            "Provider",
            on_event_handler=on_event,
            is_complete_handler=is_complete,
            query_interval=QUERY_INTERVAL,
            total_timeout=TOTAL_TIMEOUT,
            log_group=log_group,
            framework_on_event_role=on_event_role.without_policy_updates(),
            framework_complete_and_timeout_role=complete_role.without_policy_updates(),
            # The framework asks again by throwing the whole event, the signed answer URL in it, and
            # the runtime logs what is thrown as an error. Failures reach the stack's events.
            framework_lambda_logging_level=lambda_.ApplicationLogLevel.FATAL,
        )
        functions = {
            name: self.provider.node.find_child(f"framework-{name}")
            for name in ("onEvent", "isComplete", "onTimeout")
        }
        waiter = self.provider.node.find_child("waiter-state-machine")
        common = [
            Allow(
                sid="WriteLogs",
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[log_group.log_group_arn],
            ),
            *dead_letter_queue.statements_to_send(),
        ]
        policies = [
            AttachedPolicy(
                self,
                "OnEventPolicy",
                role=on_event_role,
                description="Calls the submitter and starts the wait",
                statements=[
                    _invoke(on_event),
                    Allow(
                        sid="StartTheWait",
                        actions=["states:StartExecution"],
                        resources=[resource_of(waiter).ref],
                    ),
                    *common,
                ],
            ),
            AttachedPolicy(
                self,
                "CompletePolicy",
                role=complete_role,
                description="Calls the completion check",
                statements=[_invoke(is_complete), *common],
            ),
        ]
        for name, function in functions.items():
            resource = cast("lambda_.CfnFunction", resource_of(function))
            resource.memory_size = 256
            resource.dead_letter_config = lambda_.CfnFunction.DeadLetterConfigProperty(
                target_arn=dead_letter_queue.queue_arn
            )
            resource.reserved_concurrent_executions = settings.reserved_concurrency
            if name == "onEvent":
                limit_events(
                    cast("lambda_.Function", function),
                    max_event_age=OLDEST_EVENT,
                    retry_attempts=2,
                )
            function.node.add_dependency(policies[0 if name == "onEvent" else 1])
            acknowledge_function(function, reserved_concurrency=settings.reserved_concurrency)
            acknowledge_outside_the_vpc(function, reason=OUTSIDE_THE_VPC)
        self._acknowledge_waiter(waiter, functions)

    def _acknowledge_waiter(self, waiter: IConstruct, functions: Mapping[str, IConstruct]) -> None:
        role = waiter.node.find_child("Role").node.find_child("DefaultPolicy")
        asked = [functions["isComplete"], functions["onTimeout"]]
        acknowledge(
            role,
            reason=(
                "The framework makes the waiter's role with its policy inline and takes no other; "
                "the policy names the two functions that the waiter calls."
            ),
            findings=in_packs(
                "IAMNoInlinePolicy",
                "HIPAA.Security",
                "NIST.800.53.R4",
                "NIST.800.53.R5",
                "PCI.DSS.321",
            ),
        )
        for function in asked:
            arn = resource_of(function).get_att("Arn").to_string()
            acknowledge(
                role,
                reason=(
                    "The `:*` is the versions of one function of the framework; none is published."
                ),
                findings=(wildcard_finding(role, resource=f"{arn}:*", owner=Stack.of(role)),),
            )
        acknowledge(
            waiter,
            reason=(
                "Each step of the waiter is one call of a framework function, which logs it under "
                "the data key; logging and traces would give the role log delivery on `*`."
            ),
            findings=(
                "AwsSolutions-SF1",
                "AwsSolutions-SF2",
                "Serverless-StepFunctionStateMachineXray",
            ),
        )


def _invoke(function: lambda_.IFunction) -> Allow:
    return Allow(
        sid="CallTheHandler",
        actions=["lambda:GetFunction", "lambda:InvokeFunction"],
        resources=[function.function_arn],
    )
