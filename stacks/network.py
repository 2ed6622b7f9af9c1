"""The VPC, its groups, its interface endpoints and its flow logs."""

from __future__ import annotations

from typing import Any

from aws_cdk import Stack
from constructs import Construct

from bedrock_finetuning.default_group import ClosedDefaultGroup
from bedrock_finetuning.flow_logs import FlowLogs
from bedrock_finetuning.interface_endpoint import InterfaceEndpoint, KmsEndpoint
from bedrock_finetuning.naming import Names
from bedrock_finetuning.security_groups import PrefixLists, SecurityGroups
from bedrock_finetuning.serving import statements_to_reach_the_runtime
from bedrock_finetuning.submission import statements_to_reach_bedrock
from bedrock_finetuning.training_network import TrainingNetwork
from customization.calls import SUBMITTER_CALLS, actions
from settings import Settings

from .common import removal_policy, retention
from .encryption import EncryptionStack
from .identity import IdentityStack


class NetworkStack(Stack):
    """A place to train with no way out but to the services this environment calls."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: Settings,
        names: Names,
        identity: IdentityStack,
        encryption: EncryptionStack,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            scope,
            id,
            description="Network of a private environment for Amazon Bedrock model customization",
            **kwargs,
        )
        network = settings.network
        self.network = TrainingNetwork(
            self,
            "Network",
            cidr=network.cidr,
            training_zones=network.training_zones,
            service_zones=network.service_zones,
        )
        self.groups = SecurityGroups(
            self,
            "Groups",
            vpc=self.network.vpc,
            prefix_lists=PrefixLists(
                s3=settings.s3_prefix_list_id,
                dynamodb=settings.dynamodb_prefix_list_id,
            ),
            inference=settings.inference.enabled,
        )
        FlowLogs(
            self,
            "FlowLogs",
            names=names,
            vpc=self.network.vpc,
            key=encryption.data_key,
            role=identity.flow_logs,
            retention=retention(network.flow_log_retention_days),
            removal_policy=removal_policy(settings),
        )
        ClosedDefaultGroup(
            self,
            "DefaultGroup",
            names=names,
            vpc=self.network.vpc,
            key=encryption.data_key,
            retention=retention(settings.engine.log_retention_days),
            removal_policy=removal_policy(settings),
        )
        KmsEndpoint(
            self,
            "KmsEndpoint",
            network=self.network,
            security_group=self.groups.kms_endpoint,
            keys=[encryption.data_key, encryption.model_key],
        )
        InterfaceEndpoint(
            self,
            "BedrockEndpoint",
            service="bedrock",
            network=self.network,
            security_group=self.groups.bedrock_endpoint,
            statements=statements_to_reach_bedrock(
                self,
                actions=actions(SUBMITTER_CALLS, prefix="bedrock"),
                base_models=settings.base_models,
                submitter=identity.submitter,
                reporter=identity.inference.model_report if identity.inference else None,
            ),
        )
        self.runtime_endpoint: InterfaceEndpoint | None = None
        if identity.inference and self.groups.runtime:
            self.runtime_endpoint = InterfaceEndpoint(
                self,
                "RuntimeEndpoint",
                service="bedrock-runtime",
                network=self.network,
                security_group=self.groups.runtime.endpoint,
                statements=statements_to_reach_the_runtime(
                    self, names=names, invoker=identity.inference.invoker
                ),
            )
