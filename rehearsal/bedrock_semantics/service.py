"""The operations of model customization over records of jobs, models and tags."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

from rehearsal.bedrock_semantics import shapes
from rehearsal.bedrock_semantics.errors import (
    ConflictError,
    LostError,
    NotFoundError,
    QuotaError,
    ServiceError,
    TooManyTagsError,
    ValidationError,
)
from rehearsal.bedrock_semantics.jobs import (
    COMPLETED,
    ENDED,
    IN_PROGRESS,
    RUNNING,
    STOPPING,
    Record,
    move,
)
from rehearsal.bedrock_semantics.logging_configuration import LoggingConfiguration
from rehearsal.bedrock_semantics.serving import Serving

Answer = dict[str, Any]
MOST_TAGS: Final = 50
MOST_JOBS: Final = 10
"""Scheduled customization jobs per account; not adjustable."""
_PAGE: Final = 100
_JOBS_OWN: Final = (
    "roleArn",
    "clientRequestToken",
    "trainingDataConfig",
    "outputDataConfig",
    "vpcConfig",
    "customizationConfig",
)
"""What GetModelCustomizationJob answers as it was sent, when it was sent."""
_MODELS_OWN: Final = (
    "jobName",
    "jobArn",
    "baseModelArn",
    "customizationType",
    "hyperParameters",
    "trainingDataConfig",
    "validationDataConfig",
    "outputDataConfig",
)
"""What GetCustomModel answers of its job."""


class Admission(Protocol):
    """What decides whether a job is taken besides names and limits."""

    def base_model(self, request: Mapping[str, Any]) -> str:
        """Return the id of the base model; raises ServiceError when it takes no such job."""

    def model_key(self, request: Mapping[str, Any], job_arn: str) -> str | None:
        """Return the ARN of the model's key; raises ServiceError for key, role or network."""


class AdmitsAll:
    """An admission that knows every base model, key, role and network."""

    def base_model(self, request: Mapping[str, Any]) -> str:
        """Return the id that was asked for."""
        return str(request["baseModelIdentifier"]).rpartition("foundation-model/")[2]

    def model_key(self, request: Mapping[str, Any], job_arn: str) -> str | None:
        """Return the key that was asked for."""
        del job_arn
        key = request.get("customModelKmsKeyId")
        return str(key) if key else None


@dataclass
class Fault:
    """An error to answer instead of (or, with `after`, on top of) an operation's effect."""

    operation: str
    refusal: ServiceError | LostError
    times: int = 1
    after: bool = False


def raise_planted(faults: Iterable[Fault], operation: str, *, after: bool) -> None:
    """Raise what is planted for an operation, before or after its effect, and use it up."""
    for fault in faults:
        if (fault.operation, fault.after) == (operation, after) and fault.times > 0:
            fault.times -= 1
            raise fault.refusal


def tags_as_map(entries: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return a request's list of tags as a mapping."""
    return {entry["key"]: entry["value"] for entry in entries}


@dataclass(kw_only=True)
class Bedrock:
    """Jobs, custom models and tags, and the operations on them.

    Every operation takes the parameters of the API's call and returns its answer, or raises
    ServiceError. The stores are plain mappings that others may look into and change: jobs by name,
    models by ARN, tags by ARN, and each job's own request by its ARN.
    """

    clock: Callable[[], datetime]
    arn: Callable[[str], str]
    """Returns the ARN of a resource of the account; a foundation model has no account in it."""
    new_id: Callable[[], str]
    """Returns the 12 characters at the end of a job's or model's ARN."""
    quota: int = MOST_JOBS
    name_in_use: type[ServiceError] = ValidationError
    """Which error a name in use answers is not documented; the text is known from the field."""
    jobs: MutableMapping[str, Record] = field(default_factory=dict)
    models: MutableMapping[str, Record] = field(default_factory=dict)
    tags: MutableMapping[str, dict[str, str]] = field(default_factory=dict)
    requests: MutableMapping[str, Record] = field(default_factory=dict)
    deployments: MutableMapping[str, Record] = field(default_factory=dict)
    throughputs: MutableMapping[str, Record] = field(default_factory=dict)
    logging: LoggingConfiguration = field(default_factory=LoggingConfiguration)
    in_use: set[str] = field(default_factory=set)
    """ARNs of models that something else uses than the deployments and throughput here."""
    faults: list[Fault] = field(default_factory=list)
    check_each: bool = True
    """Check every answer, and not just one of each form: see `shapes.check_answer`."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    _names: dict[str, str] = field(default_factory=dict)
    """Names of jobs by ARN, to find one without looking at all."""
    _tokens: dict[str, str] = field(default_factory=dict)
    serving: Serving = field(init=False)

    def __post_init__(self) -> None:
        self.serving = Serving(
            clock=self.clock,
            arn=self.arn,
            new_id=self.new_id,
            model=self.model,
            tags=self.tags,
            name_in_use=self.name_in_use,
            deployments=self.deployments,
            throughputs=self.throughputs,
        )

    # One call

    def call(self, operation: str, parameters: Answer, **more: Any) -> Answer:
        """Serve one call as the service does: planted faults, the effect, a checked answer.

        Raises:
            ServiceError: it is refused.
            LostError: a planted fault takes the answer away.
            ShapeError: the answer does not fit botocore's model of the operation.
        """
        raise_planted(self.faults, operation, after=False)
        answer = OPERATIONS[operation](self, parameters, **more)
        raise_planted(self.faults, operation, after=True)
        shapes.check_answer(
            operation=operation, answer=_with_known_status(answer), each=self.check_each
        )
        return answer

    # Look-up

    def find_job(self, identifier: str) -> Record | None:
        """Return the job of a name or an ARN, None when there is none."""
        found = self.jobs.get(identifier) or self.jobs.get(self._names.get(identifier, ""))
        if found is not None and identifier in (found["jobName"], found["jobArn"]):
            return found
        return next((job for job in self.jobs.values() if job["jobArn"] == identifier), None)

    def find_model(self, identifier: str) -> Record | None:
        """Return the custom model of a name or an ARN, None when there is none."""
        found = self.models.get(identifier)
        if found is not None:
            return found
        if identifier.startswith("arn:"):
            return None
        return next((m for m in self.models.values() if m["modelName"] == identifier), None)

    def job(self, identifier: str) -> Record:
        """Return the job of a name or an ARN; raises NotFoundError."""
        found = self.find_job(identifier)
        if found is None:
            raise NotFoundError(
                f"The specified model customization job was not found: {identifier}"
            )
        return found

    def model(self, identifier: str) -> Record:
        """Return the custom model of a name or an ARN; raises NotFoundError."""
        found = self.find_model(identifier)
        if found is None:
            raise NotFoundError(f"Could not find model with identifier: {identifier}")
        return found

    def running(self) -> list[Record]:
        """Return the jobs that count against the quota: in progress, or being stopped."""
        return [job for job in self.jobs.values() if job["status"] in RUNNING]

    def tags_of(self, arn: str) -> dict[str, str]:
        """Return the tags of a job or model, none when it has none."""
        return dict(self.tags.get(arn) or {})

    # Jobs

    def create_job(self, request: Answer, *, admission: Admission | None = None) -> Answer:
        """CreateModelCustomizationJob: a token that was seen before answers with its job."""
        admits = admission or AdmitsAll()
        with self.lock:
            known = self._with_token(request.get("clientRequestToken"))
            if known is not None:
                return {"jobArn": known["jobArn"]}
            self._check_limits(request)
            base_model = admits.base_model(request)
            named = str(request["baseModelIdentifier"])
            if ":custom-model/" in named and self.find_model(named) is None:
                raise ValidationError(f"The provided model identifier is invalid: {named}")
            arn = self.arn(f"model-customization-job/{base_model}/{self.new_id()}")
            key = admits.model_key(request, arn)
            now = self.clock()
            job: Record = {
                "jobArn": arn,
                "jobName": request["jobName"],
                "outputModelName": request["customModelName"],
                "status": IN_PROGRESS,
                "creationTime": now,
                "lastModifiedTime": now,
                "baseModelArn": self.arn(f"foundation-model/{base_model}"),
                "hyperParameters": request.get("hyperParameters", {}),
                "validationDataConfig": request.get("validationDataConfig", {"validators": []}),
                "customizationType": request.get("customizationType", "FINE_TUNING"),
                **{name: request[name] for name in _JOBS_OWN if name in request},
                **({"outputModelKmsKeyArn": key} if key else {}),
            }
            self.jobs[job["jobName"]] = job
            self.requests[arn] = request
            self.tags[arn] = tags_as_map(request.get("jobTags", []))
            self._names[arn] = job["jobName"]
            if "clientRequestToken" in job:
                self._tokens[job["clientRequestToken"]] = job["jobName"]
        return {"jobArn": arn}

    def _with_token(self, token: str | None) -> Record | None:
        found = self.jobs.get(self._tokens.get(token or "", ""))
        return found if found is not None and found.get("clientRequestToken") == token else None

    def _check_limits(self, request: Answer) -> None:
        for name in ("jobTags", "customModelTags"):
            if len(request.get(name, [])) > MOST_TAGS:
                raise TooManyTagsError(f"{name}: at most {MOST_TAGS} tags on a resource")
        # Names live as long as Bedrock's records of jobs do.
        if request["jobName"] in self.jobs:
            raise self.name_in_use("The provided job name is currently in use.")
        running = self.running()
        model = request["customModelName"]
        if any(job["outputModelName"] == model for job in running) or self.find_model(model):
            raise self.name_in_use("The provided model name is currently in use.")
        if len(running) >= self.quota:
            raise QuotaError(
                f"too many scheduled jobs: the account has {len(running)}, at most {self.quota}"
            )

    def get_job(self, request: Answer) -> Answer:
        """GetModelCustomizationJob."""
        return dict(self.job(request["jobIdentifier"]))

    def stop_job(self, request: Answer) -> Answer:
        """StopModelCustomizationJob: only a job in progress can be stopped."""
        with self.lock:
            job = self.job(request["jobIdentifier"])
            if job["status"] != IN_PROGRESS:
                raise ConflictError(
                    f"The job {job['jobName']} is {job['status']} and cannot be stopped"
                )
            move(job, STOPPING, now=self.clock())
        return {}

    def end_job(self, name: str, status: str, *, failure: str | None = None) -> None:
        """Bring a job to its end; a completed one gets its model.

        Raises:
            ImpossibleError: the job has ended already.
        """
        with self.lock:
            job = self.job(name)
            now = self.clock()
            move(job, status, now=now, failure=failure)
            if status != COMPLETED:
                return
            arn = job["jobArn"].replace(":model-customization-job/", ":custom-model/")
            job["outputModelArn"] = arn
            sent = self.requests.get(job["jobArn"], {})
            self.models[arn] = {
                "modelArn": arn,
                "modelName": job["outputModelName"],
                "creationTime": now,
                "modelStatus": "Active",
                **{field: job[field] for field in _MODELS_OWN if field in job},
                **(
                    {"modelKmsKeyArn": job["outputModelKmsKeyArn"]}
                    if "outputModelKmsKeyArn" in job
                    else {}
                ),
            }
            self.tags[arn] = tags_as_map(sent.get("customModelTags", []))

    def list_jobs(self, request: Answer) -> Answer:
        """ListModelCustomizationJobs."""
        found = [
            _some(
                {
                    "jobArn": job["jobArn"],
                    "baseModelArn": job["baseModelArn"],
                    "jobName": job["jobName"],
                    "status": job["status"],
                    "statusDetails": job.get("statusDetails"),
                    "lastModifiedTime": job["lastModifiedTime"],
                    "creationTime": job["creationTime"],
                    "endTime": job.get("endTime"),
                    "customModelArn": job.get("outputModelArn"),
                    "customModelName": job["outputModelName"],
                    "customizationType": job["customizationType"],
                }
            )
            for job in list(self.jobs.values())
            if request.get("statusEquals") in (None, job["status"])
        ]
        page, token = _page(found, request, name="jobName")
        return _some({"modelCustomizationJobSummaries": page, "nextToken": token})

    # Models

    def get_model(self, request: Answer) -> Answer:
        """GetCustomModel."""
        return dict(self.model(request["modelIdentifier"]))

    def list_models(self, request: Answer) -> Answer:
        """ListCustomModels."""
        found = [
            {
                "modelArn": model["modelArn"],
                "modelName": model["modelName"],
                "creationTime": model["creationTime"],
                "baseModelArn": model["baseModelArn"],
                # The pattern of this field admits neither version nor context suffix.
                "baseModelName": model["baseModelArn"].rpartition("/")[2].partition(":")[0],
                "customizationType": model["customizationType"],
                "modelStatus": model["modelStatus"],
            }
            for model in list(self.models.values())
            if request.get("baseModelArnEquals") in (None, model["baseModelArn"])
            and request.get("modelStatus") in (None, model["modelStatus"])
        ]
        page, token = _page(found, request, name="modelName")
        return _some({"modelSummaries": page, "nextToken": token})

    def delete_model(self, request: Answer) -> Answer:
        """DeleteCustomModel: not while a deployment or provisioned throughput uses it."""
        with self.lock:
            model = self.model(request["modelIdentifier"])
            if model["modelArn"] in self.in_use or self.serving.uses(model["modelArn"]):
                raise ConflictError(f"The model {model['modelName']} is in use")
            del self.models[model["modelArn"]]
            self.tags.pop(model["modelArn"], None)
        return {}

    # Serving

    def find_deployment(self, identifier: str) -> Record | None:
        """Return the custom model deployment of a name or an ARN, None when there is none."""
        return self.serving.find_deployment(identifier)

    def find_throughput(self, identifier: str) -> Record | None:
        """Return the provisioned throughput of a name or an ARN, None when there is none."""
        return self.serving.find_throughput(identifier)

    def settle_deployment(self, identifier: str, status: str, failure: str | None = None) -> None:
        """Bring a deployment that is being made to Active or Failed; raises ImpossibleError."""
        with self.lock:
            self.serving.settle_deployment(identifier, status, failure)

    def settle_throughput(self, identifier: str, status: str, failure: str | None = None) -> None:
        """Bring throughput that is being made to InService or Failed; raises ImpossibleError."""
        with self.lock:
            self.serving.settle_throughput(identifier, status, failure)

    def create_deployment(self, request: Answer) -> Answer:
        """CreateCustomModelDeployment."""
        with self.lock:
            return self.serving.create_deployment(request)

    def get_deployment(self, request: Answer) -> Answer:
        """GetCustomModelDeployment."""
        return self.serving.get_deployment(request)

    def delete_deployment(self, request: Answer) -> Answer:
        """DeleteCustomModelDeployment."""
        with self.lock:
            return self.serving.delete_deployment(request)

    def list_deployments(self, request: Answer) -> Answer:
        """ListCustomModelDeployments."""
        found = self.serving.deployment_summaries(request)
        page, token = _page(
            found,
            request,
            name="customModelDeploymentName",
            made="createdAt",
            after="createdAfter",
            before="createdBefore",
        )
        return _some({"modelDeploymentSummaries": page, "nextToken": token})

    def create_throughput(self, request: Answer) -> Answer:
        """CreateProvisionedModelThroughput."""
        with self.lock:
            return self.serving.create_throughput(request)

    def get_throughput(self, request: Answer) -> Answer:
        """GetProvisionedModelThroughput."""
        return self.serving.get_throughput(request)

    def delete_throughput(self, request: Answer) -> Answer:
        """DeleteProvisionedModelThroughput."""
        with self.lock:
            return self.serving.delete_throughput(request)

    def list_throughputs(self, request: Answer) -> Answer:
        """ListProvisionedModelThroughputs."""
        found = self.serving.throughput_summaries(request)
        page, token = _page(found, request, name="provisionedModelName")
        return _some({"provisionedModelSummaries": page, "nextToken": token})

    # The log of invocations

    def put_logging(self, request: Answer) -> Answer:
        """PutModelInvocationLoggingConfiguration."""
        with self.lock:
            return self.logging.put(request)

    def get_logging(self, request: Answer) -> Answer:
        """GetModelInvocationLoggingConfiguration."""
        del request
        return self.logging.get()

    def delete_logging(self, request: Answer) -> Answer:
        """DeleteModelInvocationLoggingConfiguration."""
        del request
        with self.lock:
            return self.logging.delete()

    # Tags

    def tag(self, request: Answer) -> Answer:
        """TagResource."""
        arn = self._existing(request["resourceARN"])
        with self.lock:
            tags = {**self.tags_of(arn), **tags_as_map(request["tags"])}
            if len(tags) > MOST_TAGS:
                raise TooManyTagsError(f"at most {MOST_TAGS} tags on a resource")
            self.tags[arn] = tags
        return {}

    def untag(self, request: Answer) -> Answer:
        """UntagResource."""
        arn = self._existing(request["resourceARN"])
        removed = set(request["tagKeys"])
        with self.lock:
            self.tags[arn] = {k: v for k, v in self.tags_of(arn).items() if k not in removed}
        return {}

    def list_tags(self, request: Answer) -> Answer:
        """ListTagsForResource."""
        tags = self.tags_of(self._existing(request["resourceARN"]))
        return {"tags": [{"key": key, "value": value} for key, value in tags.items()]}

    def _existing(self, arn: str) -> str:
        if ":model-customization-job/" in arn:
            return str(self.job(arn)["jobArn"])
        if ":custom-model-deployment/" in arn:
            return str(self.serving.deployment(arn)["customModelDeploymentArn"])
        if ":provisioned-model/" in arn:
            return str(self.serving.throughput(arn)["provisionedModelArn"])
        return str(self.model(arn)["modelArn"])


def _with_known_status(answer: Answer) -> Answer:
    """An answer to check: a status that no job has was put there to see what comes of it."""
    if "jobArn" not in answer or answer.get("status", IN_PROGRESS) in RUNNING | ENDED:
        return answer
    return {**answer, "status": IN_PROGRESS}


def _some(answer: Answer) -> Answer:
    """The fields that have a value: the API leaves others out."""
    return {name: value for name, value in answer.items() if value is not None}


def _page(
    found: list[Answer],
    request: Answer,
    *,
    name: str,
    made: str = "creationTime",
    after: str = "creationTimeAfter",
    before: str = "creationTimeBefore",
) -> tuple[list[Answer], str | None]:
    """One page of what is listed, newest first, and the token of the next page.

    Raises:
        ValidationError: the token is none of ours.
    """
    wanted = [
        entry
        for entry in found
        if request.get("nameContains", "") in entry[name]
        and (after not in request or entry[made] > request[after])
        and (before not in request or entry[made] < request[before])
    ]
    # Made in this order; of two of one moment the later one is the newer.
    wanted.sort(key=lambda entry: entry[made])
    if request.get("sortOrder") != "Ascending":
        wanted.reverse()
    token = str(request.get("nextToken", "0"))
    if not token.isdecimal():
        raise ValidationError(f"Invalid nextToken: {token}")
    start, size = int(token), int(request.get("maxResults", _PAGE))
    rest = str(start + size) if start + size < len(wanted) else None
    return wanted[start : start + size], rest


OPERATIONS: Final[Mapping[str, Callable[..., Answer]]] = {
    "CreateModelCustomizationJob": Bedrock.create_job,
    "GetModelCustomizationJob": Bedrock.get_job,
    "StopModelCustomizationJob": Bedrock.stop_job,
    "ListModelCustomizationJobs": Bedrock.list_jobs,
    "GetCustomModel": Bedrock.get_model,
    "ListCustomModels": Bedrock.list_models,
    "DeleteCustomModel": Bedrock.delete_model,
    "CreateCustomModelDeployment": Bedrock.create_deployment,
    "GetCustomModelDeployment": Bedrock.get_deployment,
    "ListCustomModelDeployments": Bedrock.list_deployments,
    "DeleteCustomModelDeployment": Bedrock.delete_deployment,
    "CreateProvisionedModelThroughput": Bedrock.create_throughput,
    "GetProvisionedModelThroughput": Bedrock.get_throughput,
    "ListProvisionedModelThroughputs": Bedrock.list_throughputs,
    "DeleteProvisionedModelThroughput": Bedrock.delete_throughput,
    "PutModelInvocationLoggingConfiguration": Bedrock.put_logging,
    "GetModelInvocationLoggingConfiguration": Bedrock.get_logging,
    "DeleteModelInvocationLoggingConfiguration": Bedrock.delete_logging,
    "TagResource": Bedrock.tag,
    "UntagResource": Bedrock.untag,
    "ListTagsForResource": Bedrock.list_tags,
}
"""The operations by their names in the API."""
