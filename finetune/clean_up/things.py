"""Things that exist in an account: what kind they are, whose, and since when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

APPLICATION: Final = "finetune"
"""How the names of stacks, functions, tables and roles begin."""
JOB_RESOURCE: Final = "Custom::BedrockModelCustomizationJob"
DEPLOYMENT_RESOURCE: Final = "Custom::BedrockModelDeployment"


class Kind(StrEnum):
    """What something is; in the order in which things are taken away.

    What is paid by the hour goes first, what uses something before what it uses, and keys last.
    """

    THROUGHPUT = "provisioned throughput"
    DEPLOYMENT = "model deployment"
    SCHEDULE = "schedule"
    JOB = "customization job"
    STACK = "stack"
    MODEL = "custom model"
    ALARM = "alarm"
    DASHBOARD = "dashboard"
    RULE = "event rule"
    STATE_MACHINE = "state machine"
    FUNCTION = "function"
    QUEUE = "queue"
    TOPIC = "topic"
    SCHEDULE_GROUP = "schedule group"
    ENDPOINT = "endpoint"
    INTERFACE = "network interface"
    VPC = "VPC"
    TABLE = "table"
    BUCKET = "bucket"
    LOG_GROUP = "log group"
    ROLE = "role"
    POLICY = "policy"
    KEY = "key"

    @property
    def order(self) -> int:
        """Place among the kinds."""
        return list(Kind).index(self)

    @property
    def plural(self) -> str:
        """The word for several."""
        if self is Kind.THROUGHPUT:
            return self.value
        return f"{self.value[:-1]}ies" if self is Kind.POLICY else f"{self.value}s"


RESOURCE_TYPES: Final[Mapping[Kind, frozenset[str]]] = {
    Kind.THROUGHPUT: frozenset({DEPLOYMENT_RESOURCE}),
    Kind.DEPLOYMENT: frozenset({DEPLOYMENT_RESOURCE}),
    Kind.JOB: frozenset({JOB_RESOURCE}),
    Kind.MODEL: frozenset({JOB_RESOURCE}),
    Kind.ALARM: frozenset({"AWS::CloudWatch::Alarm"}),
    Kind.DASHBOARD: frozenset({"AWS::CloudWatch::Dashboard"}),
    Kind.RULE: frozenset({"AWS::Events::Rule"}),
    Kind.STATE_MACHINE: frozenset({"AWS::StepFunctions::StateMachine"}),
    Kind.FUNCTION: frozenset({"AWS::Lambda::Function"}),
    Kind.QUEUE: frozenset({"AWS::SQS::Queue"}),
    Kind.TOPIC: frozenset({"AWS::SNS::Topic"}),
    Kind.SCHEDULE: frozenset({"AWS::Scheduler::Schedule"}),
    Kind.SCHEDULE_GROUP: frozenset({"AWS::Scheduler::ScheduleGroup"}),
    Kind.ENDPOINT: frozenset({"AWS::EC2::VPCEndpoint"}),
    Kind.VPC: frozenset({"AWS::EC2::VPC"}),
    Kind.TABLE: frozenset({"AWS::DynamoDB::Table"}),
    Kind.BUCKET: frozenset({"AWS::S3::Bucket"}),
    Kind.LOG_GROUP: frozenset({"AWS::Logs::LogGroup"}),
    Kind.ROLE: frozenset({"AWS::IAM::Role"}),
    Kind.POLICY: frozenset({"AWS::IAM::ManagedPolicy"}),
    Kind.KEY: frozenset({"AWS::KMS::Key"}),
}
"""Types of the resources that a stack owns such a thing by; a model's is its job's."""


class Fate(StrEnum):
    """Whether somebody wants a thing."""

    IN_USE = "in use"
    """A living stack that the settings ask for owns it, or somebody else does."""
    KEPT = "kept"
    """Nothing uses it, and the settings' policy says that it stays."""
    FORGOTTEN = "forgotten"
    """The app made it and nobody wants it."""


@dataclass(frozen=True, kw_only=True)
class Thing:
    """Something that exists, as its service tells of it."""

    kind: Kind
    name: str
    """What a person calls it."""
    id: str
    """What a call that takes it away wants: a name, an ARN or a URL."""
    region: str
    environment: str
    """Whose it is, by its tag or else by its name."""
    tagged: bool = True
    """Whether it carries the owner tag; what does not is never taken away."""
    physical_id: str = ""
    """What CloudFormation calls it; the id where they are one."""
    job: str | None = None
    created: datetime | None = None
    """None where the service does not tell."""
    state: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    """What judging, paying and taking away need besides: of a throughput its units, for example."""

    @property
    def resource_id(self) -> str:
        """What CloudFormation calls it."""
        return self.physical_id or self.id


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A thing, whether somebody wants it and why, and what it costs."""

    thing: Thing
    fate: Fate
    why: str
    """One sentence, without a full stop."""
    stays: str = ""
    """Why `leftovers --delete` does not take it away; empty when it does."""
    by_name: bool = False
    """Whether it goes only when `--also-kept` names its kind."""
    with_stack: str = ""
    """The forgotten stack that takes it away."""
