"""Controls of the jobs: the request that each would make."""

from __future__ import annotations

from typing import Any

from tests.security.control import (
    JOB,
    control,
    differences,
    job_group_of_the_role,
    property_findings,
)
from tests.security.deployment import Deployment
from tests.security.methods import request_of_method
from tests.security.permissions import permissions_of


@control
def jobs_are_private(deployment: Deployment) -> list[str]:
    """Each job of the settings has its subnets, group, role, model key and its own output."""
    permissions = permissions_of(deployment)
    settings = deployment.settings
    jobs = {str(job["Job"]): job for job in deployment.of_type(JOB)}
    findings = (
        []
        if sorted(jobs) == sorted(settings.jobs)
        else [f"jobs {sorted(jobs)}, expected {sorted(settings.jobs)}"]
    )
    subnets = [f"subnet-{cidr}" for cidr in deployment.training_cidrs.values()]
    # The policy of the customization role names the group, so a job's own word is checked by it.
    group = job_group_of_the_role(deployment)
    for name, job in settings.jobs.items():
        if name not in jobs:
            continue
        data, validation = job.training_data, job.validation_data
        tags = [
            {"key": key, "value": value}
            for key, value in sorted({**settings.tags, **job.tags}.items())
        ]
        request: dict[str, Any] = {
            "roleArn": permissions.roles["customization"],
            "baseModelIdentifier": job.base_model,
            "customizationType": job.customization_type,
            "customModelKmsKeyId": permissions.model_key,
            **request_of_method(deployment, job),
            "outputDataConfig": {"s3Uri": f"s3://bucket-data/outputs/{name}/"},
            "vpcConfig": {"subnetIds": subnets, "securityGroupIds": [group]},
            "jobTags": tags,
            "customModelTags": tags,
        }
        control = {
            "ServiceToken": permissions.framework("onEvent"),
            "ServiceTimeout": "3600",
            "Environment": settings.environment,
            "Job": name,
            "Run": str(job.run),
            "DatasetName": job.dataset or "invocation-logs",
            # Logs grow: what stands for them is where they are, which the request says.
            **({"DatasetDigest": data.sha256} if data else {}),
            "KeyName": "model",
            "WaitFor": job.wait_for,
            "ValidationMinutes": str(settings.engine.validation_minutes),
            "OnReplace": job.on_replace,
            "OnDelete": job.on_delete,
        }
        if validation:
            control |= {
                "ValidationDatasetName": str(job.validation_dataset),
                "ValidationDatasetDigest": validation.sha256,
            }
            request["validationDataConfig"] = {
                "validators": [{"s3Uri": f"s3://bucket-data/{validation.key}"}]
            }
        resource = jobs[name]
        found = dict(resource["Request"] or {})
        findings += differences(f"job {name} Request", found, request)
        also = {"Request"} if data else {"Request", "DatasetDigest"}
        findings += property_findings(resource, control, also=also)
    return findings
