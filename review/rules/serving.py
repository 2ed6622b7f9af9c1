"""Who may deploy a model, call it and give it back, written by hand as the rest of the design is.

Only for environments that deploy what they train; `review.rules.design` adds it to what the same
roles, keys and endpoints have anyway.
"""

from __future__ import annotations

from collections.abc import Mapping

from review.rules.environment import LOGGING_ROLE, Environment
from review.template.policies import Grant, allow

Conditions = Mapping[str, Mapping[str, object]]

TAG = "finetune:environment"
_STREAM = "aws/bedrock/modelinvocations"


class Serving:
    """What is said of deployments, throughput, schedules and what follows a job."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        arn = environment.arn
        self.models = arn("bedrock", "custom-model/*")
        self.served = [arn("bedrock", "custom-model-deployment/*"), self.throughput]
        self.reap_rule = arn("events", f"rule/finetune-{environment.name}-reap")
        self.group = arn("scheduler", f"schedule-group/{environment.schedule_group}")
        self.root = f"AWS:{arn('iam', 'root')}"

    @property
    def throughput(self) -> str:
        """The pattern of the ARNs of provisioned throughput."""
        return self.environment.arn("bedrock", "provisioned-model/*")

    @property
    def _asked_for_as_ours(self) -> dict[str, object]:
        return {f"aws:RequestTag/{TAG}": self.environment.name}

    @property
    def _ours(self) -> dict[str, object]:
        return {f"aws:ResourceTag/{TAG}": self.environment.name}

    def _via(self, service: str) -> dict[str, object]:
        environment = self.environment
        return {"kms:ViaService": f"{service}.{environment.region}.{environment.url_suffix}"}

    @property
    def _of_our_schedules(self) -> Conditions:
        key = "kms:EncryptionContext:aws:scheduler:schedule:arn"
        return {"ArnLike": {key: self.environment.schedules}}

    @property
    def _of_our_executions(self) -> Conditions:
        key = "kms:EncryptionContext:aws:states:stateMachineArn"
        return {"StringEquals": {key: self.environment.follow_up}}

    @property
    def _of_our_logs(self) -> str:
        return self.environment.arn("logs", "*")

    @property
    def deploys(self) -> set[Grant]:
        """Deploying and buying for models of ours alone, and what comes of it carries our tag.

        No foundation model: a purchase is authorised on the model that it is for.
        https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonbedrock.html
        """
        create = ("bedrock:CreateCustomModelDeployment", "bedrock:CreateProvisionedModelThroughput")
        return (
            allow(
                *create,
                on=self.models,
                when={"StringEquals": {**self._asked_for_as_ours, **self._ours}},
            )
            | allow(
                *create,
                "bedrock:TagResource",
                on=self.served,
                when={"StringEquals": self._asked_for_as_ours},
            )
            | self._looks
            | allow(
                "bedrock:GetCustomModel",
                "bedrock:GetModelCustomizationJob",
                "bedrock:ListTagsForResource",
                on=[self.environment.arn("bedrock", "model-customization-job/*"), self.models],
            )
            | allow(
                "bedrock:ListCustomModelDeployments",
                "bedrock:ListProvisionedModelThroughputs",
                on="*",
            )
        )

    @property
    def _looks(self) -> set[Grant]:
        return allow(
            "bedrock:GetCustomModelDeployment",
            "bedrock:GetProvisionedModelThroughput",
            "bedrock:ListTagsForResource",
            on=self.served,
        )

    @property
    def removes(self) -> set[Grant]:
        """Removing what carries our tag."""
        return allow(
            "bedrock:DeleteCustomModelDeployment",
            "bedrock:DeleteProvisionedModelThroughput",
            on=self.served,
            when={"StringEquals": self._ours},
        )

    @property
    def schedules_the_end(self) -> set[Grant]:
        """Schedules of the environment's group, under the data key, with the scheduler's role.

        https://docs.aws.amazon.com/scheduler/latest/UserGuide/encryption-rest.html
        """
        environment = self.environment
        through = self._via("scheduler")
        return (
            allow(
                "scheduler:CreateSchedule",
                "scheduler:DeleteSchedule",
                "scheduler:GetSchedule",
                "scheduler:UpdateSchedule",
                on=environment.schedules,
            )
            | allow(
                "iam:PassRole",
                on=environment.roles["scheduler"],
                when={"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}},
            )
            | allow(
                "kms:Decrypt",
                "kms:GenerateDataKey",
                on=environment.data_key,
                when={**self._of_our_schedules, "StringEquals": through},
            )
            | allow("kms:DescribeKey", on=environment.data_key, when={"StringEquals": through})
        )

    @property
    def gives_back(self) -> set[Grant]:
        """What a schedule does: it deletes throughput of ours, and nothing else."""
        return allow(
            "bedrock:DeleteProvisionedModelThroughput",
            on=self.throughput,
            when={"StringEquals": self._ours},
        ) | allow("kms:Decrypt", on=self.environment.data_key, when=self._of_our_schedules)

    @property
    def called(self) -> set[Grant]:
        """The calls of models that the endpoint lets through: of what carries our tag."""
        return allow("bedrock:InvokeModel", on=self.served, when={"StringEquals": self._ours})

    @property
    def calls(self) -> set[Grant]:
        """The same calls, and through our endpoint only."""
        endpoint = {"aws:SourceVpce": self.environment.runtime_endpoint}
        return allow(
            "bedrock:InvokeModel",
            on=self.served,
            when={"StringEquals": {**self._ours, **endpoint}},
        )

    @property
    def waits_for_removal(self) -> set[Grant]:
        """What the completion check does besides: it looks, and wakes the deployer."""
        return self._looks | allow(
            "lambda:InvokeFunction", on=self.environment.function_arn("deployer")
        )

    @property
    def runs_and_logs(self) -> set[Grant]:
        """What Step Functions does with the role: executions under the data key, and their logs.

        Log deliveries know no resource:
        https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
        """
        logs = {"StringEquals": {"kms:EncryptionContext:SourceArn": self._of_our_logs}}
        key = self.environment.data_key
        return (
            allow("kms:Decrypt", "kms:GenerateDataKey", on=key, when=self._of_our_executions)
            | allow("kms:GenerateDataKey", on=key, when=logs)
            | allow(
                "logs:CreateLogDelivery",
                "logs:DeleteLogDelivery",
                "logs:DescribeLogGroups",
                "logs:DescribeResourcePolicies",
                "logs:GetLogDelivery",
                "logs:ListLogDeliveries",
                "logs:PutResourcePolicy",
                "logs:UpdateLogDelivery",
                on="*",
            )
        )

    @property
    def sets_logging(self) -> set[Grant]:
        """Turning the log of model invocations on and off, with one role.

        The configuration is the account's and the Region's, and no resource:
        https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonbedrock.html
        """
        return allow(
            "bedrock:DeleteModelInvocationLoggingConfiguration",
            "bedrock:GetModelInvocationLoggingConfiguration",
            "bedrock:PutModelInvocationLoggingConfiguration",
            on="*",
        ) | allow(
            "iam:PassRole",
            on=self.environment.roles[LOGGING_ROLE],
            when={"StringEquals": {"iam:PassedToService": "bedrock.amazonaws.com"}},
        )

    @property
    def writes_invocations(self) -> set[Grant]:
        """The one stream that Bedrock writes invocations to.

        https://docs.aws.amazon.com/bedrock/latest/userguide/model-invocation-logging.html
        """
        stream = f"log-group:{self.environment.invocations}:log-stream:{_STREAM}"
        return allow(
            "logs:CreateLogStream", "logs:PutLogEvents", on=self.environment.arn("logs", stream)
        )

    @property
    def logging_trust(self) -> set[Grant]:
        """Bedrock takes the role of the log for this account and Region alone."""
        return allow(
            "sts:AssumeRole",
            by="Service:bedrock.amazonaws.com",
            when={
                "StringEquals": {"aws:SourceAccount": self.environment.account},
                "ArnLike": {"aws:SourceArn": self.environment.arn("bedrock", "*")},
            },
        )

    @property
    def trust(self) -> dict[str, set[Grant]]:
        """Who takes the roles that no function has: for one state machine, and for one group.

        https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
        """
        account = {"aws:SourceAccount": self.environment.account}

        def service(name: str, source: str) -> set[Grant]:
            return allow(
                "sts:AssumeRole",
                by=f"Service:{name}.amazonaws.com",
                when={"StringEquals": account, "ArnEquals": {"aws:SourceArn": source}},
            )

        return {
            "follow-up": service("states", self.environment.follow_up),
            "scheduler": service("scheduler", self.group),
        }

    def _used_by(self, purpose: str) -> Conditions:
        return {"ArnEquals": {"aws:PrincipalArn": [self.environment.roles[purpose]]}}

    @property
    def data_key_policy(self) -> set[Grant]:
        """What schedules, executions and their logs need of the data key, each by its context."""
        through = {"StringEquals": self._via("scheduler")}
        deployer = {**self._used_by("deployer"), **through}
        both = ("kms:Decrypt", "kms:GenerateDataKey")
        return (
            allow(*both, by=self.root, on="*", when={**deployer, **self._of_our_schedules})
            | allow("kms:DescribeKey", by=self.root, on="*", when=deployer)
            | allow(
                "kms:Decrypt",
                by=self.root,
                on="*",
                when={**self._used_by("scheduler"), **self._of_our_schedules},
            )
            | allow(
                *both,
                by=self.root,
                on="*",
                when={**self._used_by("follow-up"), **self._of_our_executions},
            )
            # Whoever makes the state machine shows that the key is his to use.
            | allow(
                *both,
                "kms:DescribeKey",
                by=self.root,
                on="*",
                when={"StringEquals": self._via("states")},
            )
            | allow(
                "kms:GenerateDataKey",
                by=self.root,
                on="*",
                when={
                    **self._used_by("follow-up"),
                    "StringEquals": {"kms:EncryptionContext:SourceArn": self._of_our_logs},
                },
            )
            | allow(
                "kms:Decrypt",
                by="Service:delivery.logs.amazonaws.com",
                on="*",
                when={
                    "StringEquals": {"aws:SourceAccount": self.environment.account},
                    "ArnLike": {"aws:SourceArn": self._of_our_logs},
                },
            )
        )
