"""How every function of ours comes about: its log group, its permissions, then itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from .attached_policy import AttachedPolicy
from .dead_letter_queue import DeadLetterQueue
from .function import Function, FunctionLogs
from .naming import Names
from .provider_framework import FunctionSettings
from .training_network import TrainingNetwork


@dataclass(frozen=True, kw_only=True)
class FunctionMaker:
    """Makes functions that log under the data key, lose no event, and start with their rights."""

    names: Names
    key: kms.IKey
    dead_letter_queue: DeadLetterQueue
    settings: FunctionSettings

    def make(
        self,
        scope: Construct,
        id: str,
        *,
        purpose: str,
        role: iam.Role,
        statements: Sequence[iam.PolicyStatement],
        timeout: Duration,
        environment: Mapping[str, str],
        network: TrainingNetwork | None = None,
        security_group: ec2.ISecurityGroup | None = None,
    ) -> Function:
        """A function with its log group and the policy of what it writes.

        Args:
            scope: Where it stands, with its log group and policy.
            id: Its own; theirs begin with it.
            purpose: Its package under `lambda/`, and the last part of its name.
            role: A shell of another stack.
            statements: What it may do besides logging and keeping failed events.
            timeout: At most 15 minutes.
            environment: Environment variables.
            network: The network it runs in; None for outside.
            security_group: Its group there; None for outside.
        """
        log_group = FunctionLogs(
            scope,
            f"{id}Logs",
            names=self.names,
            purpose=purpose,
            key=self.key,
            retention=self.settings.log_retention,
            removal_policy=self.settings.removal_policy,
        )
        policy = AttachedPolicy(
            scope,
            f"{id}Policy",
            description=f"What the function {self.names.function(purpose)} writes",
            role=role,
            statements=[
                log_group.statement_to_write(),
                *self.dead_letter_queue.statements_to_send(),
                *statements,
            ],
        )
        function = Function(
            scope,
            id,
            names=self.names,
            purpose=purpose,
            role=role,
            log_group=log_group,
            log_level=self.settings.log_level,
            environment=environment,
            timeout=timeout,
            dead_letter_queue=self.dead_letter_queue,
            reserved_concurrency=self.settings.reserved_concurrency,
            vpc=network.vpc if network else None,
            subnets=network.service_subnets if network else None,
            security_group=security_group,
        )
        function.node.add_dependency(policy)
        return function
