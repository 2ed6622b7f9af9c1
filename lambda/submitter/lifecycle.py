"""Create, Update and Delete of a job, and its turn in the queue: look, decide, write, act.

Every step may be repeated: names follow from the content, so a second run finds what the first one
made. What is intended is written down before it is done, so that a crash leaves a trace that the
follower finds. A job or model without this environment's owner tags is never changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from customization import claims, endings
from customization.decisions import AttemptVerdict, State, judge_attempt
from customization.errors import (
    AttemptsUsedError,
    BusyTableError,
    CustomizationError,
    JobRequestError,
    NameTakenError,
    QuotaError,
    StaleRequestError,
    SubmissionError,
)
from customization.events import Follow, OnEventResult, RequestType, ResourceEvent
from customization.identity import (
    ENVIRONMENT_TAG,
    MAX_ATTEMPTS,
    PhysicalId,
    is_owned,
    parse_physical_id,
)
from customization.jobs import (
    Job,
    JobStatus,
    error_code,
    find_job,
    model_exists,
    model_is_alive,
    tags_of,
)
from customization.request import JobRequest, ModelPolicy
from customization.rows import OF_AN_END, SUBMISSION_GRACE, Row, RowState
from customization.table import When
from submitter.preflight import check_data
from submitter.submission import submit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aws_lambda_powertools import Logger
    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_s3 import S3Client

    from customization.admission import Ledger
    from customization.patience import Patience
    from customization.table import Table

REFUSAL_PATIENCE = timedelta(hours=24)
"""How long a queued job is tried again that the account's quotas refuse."""
LONGEST_LINE = 1000
"""How many predecessors of an id are looked at; there are far fewer."""
MOST_LOOKS = 10
"""How often a row is judged again that another call changed meanwhile."""

_NOT_STARTED = (RowState.QUEUED.value, RowState.SUBMITTING.value)
_WRITTEN_LATER = (*OF_AN_END, "SubmittedAt", "SubmittingAt")
_MARKS = (
    "DeletedAt",
    "ModelDeletedAt",
    "Policy",
    "RetiredAt",
    "SettledAt",
    "SupersededBy",
    "WentBack",
)


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """The life of jobs in one environment, over clients that are passed in.

    `limit` is how many jobs may be in progress at once; `patience` says how long this call may
    still wait; `now` stands for the clock.
    """

    bedrock: BedrockClient
    s3: Callable[[], S3Client]
    table: Table
    limit: int
    logger: Logger
    patience: Patience
    now: Callable[[], datetime]

    def on_event(self, event: ResourceEvent) -> OnEventResult:
        """Answer one request of CloudFormation; raises StaleRequestError for an old one."""
        match event.request_type:
            case RequestType.CREATE:
                job = self._read(event.properties)
                self._refuse_stale(event)
                return self._ensure(job, event=event, old=None)
            case RequestType.UPDATE:
                return self._update(event)
            case RequestType.DELETE:
                return self._delete(event)

    def _refuse_stale(self, event: ResourceEvent) -> None:
        """Raise StaleRequestError for a request whose answer nobody waits for any more.

        It is one that came longer ago than its resource's time limit, or that comes again after a
        later request for the same resource. A request that comes late for the first time is kept
        from here by Lambda, which drops events of a certain age.
        """
        seen = self.table.see(
            event.request_id, resource=f"{event.stack_id}#{event.logical_id}", now=self.now()
        )
        if seen.overtaken or self.now() - seen.first >= event.time_limit:
            why = (
                "a later request for the same resource has come since"
                if seen.overtaken
                else f"its stack waits {event.time_limit.total_seconds():.0f} s"
            )
            raise StaleRequestError(
                f"the request {event.request_id} first came at {seen.first.isoformat()}, and "
                f"{why}: nothing was done; deploy again if the stack is not as it should be"
            )

    # Create and Update

    def _update(self, event: ResourceEvent) -> OnEventResult:
        """Keep the job when the content is the same, else make the new one and mark the old.

        An Update back to a content whose clean-up has not come is a rollback of the very update
        that replaced it: the old job is current again whatever became of it, and nothing is
        trained, as CloudFormation asks for the state before and not for a new attempt.
        """
        job = self._read(event.properties)
        self._refuse_stale(event)
        old = _parse(event.physical_id, event.old_properties)
        if old is not None:
            self._reclaim(old, event=event)
        if old is not None and (old.environment, old.job) == (job.environment, job.job):
            if old.digest == job.digest:
                return self._keep(old, job=job, event=event)
            restored = self._rolled_back_to(job=job, current=old)
            if restored is not None:
                # This one first: a second call finds the other still marked, and goes on.
                self._step_back(old, to=restored, event=event)
                return self._keep(restored, job=job, event=event, by=old)
        return self._ensure(job, event=event, old=old)

    def _keep(
        self,
        owner: PhysicalId,
        *,
        job: JobRequest,
        event: ResourceEvent,
        by: PhysicalId | None = None,
    ) -> OnEventResult:
        """Make an id its resource's current one, with the newest request; nothing is trained.

        `by` is the id that its stack goes back from. What an earlier Update put into its place,
        and CloudFormation never took, is the follower's: it asks CloudFormation.
        """
        for _ in range(MOST_LOOKS):
            row = self.table.read(str(owner))
            if by is None and row is not None and not self._is_current(row, event=event):
                self.logger.info("not current: left alone", extra={"physical_id": str(owner)})
                break
            if self.table.change(
                str(owner),
                {
                    **_values(job=job, event=event, now=self.now()),
                    **_claims_before(row, event=event),
                },
                once={"State": RowState.SUBMITTED},
                remove=_MARKS,
                when=_as_read(row),
            ):
                break
        else:
            raise _busy(owner)
        self.logger.info("same content: no new job", extra={"physical_id": str(owner)})
        waits = row is not None and row.state.value in _NOT_STARTED
        return _answer(
            owner,
            follow=Follow.QUEUE if waits else Follow.NOTHING,
            state=State.QUEUED if waits else State.SUBMITTED,
        )

    def _is_current(self, row: Row, *, event: ResourceEvent) -> bool:
        """Return whether an Update that names an id and wants its content may change its row.

        Not when it is deleted, another stack's, or replaced by an update that this one does not
        undo: then the request comes late, or after a rollback that never came, and nothing tells
        which. The marks stay until the follower has asked CloudFormation.
        """
        if row.deleted_at is not None or not _is_of(row, event=event):
            return False
        if row.superseded_by is None:
            return True
        try:
            undone = self._read(event.old_properties)
        except JobRequestError:
            return False  # Bedrock was never asked for it
        replaced_by = parse_physical_id(
            physical_id=row.superseded_by, environment=undone.environment, job=undone.job
        )
        return replaced_by is not None and replaced_by.digest == undone.digest

    def _ensure(
        self, job: JobRequest, *, event: ResourceEvent, old: PhysicalId | None
    ) -> OnEventResult:
        """Make sure that there is a job for a content, in Bedrock or in the queue."""
        for attempt in range(1, MAX_ATTEMPTS + 1):
            owner = PhysicalId(
                environment=job.environment, job=job.job, digest=job.digest, attempt=attempt
            )
            answer = self._ensure_attempt(owner, job=job, event=event, old=old)
            if answer is not None:
                return answer
        raise AttemptsUsedError(
            f"all {MAX_ATTEMPTS} attempts at job {job.job} with the content {job.digest} have "
            "ended without a model: find out why, then raise the job's run"
        )

    def _ensure_attempt(
        self, owner: PhysicalId, *, job: JobRequest, event: ResourceEvent, old: PhysicalId | None
    ) -> OnEventResult | None:
        """Adopt or make the job of one attempt; None when it takes the next one."""
        for _ in range(MOST_LOOKS):
            row = self.table.read(str(owner))
            verdict, found = self._judge(owner, row=row)
            if verdict is AttemptVerdict.NEXT:
                return None
            if verdict is AttemptVerdict.TAKEN:
                raise _taken(owner)
            submits = verdict is AttemptVerdict.SUBMIT
            checks = check_data(s3=self.s3(), job=job) if submits else {}
            if self._open(
                owner, job=job, event=event, old=old, row=row, found=found, checks=checks
            ):
                break
        else:
            raise _busy(owner)
        if old is not None:
            self._replace(old, by=owner, event=event)
        if verdict is AttemptVerdict.ADOPT:
            if found is not None and found.status is JobStatus.IN_PROGRESS:
                self.table.change_ledger(lambda ledger: ledger.hold(str(owner)), always=True)
            self.logger.info("adopted", extra={"job_name": str(owner)})
            return self._submitted(owner)
        return self._start(owner, job=job, event=event, old=old)

    def _start(
        self, owner: PhysicalId, *, job: JobRequest, event: ResourceEvent, old: PhysicalId | None
    ) -> OnEventResult:
        """Submit a job that is written down, or let it wait when there is no place for it."""
        name = str(owner)
        ledger = self.table.change_ledger(
            lambda ledger: ledger.enter(name, limit=self.limit), always=True
        )
        if name not in ledger.running:
            self.logger.info("queued", extra={"job_name": name, "waiting": len(ledger.waiting)})
            return _answer(owner, follow=Follow.QUEUE, state=State.QUEUED)
        try:
            self._submit(owner, job=job)
        except CustomizationError as error:
            # Its stack shows the error: nothing is left to tell, and the old job stays current.
            told = {"DeletedAt": self._time, "AnnouncedAt": self._time}
            if not self._refuse(owner, error=error, besides=told):
                # Another call was luckier, or the job was deleted meanwhile.
                row = self.table.read(name)
                if row is not None and row.deleted_at is None:
                    return self._submitted(owner)
                raise
            if old is not None:
                self.table.change(
                    str(old),
                    {},
                    remove=["SupersededBy"],
                    when=When(equal={"SupersededBy": (name,)}),
                )
            raise
        return self._submitted(owner)

    def _open(
        self,
        owner: PhysicalId,
        *,
        job: JobRequest,
        event: ResourceEvent,
        old: PhysicalId | None,
        row: Row | None,
        found: Job | None,
        checks: Mapping[str, Mapping[str, Any]],
    ) -> bool:
        """Write an id down as wanted; False when its row is not as it was read any more."""
        values = {
            **_values(job=job, event=event, now=self.now()),
            **_claims_before(row, event=event, anew=found is None),
        }
        remove: list[str] = list(_MARKS)
        if checks:
            values["Checks"] = json.dumps(checks, sort_keys=True)
        if old is not None:
            values["Supersedes"] = str(old)
        if found is None:
            remove.append("WasKept")
            if row is None or row.state.value not in _NOT_STARTED:
                values["State"] = RowState.QUEUED
                remove += _WRITTEN_LATER
            once = {"QueuedAt": self._time}
        else:
            if row is None or row.state is not RowState.COMPLETED:
                values["State"] = RowState.SUBMITTED
                # Its end is still to come: one that was told before was of no job.
                remove += OF_AN_END
            if row is not None and _is_left_kept(row, event=event):
                # This request may come to nothing: its policy must not rule then.
                values["WasKept"] = "true"
            once = {"SubmittedAt": self._time}
        # An attribute can be written once or removed, not both.
        once = {key: value for key, value in once.items() if key not in remove}
        return self.table.change(str(owner), values, once=once, remove=remove, when=_as_read(row))

    def _replace(self, old: PhysicalId, *, by: PhysicalId, event: ResourceEvent) -> None:
        """Mark an id as replaced, with the policies that its stack had accepted.

        A mark that is there stays: this request may be late. The follower compares it with what the
        resource stands for when its stack is at rest.
        """
        self.table.change(
            str(old),
            {
                "SupersededBy": str(by),
                "OnReplace": _policy(event.old_properties, "OnReplace"),
                "OnDelete": _policy(event.old_properties, "OnDelete"),
            },
            remove=["SettledAt"],
            when=When(absent=["SupersededBy"], equal={"StackId": (event.stack_id,)}),
        )

    def _step_back(self, owner: PhysicalId, *, to: PhysicalId, event: ResourceEvent) -> None:
        """Take an id out of its resource's place, which a rollback gives to another one.

        One that had been replaced before the update that is undone is that again, with the policies
        of then; another one was never accepted.
        """
        for _ in range(MOST_LOOKS):
            row = self.table.read(str(owner))
            if row is None or not _is_of(row, event=event) or row.superseded_by == str(to):
                return
            before = row.own_claim_before
            if before is not None:
                others = [each for each in row.claims_before if not claims.is_of_same(each, before)]
                done = self.table.give_back(row, to=before, keep=others, when=_as_read(row))
            else:
                done = self.table.change(
                    str(owner),
                    {"SupersededBy": str(to), "WentBack": "true"},
                    remove=["SettledAt"],
                    when=_as_read(row),
                )
            if done:
                return
        raise _busy(owner)

    def _reclaim(self, owner: PhysicalId, *, event: ResourceEvent) -> None:
        """Take an id back that another stack's request took from the stack that now names it.

        The other's claim is kept in turn: which of them stands for the id CloudFormation knows, and
        the follower asks it.
        """
        row = self.table.read(str(owner))
        if row is None or row.deleted_at is not None or _is_of(row, event=event):
            return
        ours = [each for each in row.claims_before if claims.resource_of(each) == _of(event)]
        if ours:
            others = [each for each in row.claims_before if each is not ours[-1]]
            keep = [*others, row.claim]
            self.table.give_back(row, to=ours[-1], keep=keep, when=_as_read(row))

    def _judge(self, owner: PhysicalId, *, row: Row | None) -> tuple[AttemptVerdict, Job | None]:
        found = find_job(bedrock=self.bedrock, name=str(owner))
        owned = found is not None and is_owned(
            tags=tags_of(bedrock=self.bedrock, arn=found.arn),
            environment=owner.environment,
            job=owner.job,
            digest=owner.digest,
        )
        alive = (
            found is not None
            and owned
            and found.model_arn is not None
            and model_is_alive(bedrock=self.bedrock, arn=found.model_arn)
        )
        completed = found is not None and found.status is JobStatus.COMPLETED
        going = row is not None and row.is_going(completed=completed)
        return judge_attempt(job=found, owned=owned, model_alive=alive, going=going), found

    def _submitted(self, owner: PhysicalId) -> OnEventResult:
        answer = _answer(owner, follow=Follow.JOB, state=State.SUBMITTED)
        return {**answer, "SubmittedAt": self._time}

    def _rolled_back_to(self, *, job: JobRequest, current: PhysicalId) -> PhysicalId | None:
        """Return the id of a content that `current` replaced in an update that is not final.

        Or had replaced, when a rollback went back to it already and is continued, or when a late
        request has marked it; then the other's row tells.
        """
        now = self.table.read(str(current))
        for attempt in range(1, MAX_ATTEMPTS + 1):
            candidate = PhysicalId(
                environment=job.environment, job=job.job, digest=job.digest, attempt=attempt
            )
            row = self.table.read(str(candidate))
            if row is None:
                return None
            said = row.claim if row.superseded_by is not None else row.own_claim_before
            replaced = claims.is_replaced_for_now(said, by=str(current))
            given_up = now is not None and now.supersedes == row.name
            # What was cleaned up is wanted anew, though a late request may have had its row since.
            final = row.retired_at is not None or (said is not None and "RetiredAt" in said)
            if row.deleted_at is None and (replaced or (given_up and not final)):
                return candidate
        return None

    # The queue

    def submit_queued(self, name: str) -> None:
        """Submit a queued job whose turn has come; do nothing when it is not so any more.

        A refusal is written down for the follower to announce: no stack waits for it. One that
        comes of the account's quotas is tried again for a day, in the order of the queue.
        """
        row = self.table.read(name)
        owner = _owner(row) if row else None
        if row is None or owner is None or row.deleted_at or row.state.value not in _NOT_STARTED:
            self.logger.info("no turn for this job", extra={"job_name": name})
            return
        if name not in self.table.ledger().running:
            self.logger.info("not its turn", extra={"job_name": name})
            return
        try:
            job = self._read(json.loads(row.request))
            check_data(s3=self.s3(), job=job)
            # A newer request may be without the place that this one had.
            self._submit(owner, job=job, request_id=row.request_id)
        except QuotaError as error:
            refused = row.refused_at or self.now()
            if self.now() - refused > REFUSAL_PATIENCE:
                self._refuse(owner, error=error)
                return
            self.table.change(
                name,
                {"State": RowState.QUEUED, "Failure": str(error)},
                once={"RefusedAt": self._time},
                when=When(equal={"State": _NOT_STARTED}),
            )
            self.logger.warning("the quotas leave no room", extra={"job_name": name})
        except CustomizationError as error:
            self._refuse(owner, error=error)
            self.logger.warning("refused", extra={"job_name": name})

    def _submit(self, owner: PhysicalId, *, job: JobRequest, request_id: str | None = None) -> None:
        """Have Bedrock take a job that holds a place; the row says so before and after.

        With a request's id it is done for that one only: who asked since has its own turn.
        When it was deleted meanwhile the job is stopped: whoever deleted it could not see it.
        """
        name = str(owner)
        wanted = When(absent=["DeletedAt"], equal={"State": _NOT_STARTED})
        starting = {"State": RowState.SUBMITTING, "SubmittingAt": self._time}
        asked = {"RequestId": (request_id,)} if request_id is not None else {}
        unchanged = When(absent=wanted.absent, equal={**wanted.equal, **asked})
        if not self.table.change(name, starting, when=unchanged):
            row = self.table.read(name)
            if row is not None and row.deleted_at is None and not row.state.is_final:
                return
            raise SubmissionError(f"job {name} is not wanted any more: it was not submitted")
        try:
            arn = submit(
                bedrock=self.bedrock,
                job=job,
                attempt=owner.attempt,
                patience=self.patience,
                logger=self.logger,
            )
        except NameTakenError:
            # Another call may have submitted it just now.
            found = endings.find_ours(bedrock=self.bedrock, owner=owner)
            if found is None or not found.status.is_running:
                raise
            arn = found.arn
        self.logger.info("submitted", extra={"job_name": name, "job_arn": arn})
        taken = {"State": RowState.SUBMITTED, "SubmittedAt": self._time}
        remove = ["Failure", "RefusedAt"]
        if self.table.change(name, taken, remove=remove, when=wanted):
            return
        row = self.table.read(name)
        if row is None or row.deleted_at is not None:
            job_now = endings.find_ours(bedrock=self.bedrock, owner=owner)
            if job_now is not None and job_now.status.is_running:
                endings.stop(bedrock=self.bedrock, job=job_now)
            self.logger.info("deleted meanwhile: stopped", extra={"job_name": name})

    def _refuse(
        self,
        owner: PhysicalId,
        *,
        error: CustomizationError,
        besides: Mapping[str, str] | None = None,
    ) -> bool:
        """Write down that Bedrock did not take a job; False when another call had it take it.

        That call may have ended before it could say so, or may have begun after this one: Bedrock
        is asked first, and a submission that begins meanwhile makes this one nothing.
        """
        name = str(owner)
        row = self.table.read(name)
        if endings.find_ours(bedrock=self.bedrock, owner=owner) is not None:
            self.table.change(
                name,
                {"State": RowState.SUBMITTED},
                once={"SubmittedAt": self._time},
                remove=["Failure", "RefusedAt"],
                when=When(absent=["DeletedAt"], equal={"State": _NOT_STARTED}),
            )
            self.logger.info("refused, but Bedrock has it", extra={"job_name": name})
            return False
        began = row.submitting_at.isoformat() if row and row.submitting_at else None
        refused = self.table.change(
            name,
            {
                "State": RowState.REFUSED,
                "EndedAt": self._time,
                "Failure": str(error),
                **(besides or {}),
            },
            when=When(equal={"State": _NOT_STARTED, "SubmittingAt": (began,)}),
        )
        if refused and besides:
            self._leave(name)
        # Without, the follower frees its place: another call may still have Bedrock take the job.
        return refused

    # Delete

    def _delete(self, event: ResourceEvent) -> OnEventResult:
        """Stop and remove what an id stands for, as its policy says.

        Ids that are not of this environment and job, invented by CloudFormation for a resource
        that never came to be among them, and ids that are another stack's now are answered
        without a change.
        """
        owner = _parse(event.physical_id, event.properties)
        if owner is None:
            self.logger.info("not an id of ours", extra={"physical_id": event.physical_id})
            return _gone(str(event.physical_id))
        self._refuse_stale(event)
        self._reclaim(owner, event=event)
        row = self.table.read(str(owner))
        if row is None:
            row = self._rediscovered(owner, event=event)
        if row is None or not _is_of(row, event=event):
            self.logger.info("not this stack's", extra={"physical_id": str(owner)})
            return _gone(str(owner))
        if row.superseded_by is not None and row.deleted_at is None:
            return self._retire(row, owner=owner, event=event)
        if row.superseded_by is not None:
            # The clean-up comes again: by the policy of the first time, not by OnDelete.
            return self._leaving(owner, [self._take_away(owner, policy=row.policy)])
        # This may undo the request that took what was kept: then it is as it was.
        kept = ModelPolicy.KEEP if row.was_kept else None
        taken = [self._take_away(owner, policy=kept or _policy(event.properties, "OnDelete"))]
        for each in self._line_before(row):
            before = _owner(each)
            if before is not None and not each.state.is_final:
                # It runs with roles and subnets that may go with the stack.
                taken.append(self._take_away(before, policy=each.policy_when_stray))
            else:
                self.table.change(
                    each.name, {}, once={"RetiredAt": self._time}, remove=["SettledAt"]
                )
        return self._leaving(owner, taken)

    def _rediscovered(self, owner: PhysicalId, *, event: ResourceEvent) -> Row | None:
        """Write down a job of ours that the table does not know, as after a restore."""
        found = endings.find_ours(bedrock=self.bedrock, owner=owner)
        if found is None:
            return None
        self.table.change(
            str(owner),
            {
                **_identity(owner.environment, owner.job, event=event, now=self.now()),
                "State": RowState.SUBMITTED,
                "Request": json.dumps(_kept(event.properties)),
                "OnReplace": _policy(event.properties, "OnReplace"),
                "OnDelete": _policy(event.properties, "OnDelete"),
            },
        )
        return self.table.read(str(owner))

    def _retire(self, row: Row, *, owner: PhysicalId, event: ResourceEvent) -> OnEventResult:
        """Take CloudFormation's clean-up of a superseded id.

        Its model is the follower's, once the successor is complete. A job that its stack went back
        from is stopped at once, and one that still waits never starts: nobody waits for it.

        After a rollback that failed this may be the stack's deletion; so a policy to keep, the
        choice that can be undone, is taken from it, and one to delete is not.
        """
        values = {"RetiredAt": self._time}
        if _policy(event.properties, "OnDelete") is ModelPolicy.KEEP:
            values["OnDelete"] = ModelPolicy.KEEP
        self.table.change(row.name, values, remove=["SettledAt"])
        self.logger.info("superseded", extra={"physical_id": row.name})
        if row.state is RowState.QUEUED:
            job = endings.find_ours(bedrock=self.bedrock, owner=owner)
            unwanted = {"DeletedAt": self._time, "Policy": ModelPolicy.KEEP}
            if job is None and self._withdraw(row.name, besides=unwanted):
                return _gone(row.name)
        # One whose turn came meanwhile goes on as any other that was replaced.
        now = self.table.read(row.name) or row
        if not now.went_back or now.state.is_final:
            return _gone(row.name)
        # No model can be lost: a completed one of a job that went back is kept.
        return self._leaving(owner, [self._take_away(owner, policy=ModelPolicy.KEEP)])

    def _withdraw(self, name: str, *, besides: Mapping[str, str] | None = None) -> bool:
        """End a job that still waits, in one write; False when it waits no more."""
        withdrawn = {"State": RowState.WITHDRAWN, "EndedAt": self._time, **(besides or {})}
        done = self.table.change(name, withdrawn, when=When(equal={"State": (RowState.QUEUED,)}))
        if done:
            self._leave(name)
        return done

    def _leave(self, name: str) -> None:
        """Free the place of a job that is over, unless it was asked for anew meanwhile."""

        def leave(ledger: Ledger) -> Ledger:
            row = self.table.read(name)
            return ledger.leave(name) if row is None or row.state.is_final else ledger

        self.table.change_ledger(leave)

    def _take_away(self, owner: PhysicalId, *, policy: ModelPolicy) -> Row | None:
        """Mark an id as not wanted, then stop its job or delete its model.

        The mark comes first: whoever would adopt the job, or submit it, sees it. Returns the row
        when there is a job to wait for, or may be one soon.
        """
        name = str(owner)
        self.table.change(
            name,
            {"Policy": policy},
            once={"DeletedAt": self._time},
            remove=["SettledAt"],
            when=When(present=["State"]),
        )
        row = self.table.read(name)
        if row is not None and row.state is RowState.QUEUED:
            self._withdraw(name)
            row = self.table.read(name)
        job = endings.find_ours(bedrock=self.bedrock, owner=owner)
        if job is not None and job.status.is_running:
            job = endings.stop(bedrock=self.bedrock, job=job)
        if job is not None and job.model_arn and policy is ModelPolicy.DELETE:
            self._delete_model(job.model_arn)
            self.table.change(name, {"ModelDeletedAt": self._time})
        self.logger.info("taken away", extra={"physical_id": name, "policy": policy})
        submitting = row is not None and row.state is RowState.SUBMITTING
        return row if job is not None or submitting else None

    def _delete_model(self, arn: str) -> None:
        """Delete a model; one that somebody else deleted before is no reason to keep a stack.

        This function may delete what carries our tags, and what is gone carries none: the answer
        is a denial then, and only a look tells it from a policy that lacks something.
        """
        try:
            endings.delete_model(bedrock=self.bedrock, arn=arn)
        except ClientError as error:
            denied = error_code(error) == "AccessDeniedException"
            if not denied or model_exists(bedrock=self.bedrock, arn=arn):
                raise

    def _line_before(self, row: Row) -> Iterator[Row]:
        """Yield the ids that led to this one in its stack and are not deleted, newest first."""
        seen = {row.name}
        for _ in range(LONGEST_LINE):
            before = row.supersedes
            if before is None or before in seen:
                return
            seen.add(before)
            found = self.table.read(before)
            if found is None or found.stack_id != row.stack_id:
                return
            row = found
            if row.deleted_at is None and row.superseded_by is not None:
                yield row

    def _leaving(self, owner: PhysicalId, taken: list[Row | None]) -> OnEventResult:
        rows = [row for row in taken if row is not None]
        answer = _gone(str(owner))
        if rows:
            answer["Follow"] = Follow.JOB
            answer["Jobs"] = [row.name for row in rows]
        started = [r.submitting_at for r in rows if r.state is RowState.SUBMITTING]
        times = [time for time in started if time is not None]
        if times:
            answer["NotBefore"] = (max(times) + SUBMISSION_GRACE).isoformat()
        return answer

    @property
    def _time(self) -> str:
        return self.now().isoformat()

    def _read(self, properties: Mapping[str, object]) -> JobRequest:
        return JobRequest.from_properties(
            properties,
            service_model=self.bedrock.meta.service_model,
            show_values=False,
        )


def _values(*, job: JobRequest, event: ResourceEvent, now: datetime) -> dict[str, str]:
    return {
        **_identity(job.environment, job.job, event=event, now=now),
        "Request": json.dumps(_kept(event.properties)),
        "OnReplace": job.on_replace,
        "OnDelete": job.on_delete,
    }


def _identity(environment: str, job: str, *, event: ResourceEvent, now: datetime) -> dict[str, str]:
    return {
        "Environment": environment,
        "Job": job,
        "StackId": event.stack_id,
        "LogicalId": event.logical_id,
        "RequestId": event.request_id,
        "RequestedAt": now.isoformat(),
    }


def _kept(properties: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in properties.items() if key != "ServiceToken"}


def _of(event: ResourceEvent) -> claims.Resource:
    return event.stack_id, event.logical_id


def _is_of(row: Row, *, event: ResourceEvent) -> bool:
    return (row.stack_id, row.logical_id) == _of(event)


def _is_left_kept(row: Row, *, event: ResourceEvent) -> bool:
    """Return whether the last owner of a model kept it, or would, when a request takes its row.

    The follower may not have seen yet that the other resource is gone.
    """
    if row.deleted_at is not None:
        return row.policy is ModelPolicy.KEEP
    return not _is_of(row, event=event) and not claims.lets_model_go(row.claim)


def _as_read(row: Row | None) -> When:
    """Return the condition that a row is as it was judged: none, or the same one's in all marks."""
    deleted = row.deleted_at.isoformat() if row and row.deleted_at else None
    return When(
        equal={
            "StackId": (row.stack_id if row else None,),
            "RequestId": (row.request_id if row else None,),
            "State": (row.state.value if row else None,),
            "SupersededBy": (row.superseded_by if row else None,),
            "DeletedAt": (deleted,),
        }
    )


def _claims_before(row: Row | None, *, event: ResourceEvent, anew: bool = False) -> dict[str, str]:
    """Return the attribute that keeps the earlier claims on a row when a request takes it."""
    if row is None:
        return {}
    return {"ClaimsBefore": json.dumps(row.claims_when_taken(taker=_of(event), anew=anew))}


def _owner(row: Row) -> PhysicalId | None:
    return parse_physical_id(physical_id=row.name, environment=row.environment, job=row.job)


def _busy(owner: PhysicalId) -> BusyTableError:
    return BusyTableError(f"the row of {owner} changes all the time: deploy again")


def _taken(owner: PhysicalId) -> NameTakenError:
    return NameTakenError(
        f"a job named {owner} exists without the tag {ENVIRONMENT_TAG}={owner.environment} and "
        "the job's other owner tags: it is not this stack's and is left alone; rename the job or "
        "raise its run"
    )


def _answer(owner: PhysicalId, *, follow: Follow, state: State) -> OnEventResult:
    return {
        "PhysicalResourceId": str(owner),
        "Follow": follow,
        "Data": {"JobName": str(owner), "ModelName": str(owner), "State": state},
    }


def _gone(physical_id: str) -> OnEventResult:
    return {"PhysicalResourceId": physical_id, "Follow": Follow.NOTHING}


def _parse(physical_id: str | None, properties: Mapping[str, object]) -> PhysicalId | None:
    environment, job = properties.get("Environment"), properties.get("Job")
    if physical_id is None or not isinstance(environment, str) or not isinstance(job, str):
        return None
    return parse_physical_id(physical_id=physical_id, environment=environment, job=job)


def _policy(properties: Mapping[str, object], name: str) -> ModelPolicy:
    """Return a policy; what is not one keeps the model, the choice that can be undone."""
    value = str(properties.get(name))
    return ModelPolicy(value) if value in set(ModelPolicy) else ModelPolicy.KEEP
