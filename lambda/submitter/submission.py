"""Submitting one attempt, with patience for permissions that AWS has not spread yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from customization import remedies
from customization.clients import is_transient
from customization.errors import NameTakenError, QuotaError, SubmissionError
from customization.jobs import error_code

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger
    from mypy_boto3_bedrock import BedrockClient

    from customization.patience import Patience
    from customization.request import JobRequest


def submit(
    *, bedrock: BedrockClient, job: JobRequest, attempt: int, patience: Patience, logger: Logger
) -> str:
    """Submit an attempt and return the job's ARN.

    The attempt's name is the client request token too: when an answer is lost, Bedrock takes the
    repeated call for the same one. Errors that come of permissions still spreading are tried again
    while there is patience; https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html
    Errors that pass by themselves are raised as they are: whoever called looks again first.
    Raises NameTakenError, QuotaError or SubmissionError with the likely cause and remedy.
    """
    arguments = job.create_arguments(attempt=attempt)
    tries = 0
    while True:
        try:
            return bedrock.create_model_customization_job(**arguments)["jobArn"]
        except ClientError as error:
            if is_transient(error):
                raise
            text = f"{error_code(error)}: {error.response.get('Error', {}).get('Message', '')}"
            passing = remedies.is_passing(text)
            if passing:
                logger.info(
                    "permissions are not effective yet",
                    extra={"job_name": arguments["jobName"], "code": error_code(error)},
                )
            if not passing or not patience.wait(tries):
                raise _refusal(
                    name=arguments["jobName"], text=text, waited=patience.waited
                ) from None
        tries += 1


def _refusal(*, name: str, text: str, waited: float) -> SubmissionError | NameTakenError:
    tried = f" (tried for {waited:.0f} s)" if waited else ""
    message = f"Bedrock refused job {name}{tried}: {text}; {remedies.advice(text)}"
    if remedies.is_name_taken(text):
        return NameTakenError(message)
    if "servicequotaexceeded" in text.lower():
        return QuotaError(message)
    return SubmissionError(message)
