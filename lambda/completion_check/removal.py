"""Whether what served a model is gone, so that the model may go after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from customization.events import Follow, IsCompleteResult, RequestType, ResourceEvent
from customization.identity import ENVIRONMENT_TAG, JOB_TAG
from deployments import seen
from deployments.errors import CommitmentError
from deployments.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from aws_lambda_powertools import Logger
    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_lambda import LambdaClient


@dataclass(frozen=True, kw_only=True)
class Removal:
    """The completion check of deployments over clients that are passed in."""

    bedrock: BedrockClient
    functions: Callable[[], LambdaClient]
    deployer: str
    logger: Logger
    now: Callable[[], datetime]

    def is_complete(self, event: ResourceEvent) -> IsCompleteResult:
        """Return whether Bedrock knows none of the names that have to go; wakes the deployer.

        Creates and Updates are complete at once. Raises CommitmentError for throughput that cannot
        go before a date.
        """
        if event.request_type is not RequestType.DELETE or event.follow is not Follow.JOB:
            return {"IsComplete": True}
        names = event.jobs or (str(event.physical_id),)
        left = [name for name in names if self._is_left(name, event=event)]
        early = event.not_before is not None and self.now() < event.not_before
        self.logger.info("to be removed", extra={"left": len(left), "early": early})
        if not left and not early:
            return {"IsComplete": True}
        self._wake()
        return {"IsComplete": False}

    def _wake(self) -> None:
        """Have the deployer look now; it looks by itself every few minutes, so nothing hangs on it.

        botocore's own errors are named by their class: some quote the arguments of the call.
        """
        try:
            self.functions().invoke(
                FunctionName=self.deployer, InvocationType="Event", Payload=b'{"Wake": "removal"}'
            )
        except (BotoCoreError, ClientError) as error:
            self.logger.warning("the deployer was not woken", extra={"error": type(error).__name__})

    def _is_left(self, name: str, *, event: ResourceEvent) -> bool:
        for kind in Kind:
            found = seen.find(
                bedrock=self.bedrock, name=name, kind=kind, owner_tags=_tags_of(event)
            )
            if found is None or not found.ours:
                continue
            if found.is_committed(now=self.now()) and found.commitment_ends is not None:
                raise CommitmentError(
                    f"the provisioned throughput {name} was bought with a commitment until "
                    f"{found.commitment_ends.isoformat()}, is paid until then and cannot be "
                    "deleted before: it is removed by itself at that time; delete the stack again "
                    "then"
                )
            return True
        return False


def _tags_of(event: ResourceEvent) -> dict[str, str]:
    """Return the tags that make something this wish's: those of its environment and job.

    What was replaced may belong to an earlier content of the same job, so the digest is not asked.
    """
    return {
        ENVIRONMENT_TAG: str(event.properties.get("Environment")),
        JOB_TAG: str(event.properties.get("Job")),
    }
