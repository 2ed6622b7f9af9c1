"""Submitting one attempt, with patience for permissions that AWS has not spread yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from customization import remedies
from customization.errors import NameTakenError, SubmissionError
from customization.jobs import error_code

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger
    from mypy_boto3_bedrock import BedrockClient

    from customization.request import JobRequest

FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 15.0


def submit(
    *,
    bedrock: BedrockClient,
    job: JobRequest,
    attempt: int,
    patience_seconds: float,
    sleep: Callable[[float], None],
    logger: Logger,
) -> str:
    """Submit an attempt and return the job's ARN.

    The attempt's name is the client request token too: when an answer is lost, Bedrock takes the
    repeated call for the same one. Errors that come of permissions still spreading are tried again
    for `patience_seconds`; https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html
    Raises NameTakenError or SubmissionError with the likely cause and remedy.
    """
    arguments = job.create_arguments(attempt=attempt)
    pause, waited = FIRST_PAUSE_SECONDS, 0.0
    while True:
        try:
            return bedrock.create_model_customization_job(**arguments)["jobArn"]
        except ClientError as error:
            text = f"{error_code(error)}: {error.response.get('Error', {}).get('Message', '')}"
            if not remedies.is_passing(text) or waited + pause > patience_seconds:
                raise _refusal(name=arguments["jobName"], text=text, waited=waited) from None
            logger.info(
                "permissions are not effective yet",
                extra={"job_name": arguments["jobName"], "code": error_code(error), "pause": pause},
            )
        sleep(pause)
        waited += pause
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def _refusal(*, name: str, text: str, waited: float) -> SubmissionError | NameTakenError:
    tried = f" (tried for {waited:.0f} s)" if waited else ""
    message = f"Bedrock refused job {name}{tried}: {text}; {remedies.advice(text)}"
    taken = "name is currently in use" in text.lower()
    return NameTakenError(message) if taken else SubmissionError(message)
