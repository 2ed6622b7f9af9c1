"""Turns the log of model invocations on and off, and never touches a configuration of others.

Bedrock has no conditional write: what somebody sets between the look and the write is lost. Both
are administrators' acts and seconds apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from botocore.exceptions import ClientError

from deployments.invocation_logging import (
    Answer,
    Destination,
    State,
    SwitchEvent,
    destinations_of,
    foreign_text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools import Logger
    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_bedrock.type_defs import LoggingConfigTypeDef

_SPREADING: Final = frozenset({"AccessDeniedException", "ValidationException"})
"""What Bedrock answers while a role and its policies are not known everywhere yet: it tries the
role when it is given the configuration."""
_DONE: Final[Answer] = {"state": State.DONE, "reason": ""}


@dataclass(frozen=True, kw_only=True)
class InvocationLogging:
    """The one configuration of this account and Region, over a client that is passed in."""

    bedrock: BedrockClient
    environment: str
    logger: Logger

    def switch(self, asked: SwitchEvent) -> Answer:
        """Make it so that our log is on, or off; may be asked any number of times.

        On: what is there already is answered as done, what others have there is refused. Off: what
        is not ours stays, and that is done too.
        """
        destination = asked.destination
        if destination.environment != self.environment:
            reason = f"this is the deployer of {self.environment}, and of no other environment"
            return {"state": State.REFUSED, "reason": reason}
        try:
            present = self._present()
            return self._on(destination, present) if asked.on else self._off(destination, present)
        except ClientError as error:
            answer = error.response.get("Error", {})
            if answer.get("Code") not in _SPREADING:
                raise
            reason = (
                f"{error.operation_name} failed: {answer.get('Code')}: {answer.get('Message')}; "
                "check that the role in the resource's RoleArn trusts bedrock.amazonaws.com and "
                "may write to the log group, and that the deployer may set the configuration, "
                "then deploy again"
            )
            return {"state": State.NOT_YET, "reason": reason}

    def _present(self) -> Mapping[str, Any]:
        answer = self.bedrock.get_model_invocation_logging_configuration()
        return answer.get("loggingConfig") or {}

    def _on(self, destination: Destination, present: Mapping[str, Any]) -> Answer:
        if destinations_of(present) and not destination.owns(present):
            return {"state": State.REFUSED, "reason": foreign_text(present)}
        if not destination.is_met_by(present):
            self.bedrock.put_model_invocation_logging_configuration(
                loggingConfig=cast("LoggingConfigTypeDef", destination.configuration)
            )
            self.logger.info("invocations are logged", extra={"log_group": destination.log_group})
        return _DONE

    def _off(self, destination: Destination, present: Mapping[str, Any]) -> Answer:
        if destination.owns(present):
            self.bedrock.delete_model_invocation_logging_configuration()
            self.logger.info("invocations are not logged any more")
        elif destinations_of(present):
            self.logger.warning("the log of invocations is not ours: left as it is")
        return _DONE
