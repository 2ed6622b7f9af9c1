"""The wish that a job's model be served, as a resource of CloudFormation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from aws_cdk import CustomResource, Duration
from constructs import Construct

from customization.identity import names_for
from deployments.wish import RESOURCE_TYPE, Wish


@dataclass(frozen=True, kw_only=True)
class SmokeTest:
    """One question to the model, and what its answer has to be like."""

    prompt: str
    contains: Sequence[str] = ()
    not_contains: Sequence[str] = ()
    matches: str | None = None
    max_seconds: int = 30
    max_tokens: int = 512


@dataclass(frozen=True, kw_only=True)
class Serving:
    """How a model is served.

    Args:
        kind: On demand, paid by tokens; or provisioned, paid by the hour.
        model_units: Of provisioned throughput.
        commitment: None buys by the hour.
        hours: After which throughput is given back; None where its commitment ends it.
        smoke_tests: Asked when it is deployed.
    """

    kind: Literal["on_demand", "provisioned"]
    model_units: int = 1
    commitment: Literal["OneMonth", "SixMonths"] | None = None
    hours: int | None = None
    smoke_tests: Sequence[SmokeTest] = ()


class ModelDeployment(Construct):
    """A deployment of one job's model: made when the job completes, removed before the job.

    The resource writes the wish down and answers at once; the deployer sees it through. It names
    the job by its physical id, so that CloudFormation takes it away first, and the table by its
    import, so that what removes deployments cannot be taken away while one is wanted.

    Args:
        service_token: The provider's, as for jobs.
        job_name: Physical id of the job's resource.
        table_name: Where the wish is kept.
        tags: On the deployment, beside the owner tags.

    Raises:
        WishError: The submitter would refuse the wish.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        service_token: str,
        environment: str,
        job: str,
        job_name: str,
        table_name: str,
        serving: Serving,
        tags: Mapping[str, str],
    ) -> None:
        super().__init__(scope, id)
        provisioned = serving.kind == "provisioned"
        properties = {
            "Environment": environment,
            "Job": job,
            "Kind": serving.kind,
            "ModelUnits": str(serving.model_units),
            "Commitment": serving.commitment or "",
            "Hours": str(serving.hours) if provisioned and serving.hours else "",
            "SmokeTests": json.dumps([asdict(each) for each in serving.smoke_tests]),
            "Tags": [{"key": key, "value": value} for key, value in sorted(tags.items())],
        }
        # Read here as the submitter will read it, with a stand-in for the job's name.
        stand_in = names_for(environment=environment, job=job, digest="0" * 16)
        Wish.from_properties({**properties, "JobName": stand_in})
        self.resource = CustomResource(
            self,
            "Resource",
            resource_type=RESOURCE_TYPE,
            service_token=service_token,
            service_timeout=Duration.hours(1),
            properties={**properties, "JobName": job_name, "Table": table_name},
        )
