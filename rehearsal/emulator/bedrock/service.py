"""The Bedrock API that callers see, in MiniStack's place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.router import extract_access_key_id
from ministack.services import bedrock

from rehearsal.emulator import front_door, principals, refusals
from rehearsal.emulator.bedrock import protocol
from rehearsal.emulator.bedrock.access import Access, request_tag_keys, resource_tag_keys
from rehearsal.emulator.bedrock.catalogue import Catalogue
from rehearsal.emulator.bedrock.history import History, Pace
from rehearsal.emulator.bedrock.lifecycle import Lifecycle
from rehearsal.emulator.bedrock.records import (
    ENDED,
    IN_PROGRESS,
    STOPPING,
    Job,
    Model,
    Records,
    arn,
)
from rehearsal.emulator.bedrock.submission import Submission
from rehearsal.emulator.errors import (
    AccessDeniedError,
    ConflictError,
    NotFoundError,
    NothingThereError,
    ServiceError,
    UnreachableError,
)
from rehearsal.emulator.options import Options

Answer = dict[str, Any]


def _without_none(answer: Answer) -> Answer:
    return {name: value for name, value in answer.items() if value is not None}


class Service:
    """Operations of model customization; each authorises its caller itself."""

    def __init__(self, options: Options) -> None:
        self.records = Records()
        self._prefix_lists = options.prefix_lists
        self._catalogue = Catalogue(options.base_models)
        self._submission = Submission(
            records=self.records,
            catalogue=self._catalogue,
            caller_needs_model_key=options.caller_needs_model_key,
        )
        self._lifecycle = Lifecycle(
            records=self.records,
            pace=Pace(seconds=options.job_seconds, file=options.pace_file),
            history=History(records=self.records, file=options.jobs_file),
            prefix_lists=options.prefix_lists,
        )
        self.operations = {
            "CreateModelCustomizationJob": self.create_job,
            "GetModelCustomizationJob": self.get_job,
            "StopModelCustomizationJob": self.stop_job,
            "ListModelCustomizationJobs": self.list_jobs,
            "GetCustomModel": self.get_model,
            "ListCustomModels": self.list_models,
            "DeleteCustomModel": self.delete_model,
            "TagResource": self.tag,
            "UntagResource": self.untag,
            "ListTagsForResource": self.list_tags,
            "GetFoundationModel": self.get_foundation_model,
        }

    def answer(
        self,
        *,
        method: str,
        path: str,
        headers: Mapping[str, str],
        query: Mapping[str, list[str]],
        body: bytes,
    ) -> protocol.Reply | None:
        """Serve a request, or None for an operation that is MiniStack's."""
        operation = protocol.match(method=method, path=path, operations=tuple(self.operations))
        if operation is None:
            return None
        try:
            access = self._access(headers, query)
            request = protocol.parse(operation=operation, path=path, query=query, body=body)
            answer = self.operations[operation](request.parameters, access)
            return protocol.reply(operation=operation, answer=answer)
        except ServiceError as error:
            # Bedrock looks at the policies first: what is gone carries no tags that could match.
            if not isinstance(error, (NotFoundError, NothingThereError)):
                reason = f"{operation}: {error.code}: {error.message}"
                refusals.record(where="bedrock", reason=reason)
            return protocol.error_reply(error)

    def _access(self, headers: Mapping[str, str], query: Mapping[str, list[str]]) -> Access:
        caller = principals.resolve(extract_access_key_id(dict(headers), dict(query)) or "")
        if isinstance(caller, iam_evaluator.AuthError):
            raise ServiceError(caller.code, caller.message, status=403)
        try:
            path = front_door.path_of_call(
                function_arn=caller.function_arn,
                service="bedrock",
                prefix_lists=self._prefix_lists,
            )
        except UnreachableError as error:
            raise ServiceError("ConnectTimeout", str(error), status=403) from error
        return Access(caller=caller, path=path)

    def _require_on(
        self, access: Access, action: str, resource_arn: str, *, exists: bool = True
    ) -> None:
        tags = self.records.tags_of(resource_arn)
        try:
            access.require(f"bedrock:{action}", resource_arn, keys=resource_tag_keys(tags))
        except AccessDeniedError as error:
            if exists:
                raise
            raise NothingThereError(error.message) from error

    def _job(self, access: Access, action: str, identifier: str) -> Job:
        found = self.records.find_job(identifier)
        named = (
            identifier
            if identifier.startswith("arn:")
            else arn(f"model-customization-job/{identifier}")
        )
        self._require_on(access, action, found.arn if found else named, exists=bool(found))
        return self.records.job(identifier)

    def _model(self, access: Access, action: str, identifier: str) -> Model:
        found = self.records.find_model(identifier)
        named = identifier if identifier.startswith("arn:") else arn(f"custom-model/{identifier}")
        self._require_on(access, action, found.arn if found else named, exists=bool(found))
        return self.records.model(identifier)

    def create_job(self, request: Answer, access: Access) -> Answer:
        """CreateModelCustomizationJob."""
        job, is_new = self._submission.accept(request, access)
        if is_new:
            self._lifecycle.start(job)
        return {"jobArn": job.arn}

    def get_job(self, request: Answer, access: Access) -> Answer:
        """GetModelCustomizationJob."""
        job = self._job(access, "GetModelCustomizationJob", request["jobIdentifier"])
        sent = job.request
        return _without_none(
            {
                "jobArn": job.arn,
                "jobName": job.name,
                "outputModelName": job.model_name,
                "outputModelArn": job.model_arn,
                "clientRequestToken": sent.get("clientRequestToken"),
                "roleArn": sent["roleArn"],
                "status": job.status,
                "statusDetails": dict(job.phases),
                "failureMessage": job.failure,
                "creationTime": job.created,
                "lastModifiedTime": job.modified,
                "endTime": job.ended,
                "baseModelArn": arn(f"foundation-model/{job.base_model}", account=""),
                "hyperParameters": sent.get("hyperParameters", {}),
                "trainingDataConfig": sent["trainingDataConfig"],
                "validationDataConfig": sent.get("validationDataConfig", {"validators": []}),
                "outputDataConfig": sent["outputDataConfig"],
                "customizationType": sent.get("customizationType", "FINE_TUNING"),
                "outputModelKmsKeyArn": job.model_key_arn,
                "vpcConfig": sent.get("vpcConfig"),
                "customizationConfig": sent.get("customizationConfig"),
            }
        )

    def stop_job(self, request: Answer, access: Access) -> Answer:
        """StopModelCustomizationJob."""
        job = self._job(access, "StopModelCustomizationJob", request["jobIdentifier"])
        with self.records.lock:
            if job.status in ENDED:
                raise ConflictError(f"The job {job.name} is {job.status} and cannot be stopped")
            job.move(STOPPING)
            job.stop_requested.set()
        return {}

    def list_jobs(self, request: Answer, access: Access) -> Answer:
        """ListModelCustomizationJobs."""
        access.require("bedrock:ListModelCustomizationJobs", "*")
        found = [
            {
                "jobArn": job.arn,
                "baseModelArn": arn(f"foundation-model/{job.base_model}", account=""),
                "jobName": job.name,
                "status": job.status,
                "statusDetails": dict(job.phases),
                "lastModifiedTime": job.modified,
                "creationTime": job.created,
                "endTime": job.ended,
                "customModelArn": job.model_arn,
                "customModelName": job.model_name,
                "customizationType": job.request.get("customizationType", "FINE_TUNING"),
            }
            for job in self.records.jobs.values()
            if request.get("statusEquals") in (None, job.status)
            and request.get("nameContains", "") in job.name
        ]
        page, token = _page(found, request)
        return _without_none({"modelCustomizationJobSummaries": page, "nextToken": token})

    def get_model(self, request: Answer, access: Access) -> Answer:
        """GetCustomModel."""
        model = self._model(access, "GetCustomModel", request["modelIdentifier"])
        sent = model.job.request
        return _without_none(
            {
                "modelArn": model.arn,
                "modelName": model.name,
                "jobName": model.job.name,
                "jobArn": model.job.arn,
                "baseModelArn": arn(f"foundation-model/{model.job.base_model}", account=""),
                "customizationType": sent.get("customizationType", "FINE_TUNING"),
                "modelKmsKeyArn": model.job.model_key_arn,
                "hyperParameters": sent.get("hyperParameters", {}),
                "trainingDataConfig": sent["trainingDataConfig"],
                "validationDataConfig": sent.get("validationDataConfig"),
                "outputDataConfig": sent["outputDataConfig"],
                "creationTime": model.created,
                "modelStatus": "Active",
            }
        )

    def list_models(self, request: Answer, access: Access) -> Answer:
        """ListCustomModels."""
        access.require("bedrock:ListCustomModels", "*")
        found = [
            {
                "modelArn": model.arn,
                "modelName": model.name,
                "creationTime": model.created,
                "baseModelArn": arn(f"foundation-model/{model.job.base_model}", account=""),
                # The pattern of this field admits neither version nor context suffix.
                "baseModelName": model.job.base_model.partition(":")[0],
                "customizationType": model.job.request.get("customizationType", "FINE_TUNING"),
                "modelStatus": "Active",
            }
            for model in self.records.models.values()
            if request.get("nameContains", "") in model.name
        ]
        page, token = _page(found, request)
        return _without_none({"modelSummaries": page, "nextToken": token})

    def delete_model(self, request: Answer, access: Access) -> Answer:
        """DeleteCustomModel."""
        model = self._model(access, "DeleteCustomModel", request["modelIdentifier"])
        with self.records.lock:
            self.records.models.pop(model.arn, None)
            self.records.tags.pop(model.arn, None)
        return {}

    def _existing(self, resource_arn: str) -> None:
        self.records.job(resource_arn) if ":model-customization-job/" in resource_arn else (
            self.records.model(resource_arn)
        )

    def tag(self, request: Answer, access: Access) -> Answer:
        """TagResource."""
        resource = request["resourceARN"]
        added = {tag["key"]: tag["value"] for tag in request["tags"]}
        present = self.records.tags_of(resource)
        keys = {**resource_tag_keys(present), **request_tag_keys(added)}
        access.require("bedrock:TagResource", resource, keys=keys)
        self._existing(resource)
        self.records.tags[resource] = {**present, **added}
        return {}

    def untag(self, request: Answer, access: Access) -> Answer:
        """UntagResource."""
        resource = request["resourceARN"]
        present = self.records.tags_of(resource)
        keys = {**resource_tag_keys(present), "aws:TagKeys": list(request["tagKeys"])}
        access.require("bedrock:UntagResource", resource, keys=keys)
        self._existing(resource)
        removed = set(request["tagKeys"])
        self.records.tags[resource] = {k: v for k, v in present.items() if k not in removed}
        return {}

    def list_tags(self, request: Answer, access: Access) -> Answer:
        """ListTagsForResource."""
        resource = request["resourceARN"]
        self._require_on(access, "ListTagsForResource", resource)
        self._existing(resource)
        tags = self.records.tags_of(resource)
        return {"tags": [{"key": key, "value": value} for key, value in tags.items()]}

    def get_foundation_model(self, request: Answer, access: Access) -> Answer:
        """GetFoundationModel."""
        identifier = str(request["modelIdentifier"]).rsplit("/", 1)[-1]
        resource = arn(f"foundation-model/{identifier}", account="")
        access.require("bedrock:GetFoundationModel", resource)
        return {"modelDetails": self._catalogue.details(identifier)}

    def running(self) -> list[Job]:
        """Jobs that have not ended."""
        return [job for job in self.records.jobs.values() if job.status in (IN_PROGRESS, STOPPING)]


def _page(found: list[Answer], request: Answer) -> tuple[list[Answer], str | None]:
    """One page of a listing, newest first, and the token of the next."""
    newest = sorted(found, key=lambda entry: entry["creationTime"], reverse=True)
    if request.get("sortOrder") == "Ascending":
        newest.reverse()
    start = int(request.get("nextToken", "0"))
    size = int(request.get("maxResults", 100))
    rest = str(start + size) if start + size < len(newest) else None
    return [_without_none(entry) for entry in newest[start : start + size]], rest


def install(options: Options) -> Service:
    """Serve these operations in MiniStack's place; others stay MiniStack's."""
    service = Service(options)
    original = bedrock.handle_request

    async def handle(
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query_params: dict[str, list[str]],
    ) -> Any:
        own = service.answer(
            method=method, path=path, headers=headers, query=query_params, body=body
        )
        if own is not None:
            return own
        return await original(method, path, headers, body, query_params)

    bedrock.handle_request = handle
    return service
