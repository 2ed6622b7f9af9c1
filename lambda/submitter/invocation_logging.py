"""Create, Update and Delete of the log of model invocations: judged, and handed on.

The completion check has the deployer do it: the submitter sits in the VPC, and its endpoint's
policy knows nothing but jobs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from customization.events import Follow, OnEventResult, RequestType, ResourceEvent
from deployments.invocation_logging import Destination, physical_id_of
from submitter.wishes import refuse_stale

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

    from deployments.table import DeploymentTable


@dataclass(frozen=True, kw_only=True)
class LoggingRequests:
    """The requests about one environment's log, over a table that is passed in."""

    table: DeploymentTable
    logger: Logger
    now: Callable[[], datetime]

    def on_event(self, event: ResourceEvent) -> OnEventResult:
        """Answer one request; raises InvocationLoggingError, or StaleRequestError for an old one.

        A Delete of what is not the environment's resource, such as an id that CloudFormation
        invented for one that never came to be, is answered without a change.
        """
        if event.request_type is RequestType.DELETE:
            name = str(event.physical_id)
            if name != physical_id_of(str(event.properties.get("Environment"))):
                self.logger.info("not a name of ours", extra={"physical_id": name})
                return {"PhysicalResourceId": name, "Follow": Follow.NOTHING}
        destination = Destination.from_properties(event.properties, show_values=False)
        refuse_stale(event, table=self.table, now=self.now())
        return {
            "PhysicalResourceId": physical_id_of(destination.environment),
            "Follow": Follow.JOB,
            "SubmittedAt": self.now().isoformat(),
        }
