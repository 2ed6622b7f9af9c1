"""A job's life after it was accepted: validation, data processing, training, end."""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections.abc import Mapping

from rehearsal.bedrock_semantics.jobs import COMPLETED, FAILED, IN_PROGRESS, PHASES, STOPPED
from rehearsal.bedrock_semantics.service import Bedrock
from rehearsal.emulator import network, principals, refusals
from rehearsal.emulator.bedrock import events, job_data, job_network
from rehearsal.emulator.bedrock.history import History, Pace
from rehearsal.emulator.bedrock.records import Job
from rehearsal.emulator.errors import AccessDeniedError, UnreachableError

_log = logging.getLogger("rehearsal")

_SHARES = (0.2, 0.2, 0.6)
"""How much of a job's time each phase takes."""
_REMOVAL_SECONDS = 0.5
"""How long the interfaces stay after the end."""

WORKERS_APART = (
    "Data download failed:Failed to download data. The communication between worker nodes and "
    "leader node is broken. Please ensure that the subnet's security group inbound and outbound "
    "connections are allowed between members of the same security group."
)
"""Reported from the field for a group without a rule to itself."""


class _StoppedError(Exception):
    """Someone asked the job to stop."""


class Lifecycle:
    """Runs jobs, each in a thread of its own."""

    def __init__(
        self,
        *,
        bedrock: Bedrock,
        pace: Pace,
        history: History,
        prefix_lists: Mapping[str, str],
    ) -> None:
        self._bedrock = bedrock
        self._pace = pace
        self._history = history
        self._prefix_lists = prefix_lists

    def start(self, job: Job) -> None:
        """Run a job in the account and Region of the calling request."""
        job.seconds = self._pace.now()
        self._history.note(job)
        context = contextvars.copy_context()
        threading.Thread(
            target=context.run, args=(self._run, job), daemon=True, name=f"job-{job.name}"
        ).start()

    def _run(self, job: Job) -> None:
        events.emit(job)
        try:
            self._train(job)
        except _StoppedError:
            self._end(job, STOPPED)
        except (job_data.DataError, AccessDeniedError, UnreachableError) as error:
            self._end(job, FAILED, failure=str(error))
        except Exception as error:
            # Never a job that hangs: whatever breaks here is this emulator's mistake.
            _log.exception("job %s", job.name)
            self._end(job, FAILED, failure=f"the rehearsal itself broke: {error!r}")
        finally:
            time.sleep(_REMOVAL_SECONDS)
            stays = job_network.remove(job) if job.interfaces else None
            if stays:
                refusals.record(where="job", reason=stays)

    def _train(self, job: Job) -> None:
        source = job_network.attachment(job.request)
        validation, processing, training = PHASES
        job.phase(processing, "NotStarted")
        job.phase(training, "NotStarted")

        job.phase(validation, IN_PROGRESS)
        role = self._role(job)
        if source is not None:
            job_network.create(job=job, role=role, source=source)
        access = self._access(role, source)
        for location in job_data.inputs(job.request):
            access.check_readable(location)
        access.check_writable(job_data.output(job.request).below(job_data.PROBE))
        self._pass_time(job, validation)

        job.phase(processing, IN_PROGRESS)
        self._pass_time(job, processing)

        job.phase(training, IN_PROGRESS)
        if source is not None and not network.talks_to_itself(source.group_ids):
            raise UnreachableError(WORKERS_APART)
        self._pass_time(job, training, completes=False)
        # The policies may have changed while it trained.
        access = self._access(self._role(job), source)
        for name, content in job_data.metrics_files(job.request, job.arn.rsplit("/", 1)[-1]):
            access.write(job_data.output(job.request).below(name), content)
        job.phase(training, COMPLETED)
        self._end(job, COMPLETED)

    def _role(self, job: Job) -> principals.Caller:
        return principals.session_of_role(
            role_arn=job.request["roleArn"], session_name="BedrockModelCustomization"
        )

    def _access(
        self, role: principals.Caller, source: network.Attachment | None
    ) -> job_data.DataAccess:
        if source is None:
            return job_data.DataAccess(role=role, path=None)
        path = network.path(source=source, service="s3", prefix_lists=self._prefix_lists)
        return job_data.DataAccess(role=role, path=path)

    def _pass_time(self, job: Job, phase: str, *, completes: bool = True) -> None:
        share = job.seconds * _SHARES[PHASES.index(phase)]
        if job.stop_requested.wait(timeout=share):
            job.phase(phase, STOPPED)
            raise _StoppedError
        if completes:
            job.phase(phase, COMPLETED)

    def _end(self, job: Job, status: str, *, failure: str | None = None) -> None:
        if failure:
            refusals.record(where="job", reason=failure)
        self._bedrock.end_job(job.name, status, failure=failure)
        self._history.note(job)
        events.emit(job)
