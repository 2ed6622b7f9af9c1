"""Jobs that wait for their turn: what the state table says of them, and how their wait can end.

Bedrock knows nothing of such a job. Its row does; who may not read the table has the job's stack,
which tells that the job is not wanted any more, but not that Bedrock refused it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from finetune.aws import aws_errors, error_code, stack_outputs
from finetune.environments import Environment
from finetune.report import Finding

if TYPE_CHECKING:
    from customization.rows import Row
    from finetune.aws import Connection

QUEUED = "Queued"
"""The status of a job that waits for its turn and is not in Bedrock yet."""
TRAIN_AGAIN = "to train the same again, raise the job's `run` and deploy"


@dataclass(frozen=True, kw_only=True)
class Turn:
    """How far a job has come that Bedrock does not know.

    `status` is its row's state. `reason` is why it still waits, as far as that is known; `ended`
    tells why it never comes to Bedrock, and is None while it may.
    """

    status: str = QUEUED
    reason: str = ""
    ended: Finding | None = None


class Queue:
    """The queue of an environment as the table and the stacks tell of it.

    `warn` is told once when the table may not be read.
    """

    def __init__(
        self,
        *,
        connection: "Connection",
        environment: Environment,
        warn: Callable[[Finding], None] = lambda _: None,
    ) -> None:
        from bedrock_finetuning.naming import Names  # noqa: PLC0415 loaded when used

        self._connection = connection
        self._environment = environment
        self._warn = warn
        self._readable = True
        self._warned = False
        self._table = Names(environment=environment.name, region=environment.region).state_table

    def deployed(self, job: str) -> str | None:
        """Return the name of the job that a stack says was queued when it was deployed, or None."""
        outputs = self._outputs(job)
        return outputs.get("JobName") if outputs and outputs.get("State") == QUEUED else None

    def look(self, *, name: str, job: str) -> Turn:
        """Return how far the job of this whole name has come, which the settings call `job`.

        It counts only when Bedrock, asked afterwards, does not know the job.
        """
        from customization.rows import RowState  # noqa: PLC0415 loaded when used

        row = self._row(name)
        if not self._readable:
            return self._look_at_stack(name=name, job=job)
        if row is None:
            return Turn(status="Lost", ended=_lost(name=name, table=self._table))
        match row.state:
            case RowState.REFUSED:
                ended = _refused(name=name, failure=row.failure)
            case RowState.WITHDRAWN:
                ended = self._withdrawn(name=name, job=job)
            case state if state.is_final:
                ended = _gone(name=name, state=state)
            case _:
                return Turn(status=row.state.value, reason=row.failure)
        return Turn(status=row.state.value, ended=ended)

    def waits_for_what_serves(self, name: str) -> bool:
        """Return whether the model of a job goes as soon as nothing serves it any more.

        False where the table may not be read, or does not know the job.
        """
        row = self._row(name, quietly=True)
        return row is not None and row.waits_for_what_serves

    def _look_at_stack(self, *, name: str, job: str) -> Turn:
        if (self._outputs(job) or {}).get("JobName") == name:
            return Turn()
        return Turn(status="Withdrawn", ended=self._withdrawn(name=name, job=job))

    def _outputs(self, job: str) -> dict[str, str] | None:
        stack = self._environment.stack(f"job-{job}")
        return stack_outputs(connection=self._connection, stack=stack)

    def _row(self, name: str, *, quietly: bool = False) -> "Row | None":
        from botocore.exceptions import ClientError  # noqa: PLC0415 slow to load

        from customization.table import Table  # noqa: PLC0415 loaded when used

        if not self._readable:
            if not (quietly or self._warned):
                self._warned = True
                self._warn(_unreadable(table=self._table))
            return None
        with aws_errors(doing=f"reading the state table {self._table}"):
            client = self._connection.client("dynamodb")
            table = Table(dynamodb=client, name=self._table, pause=lambda _: None)
            try:
                return table.read(name)
            except ClientError as error:
                match error_code(error):
                    case "ResourceNotFoundException":
                        return None
                    case "AccessDeniedException":
                        self._readable = False
                        if quietly:
                            return None
                        self._warned = True
                        self._warn(_unreadable(table=self._table))
                        return None
                raise

    def _withdrawn(self, *, name: str, job: str) -> Finding:
        stack = self._environment.stack(f"job-{job}")
        outputs = self._outputs(job)
        now = (outputs or {}).get("JobName")
        if now is not None and now != name:
            why, fix = f"its stack {stack} has {now} in its place", f"finetune watch {now}"
        elif outputs is None:
            why = f"its stack {stack} is gone"
            fix = f"deploy it again: cdk deploy -c environment={self._environment.name} {stack}"
        else:
            why, fix = f"its stack {stack} went back from it", TRAIN_AGAIN
        return Finding(
            id="job-withdrawn",
            level="error",
            message=f"the job {name} was withdrawn before its turn came: {why}",
            fix=fix,
            where={"stack": stack},
        )


def _refused(*, name: str, failure: str) -> Finding:
    from customization import remedies  # noqa: PLC0415 loaded when used

    # A reason may carry its remedy already.
    remedy = None if "remedy:" in failure else remedies.find(failure)
    right = remedy.action if remedy is not None else "put right what the reason names"
    return Finding(
        id="job-refused",
        level="error",
        message=f"the job {name} was refused when its turn came: {failure or 'no reason is known'}",
        fix=f"{right}; then, {TRAIN_AGAIN}",
    )


def _gone(*, name: str, state: str) -> Finding:
    return Finding(
        id="job-gone",
        level="error",
        message=f"Bedrock does not know the job {name} any more: the last that was seen of it is "
        f"{state}",
        fix=f"see AWS CloudTrail for who took it away; {TRAIN_AGAIN}",
    )


def _lost(*, name: str, table: str) -> Finding:
    return Finding(
        id="job-lost",
        level="error",
        message=f"the state table {table} knows no job {name}: nothing will submit it",
        fix=f"see AWS CloudTrail for who changed the table; {TRAIN_AGAIN}",
    )


def _unreadable(*, table: str) -> Finding:
    return Finding(
        id="queue-not-readable",
        level="warning",
        message=f"the state table {table} may not be read with these credentials: if the job is "
        "refused, it is not seen here",
        fix="use credentials that may call dynamodb:GetItem on it and kms:Decrypt through it, or "
        "follow the announcements on the topic",
    )
