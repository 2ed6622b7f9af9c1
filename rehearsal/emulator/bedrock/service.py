"""The Bedrock API that callers see, in MiniStack's place: who may, and what then comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ministack.services import bedrock

from rehearsal.bedrock_semantics.errors import ConflictError, NotFoundError, ServiceError
from rehearsal.bedrock_semantics.service import tags_as_map
from rehearsal.emulator import principals, refusals, schedules
from rehearsal.emulator.bedrock import logging_configuration, protocol, records, runtime
from rehearsal.emulator.bedrock.access import (
    Access,
    caller_of,
    request_tag_keys,
    resource_tag_keys,
)
from rehearsal.emulator.bedrock.admission import Checks, authorise
from rehearsal.emulator.bedrock.catalogue import Catalogue
from rehearsal.emulator.bedrock.history import History, Pace
from rehearsal.emulator.bedrock.lifecycle import Lifecycle
from rehearsal.emulator.bedrock.records import Job, arn
from rehearsal.emulator.bedrock.serving import (
    CREATE_DEPLOYMENT,
    CREATE_THROUGHPUT,
    DELETE_THROUGHPUT,
    Serving,
)
from rehearsal.emulator.errors import AccessDeniedError, NothingThereError
from rehearsal.emulator.options import Options

Answer = dict[str, Any]
_CREATE, _STOP = "CreateModelCustomizationJob", "StopModelCustomizationJob"
_FOUNDATION_MODEL = "GetFoundationModel"
_SERVING_SECONDS = 1.0
"""How long a deployment or throughput takes to be ready, where nobody says otherwise."""


class Service:
    """Operations of model customization; each call is authorised here and then served."""

    def __init__(self, options: Options) -> None:
        self._prefix_lists = options.prefix_lists
        self._catalogue = Catalogue(options.base_models)
        self._caller_needs_model_key = options.caller_needs_model_key
        self._bedrock = records.bedrock()
        self._running: dict[str, Job] = {}
        self._lifecycle = Lifecycle(
            bedrock=self._bedrock,
            pace=Pace(seconds=options.job_seconds, file=options.pace_file),
            history=History(bedrock=self._bedrock, file=options.jobs_file),
            prefix_lists=options.prefix_lists,
        )
        self._serving = Serving(
            bedrock=self._bedrock,
            catalogue=self._catalogue,
            pace=Pace(seconds=_SERVING_SECONDS, file=options.serving_pace_file),
            needs_model_key=options.caller_needs_model_key,
        )
        self.runtime = runtime.Runtime(bedrock=self._bedrock, prefix_lists=options.prefix_lists)
        self._authorise: dict[str, Callable[[Answer, Access], None]] = {
            _CREATE: authorise,
            "GetModelCustomizationJob": self._about_job("GetModelCustomizationJob"),
            _STOP: self._about_job(_STOP),
            "ListModelCustomizationJobs": _about_all("ListModelCustomizationJobs"),
            "GetCustomModel": self._about_model("GetCustomModel"),
            "ListCustomModels": _about_all("ListCustomModels"),
            "DeleteCustomModel": self._about_model("DeleteCustomModel"),
            "TagResource": self._tagging,
            "UntagResource": self._untagging,
            "ListTagsForResource": self._listing_tags,
            _FOUNDATION_MODEL: _about_foundation_model,
            **self._serving.authorisations(),
            **logging_configuration.authorisations(),
        }
        self._bedrock.logging.admit = logging_configuration.admit

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
        operation = protocol.match(method=method, path=path, operations=tuple(self._authorise))
        if operation is None:
            return None
        try:
            access = self.access(headers, query)
            request = protocol.parse(operation=operation, path=path, query=query, body=body)
            self._authorise[operation](request.parameters, access)
            answer = self._serve(operation, request.parameters, access)
            return protocol.reply(operation=operation, answer=answer)
        except ServiceError as error:
            # Bedrock looks at the policies first: what is gone carries no tags that could match. To
            # stop a job that has just ended is a race that nobody can avoid, and no mistake.
            late = operation == _STOP and isinstance(error, ConflictError)
            if not late and not isinstance(error, (NotFoundError, NothingThereError)):
                reason = f"{operation}: {error.code}: {error.message}"
                refusals.record(where="bedrock", reason=reason)
            return protocol.error_reply(error)

    def access(self, headers: Mapping[str, str], query: Mapping[str, list[str]]) -> Access:
        """Who makes a request, and by which way; raises ServiceError for nobody we know."""
        return caller_of(
            headers=headers, query=query, service="bedrock", prefix_lists=self._prefix_lists
        )

    def _serve(self, operation: str, request: Answer, access: Access) -> Answer:
        if operation == _FOUNDATION_MODEL:
            return {"modelDetails": self._catalogue.details(request["modelIdentifier"])}
        if operation == _CREATE:
            return self._create(request, access)
        answer = self._bedrock.call(operation, request)
        if operation in (CREATE_DEPLOYMENT, CREATE_THROUGHPUT):
            self._serving.begin(operation, answer)
        if operation == _STOP:
            arn_of = self._bedrock.job(request["jobIdentifier"])["jobArn"]
            self._running[arn_of].stop_requested.set()
        return answer

    def _create(self, request: Answer, access: Access) -> Answer:
        checks = Checks(
            access=access,
            catalogue=self._catalogue,
            caller_needs_model_key=self._caller_needs_model_key,
        )
        with self._bedrock.lock:
            answer = self._bedrock.call(_CREATE, request, admission=checks)
            made = answer["jobArn"]
            is_new = made not in self._running
            if is_new:
                job = Job(record=self._bedrock.job(made), request=request)
                self._running[made] = job
        if is_new:
            self._lifecycle.start(job)
        return answer

    def targets(self) -> schedules.Targets:
        """The operations that schedules may call."""

        def delete_throughput(caller: principals.Caller, request: Mapping[str, Any]) -> None:
            access = Access(caller=caller, path=None)
            self._authorise[DELETE_THROUGHPUT](dict(request), access)
            self._serve(DELETE_THROUGHPUT, dict(request), access)

        name = DELETE_THROUGHPUT[0].lower() + DELETE_THROUGHPUT[1:]
        return schedules.Targets(operations={("bedrock", name): delete_throughput})

    # Who may

    def _require_on(
        self, access: Access, action: str, resource_arn: str, *, exists: bool = True
    ) -> None:
        tags = self._bedrock.tags_of(resource_arn)
        try:
            access.require(f"bedrock:{action}", resource_arn, keys=resource_tag_keys(tags))
        except AccessDeniedError as error:
            if exists:
                raise
            raise NothingThereError(error.message) from error

    def _about_job(self, action: str) -> Callable[[Answer, Access], None]:
        def require(request: Answer, access: Access) -> None:
            identifier = request["jobIdentifier"]
            found = self._bedrock.find_job(identifier)
            named = _named(identifier, "model-customization-job")
            self._require_on(
                access, action, found["jobArn"] if found else named, exists=bool(found)
            )

        return require

    def _about_model(self, action: str) -> Callable[[Answer, Access], None]:
        def require(request: Answer, access: Access) -> None:
            identifier = request["modelIdentifier"]
            found = self._bedrock.find_model(identifier)
            named = _named(identifier, "custom-model")
            self._require_on(
                access, action, found["modelArn"] if found else named, exists=bool(found)
            )

        return require

    def _tagging(self, request: Answer, access: Access) -> None:
        resource = request["resourceARN"]
        keys = {
            **resource_tag_keys(self._bedrock.tags_of(resource)),
            **request_tag_keys(tags_as_map(request["tags"])),
        }
        access.require("bedrock:TagResource", resource, keys=keys)

    def _untagging(self, request: Answer, access: Access) -> None:
        resource = request["resourceARN"]
        present = self._bedrock.tags_of(resource)
        keys = {**resource_tag_keys(present), "aws:TagKeys": list(request["tagKeys"])}
        access.require("bedrock:UntagResource", resource, keys=keys)

    def _listing_tags(self, request: Answer, access: Access) -> None:
        self._require_on(access, "ListTagsForResource", request["resourceARN"])


def _named(identifier: str, kind: str) -> str:
    return identifier if identifier.startswith("arn:") else arn(f"{kind}/{identifier}")


def _about_all(action: str) -> Callable[[Answer, Access], None]:
    def require(request: Answer, access: Access) -> None:
        access.require(f"bedrock:{action}", "*")

    return require


def _about_foundation_model(request: Answer, access: Access) -> None:
    identifier = str(request["modelIdentifier"]).rsplit("/", 1)[-1]
    access.require(f"bedrock:{_FOUNDATION_MODEL}", arn(f"foundation-model/{identifier}"))


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
    runtime.install(service.runtime)
    schedules.install(service.targets())
    return service
