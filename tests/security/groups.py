"""Security groups of this app by what uses them."""

from __future__ import annotations

from typing import NamedTuple

from tests.security.app_deployment import AppDeployment
from tests.security.control import (
    JOB,
    endpoints_of,
    first,
    function_of,
    job_group_of_the_role,
    service_of,
)


class Groups(NamedTuple):
    """Security groups by what is in them."""

    job: str | None
    functions: str | None
    kms: str | None
    bedrock: str | None


def groups_in_use(deployment: AppDeployment) -> Groups:
    """Which group is whose, found through what uses it."""

    def only(values: object) -> str | None:
        return values[0] if isinstance(values, list) and len(values) == 1 else None

    job = first(deployment.of_type(JOB))
    policy_group = job_group_of_the_role(deployment)
    submitter = function_of(deployment, "submitter")
    endpoints = {service_of(endpoint): endpoint for endpoint in endpoints_of(deployment)}
    return Groups(
        job=only(job["Request.vpcConfig.securityGroupIds"]) if job else policy_group,
        functions=only(submitter["VpcConfig.SecurityGroupIds"]) if submitter else None,
        kms=only(endpoints["kms"]["SecurityGroupIds"]) if "kms" in endpoints else None,
        bedrock=only(endpoints["bedrock"]["SecurityGroupIds"]) if "bedrock" in endpoints else None,
    )
