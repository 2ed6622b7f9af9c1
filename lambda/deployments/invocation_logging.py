"""Bedrock's log of model invocations: one configuration for an account and Region, and whose it is.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-invocation-logging.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypedDict

from customization.errors import EventError
from customization.identity import ENVIRONMENT_PATTERN
from customization.properties import PropertyReader
from deployments.errors import InvocationLoggingError

RESOURCE_TYPE: Final = "Custom::BedrockInvocationLogging"
"""The custom resource's type in a template."""
EVENT: Final = "InvocationLogging"
"""The key under which the deployer is asked."""

_ROLE: Final = r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,600}"
_KINDS: Final = ("text", "image", "embedding", "video", "audio")


def log_group_of(environment: str) -> str:
    """Return the name of the log group of an environment's invocations."""
    return f"/finetune/{environment}/invocations"


def physical_id_of(environment: str) -> str:
    """Return the physical id of the resource, one for an environment."""
    return f"finetune-{environment}-invocation-logging"


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where an environment has invocations logged, and with which role Bedrock writes there."""

    environment: str
    log_group: str
    role_arn: str

    @classmethod
    def from_properties(
        cls, properties: Mapping[str, object], *, show_values: bool = True
    ) -> Destination:
        """Return what a custom resource's properties state.

        Raises InvocationLoggingError with every problem at once. `show_values` puts refused values
        into the text; the functions leave them out of what they log.
        """
        reader = PropertyReader(properties, show_values=show_values)
        environment = reader.text("Environment", ENVIRONMENT_PATTERN)
        log_group = reader.text("LogGroup", r"/[A-Za-z0-9_/.#-]{1,511}")
        role_arn = reader.text("RoleArn", _ROLE)
        problems = reader.finish()
        if not problems and log_group != log_group_of(environment):
            problems.append(f"LogGroup must be the environment's own, {log_group_of(environment)}")
        if problems:
            raise InvocationLoggingError(
                "the log of invocations asked for is not valid: " + "; ".join(problems)
            )
        return cls(environment=environment, log_group=log_group, role_arn=role_arn)

    @property
    def configuration(self) -> dict[str, Any]:
        """The configuration that Bedrock is to have: text alone, into our log group alone."""
        return {
            "cloudWatchConfig": {"logGroupName": self.log_group, "roleArn": self.role_arn},
            **{f"{kind}DataDeliveryEnabled": kind == "text" for kind in _KINDS},
        }

    def owns(self, present: Mapping[str, Any]) -> bool:
        """Return whether a configuration logs to our log group, and nowhere else."""
        logs = present.get("cloudWatchConfig") or {}
        return (
            logs.get("logGroupName") == self.log_group
            and not logs.get("largeDataDeliveryS3Config")
            and not present.get("s3Config")
        )

    def is_met_by(self, present: Mapping[str, Any]) -> bool:
        """Return whether a configuration is ours to the last field; one left out means false."""
        wanted = self.configuration
        return present.get("cloudWatchConfig") == wanted["cloudWatchConfig"] and all(
            bool(present.get(name, False)) == value
            for name, value in wanted.items()
            if name.endswith("DataDeliveryEnabled")
        )


def destinations_of(present: Mapping[str, Any] | None) -> list[str]:
    """Return where a configuration has invocations logged, in words; none when it logs nothing."""
    present = present or {}
    logs = present.get("cloudWatchConfig") or {}
    found = [f"the log group {logs['logGroupName']}"] if logs.get("logGroupName") else []
    buckets = (logs.get("largeDataDeliveryS3Config"), present.get("s3Config"))
    return found + [
        f"s3://{bucket['bucketName']}/{bucket.get('keyPrefix', '')}" for bucket in buckets if bucket
    ]


def foreign_text(present: Mapping[str, Any]) -> str:
    """Return what is told of a configuration that is not ours, and what to do."""
    return (
        "Amazon Bedrock logs the model invocations of this account and Region to "
        f"{' and '.join(destinations_of(present))} already. It knows one configuration for all of "
        "them, so this one was left as it is: have its owner remove it if nobody needs it (aws "
        "bedrock delete-model-invocation-logging-configuration) and deploy again, or set "
        "inference.invocation_logging: false"
    )


class State(StrEnum):
    """How far a request about the log is."""

    DONE = "Done"
    NOT_YET = "NotYet"
    """Bedrock or IAM refused it, which passes when a new role has spread; else it is an error."""
    REFUSED = "Refused"


class Answer(TypedDict):
    """What the deployer answers about the log; `reason` is empty when it is done."""

    state: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class SwitchEvent:
    """The completion check's wish that our log is on, or off."""

    on: bool
    destination: Destination

    @classmethod
    def parse(cls, event: object) -> SwitchEvent | None:
        """Return the event's typed form, or None when it is another event.

        Raises EventError or InvocationLoggingError when it is one and is not whole.
        """
        if not isinstance(event, Mapping) or EVENT not in event:
            return None
        asked = event[EVENT]
        if not isinstance(asked, Mapping) or not isinstance(asked.get("on"), bool):
            raise EventError(f'{EVENT} must say {{"on": true or false, "properties": {{...}}}}')
        properties = asked.get("properties")
        if not isinstance(properties, Mapping):
            raise EventError(f"{EVENT} must carry the resource's properties")
        return cls(
            on=asked["on"],
            destination=Destination.from_properties(properties, show_values=False),
        )
