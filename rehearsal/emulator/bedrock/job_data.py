"""The job's data: reading it, Bedrock's write probe, writing the results.

Everything happens in the role's name and over the job's own network path, and is decided by the
policies that were deployed: role, endpoint, bucket, key.
https://docs.aws.amazon.com/bedrock/latest/userguide/fine-tuning-troubleshooting.html
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ministack.services import s3

from rehearsal.emulator import network, principals
from rehearsal.emulator.data_encryption import why_key_denies
from rehearsal.emulator.decisions import why_denied, why_endpoint_denies

PROBE = ".write_access_check_file.tmp"
_STEPS_PER_EPOCH = 60
_DOCUMENTED_VALIDATION_FOLDER = "post_fine_tuning_validation/"
_VALIDATION_FOLDERS = {"nova": "post_fine_tuning_validation/validation/", "llama": ""}
"""Where AWS's sample notebooks find validation metrics, by what the base model's id holds."""


class DataError(Exception):
    """The job cannot read its data or write its results."""


@dataclass(frozen=True, kw_only=True)
class Location:
    """An S3 URI taken apart."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> Location:
        """Take `s3://bucket/key` apart; the API's pattern was checked before."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return cls(bucket=bucket, key=key)

    def below(self, name: str) -> Location:
        """The object `name` under this prefix."""
        return Location(bucket=self.bucket, key=f"{self.key.rstrip('/')}/{name}".lstrip("/"))

    @property
    def arn(self) -> str:
        """ARN of the object."""
        return f"arn:aws:s3:::{self.bucket}/{self.key}"


@dataclass(frozen=True, kw_only=True)
class DataAccess:
    """A role's way to S3."""

    role: principals.Caller
    path: network.Path | None

    def _why_not(self, action: str, resource: str, keys: Mapping[str, Any]) -> str | None:
        given = {
            "s3:TlsVersion": "1.3",
            **keys,
            **(self.path.keys if self.path else {}),
        }
        if self.path is not None:
            closed = why_endpoint_denies(
                policy=self.path.policy,
                endpoint_id=self.path.endpoint_id,
                caller=self.role,
                action=action,
                resource=resource,
                keys=given,
            )
            if closed:
                return closed
        return why_denied(caller=self.role, action=action, resource=resource, keys=given)

    def check_readable(self, location: Location) -> None:
        """Refuse unless the role may list and read it and it is there.

        Raises:
            DataError: in Bedrock's words, with the policy decision behind them.
        """
        if location.bucket not in s3._buckets:
            raise DataError(f"The specified bucket does not exist: {location.bucket}")
        why = (
            self._why_not(
                "s3:ListBucket",
                f"arn:aws:s3:::{location.bucket}",
                {"s3:prefix": location.key},
            )
            or self._why_not("s3:GetObject", location.arn, {})
            or why_key_denies(
                caller=self.role, bucket=location.bucket, key=location.key, action="kms:Decrypt"
            )
        )
        if why:
            raise DataError(
                "Could not validate GetObject permissions to access Amazon S3 bucket: "
                f"{location.bucket} at key {location.key}: {why}"
            )
        if location.key not in s3._buckets[location.bucket].get("objects", {}):
            raise DataError(f"The specified key does not exist: {location.bucket}/{location.key}")

    def check_writable(self, location: Location) -> None:
        """Refuse unless the role may write this object.

        Raises:
            DataError: in Bedrock's words, with the policy decision behind them.
        """
        if location.bucket not in s3._buckets:
            raise DataError(f"The specified bucket does not exist: {location.bucket}")
        why = self._why_not(
            "s3:PutObject", location.arn, {"s3:ObjectCreationOperation": "true"}
        ) or why_key_denies(
            caller=self.role,
            bucket=location.bucket,
            key=location.key,
            action="kms:GenerateDataKey",
        )
        if why:
            raise DataError(
                "Amazon S3 perms missing (PutObject): Could not validate PutObject permissions to "
                f"access S3 bucket: {location.bucket} at key {location.key}: {why}"
            )

    def write(self, location: Location, content: bytes) -> None:
        """Write an object in the role's name.

        Raises:
            DataError: the role may not, or S3 refused.
        """
        self.check_writable(location)
        status, _, answer = s3._put_object(location.bucket, location.key, content, {})
        if status >= 400:
            raise DataError(f"S3 refused {location.arn}: {answer!r}")


def inputs(request: Mapping[str, Any]) -> Iterator[Location]:
    """What a job reads: training data, then validation data."""
    if "s3Uri" in request["trainingDataConfig"]:
        yield Location.parse(request["trainingDataConfig"]["s3Uri"])
    for validator in request.get("validationDataConfig", {}).get("validators", []):
        yield Location.parse(validator["s3Uri"])


def output(request: Mapping[str, Any]) -> Location:
    """Prefix under which a job writes."""
    return Location.parse(request["outputDataConfig"]["s3Uri"])


def metrics_files(request: Mapping[str, Any], job_id: str) -> Iterator[tuple[str, bytes]]:
    """Names under the output prefix and contents of the metrics a job leaves.

    The numbers are made up (a decay that trembles, the same for the same job): nothing was trained.
    Where validation metrics stand differs by the model's family.
    https://docs.aws.amazon.com/bedrock/latest/userguide/model-customization-analyze.html
    """
    epochs = int(request.get("hyperParameters", {}).get("epochCount", "2"))
    folder = f"model-customization-job-{job_id}"

    def table(column: str, first_loss: float) -> bytes:
        tremble = random.Random(f"{job_id} {column}")  # noqa: S311 - no secret, made-up losses
        lines = [f"step_number,epoch_number,{column},perplexity"]
        for step in range(epochs * _STEPS_PER_EPOCH):
            loss = 0.4 + first_loss * math.exp(-step / _STEPS_PER_EPOCH)
            loss += tremble.gauss(0, 0.02)
            lines.append(f"{step},{step // _STEPS_PER_EPOCH},{loss:.4f},{math.exp(loss):.4f}")
        return ("\n".join(lines) + "\n").encode()

    yield (
        f"{folder}/training_artifacts/step_wise_training_metrics.csv",
        table("training_loss", 1.6),
    )
    if request.get("validationDataConfig", {}).get("validators"):
        family = str(request.get("baseModelIdentifier", ""))
        places = (place for known, place in _VALIDATION_FOLDERS.items() if known in family)
        place = next(places, _DOCUMENTED_VALIDATION_FOLDER)
        yield (
            f"{folder}/validation_artifacts/{place}validation_metrics.csv",
            table("validation_loss", 1.8),
        )
