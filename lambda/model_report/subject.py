"""The job that a report is about: its row, what Bedrock says of it, and where its outputs are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from customization.errors import CustomizationError
from training_metrics.outputs import JOB_FOLDER

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient

    from customization.rows import Row
    from customization.table import Table

OUTPUTS: Final = "outputs/"
"""What the keys of all outputs of an environment begin with."""


class NothingToReportError(CustomizationError):
    """There is no completed job of this environment under the name."""


class OutputsElsewhereError(CustomizationError):
    """The job's outputs are not where this environment keeps them."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One completed job.

    `prefix` is where the outputs of all jobs of this name in the settings begin, `folder` where
    those of this one do; both end with a slash.
    """

    row: Row
    answer: Mapping[str, Any]
    bucket: str
    prefix: str
    folder: str

    @property
    def ended(self) -> datetime:
        """When its training ended: the time of all that is made of it, so that it is the same."""
        ended: datetime = self.answer.get("endTime") or self.answer["creationTime"]
        return ended


def find(*, bedrock: BedrockClient, table: Table, job_name: str, bucket: str) -> Subject:
    """Return the completed job of a name.

    Raises NothingToReportError, OutputsElsewhereError or botocore's ClientError.
    """
    row = table.read(job_name)
    if row is None:
        raise NothingToReportError(
            f"the state table has no job {job_name}: name one that `finetune jobs` lists"
        )
    answer = bedrock.get_model_customization_job(jobIdentifier=job_name)
    if answer.get("status") != "Completed":
        raise NothingToReportError(
            f"job {job_name} is {answer.get('status')}: only a completed one has metrics to report"
        )
    uri = answer["outputDataConfig"]["s3Uri"]
    found, _, key = uri.removeprefix("s3://").partition("/")
    prefix = key.rstrip("/") + "/"
    if found != bucket or not prefix.startswith(OUTPUTS):
        raise OutputsElsewhereError(
            f"the outputs of job {job_name} are not below {OUTPUTS} in this environment's bucket: "
            "deploy the job's stack again"
        )
    job_id = answer["jobArn"].rpartition("/")[2]
    return Subject(
        row=row,
        answer=answer,
        bucket=bucket,
        prefix=prefix,
        folder=f"{prefix}{JOB_FOLDER}{job_id}/",
    )
