"""What is read of a job's outputs, and what is written beside them: each once, however often."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict

from customization.request import JobRequest
from lineage.entry import Check, Deployment, Event, Facts, Template, Trial
from lineage.gather import facts_of_training, metrics_of
from lineage.store import RecordStore
from training_metrics.outputs import run_in
from training_metrics.publish import metric_line, publish
from training_metrics.runs import Run, read_run
from training_metrics.sources import BucketSource
from training_metrics.summary import summarise

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from model_report.orders import Order
    from model_report.subject import Subject


class Collected(TypedDict):
    """What the metrics say, in words: no number of a loss leaves the outputs but in a verdict."""

    job: str
    model_arn: str | None
    curves: list[str]
    best_step: int | None
    verdicts: list[str]
    missing: list[str]


class Reported(TypedDict):
    """What was written: the keys in the data bucket."""

    page: str | None
    record: str


class Recorded(TypedDict):
    """How many entries the record was given that it did not have."""

    added: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """The report on one job; `emit` writes a line of metrics to the log, `by` is who writes."""

    s3: S3Client
    subject: Subject
    emit: Callable[[str], None]
    now: Callable[[], datetime]
    by: str

    def collect(self) -> Collected:
        """Read the metrics, give CloudWatch the final numbers, and say what there is and is not.

        What is missing or unreadable is said and ends nothing. The numbers carry the time at which
        training ended: when they are given again they change nothing that a graph shows.
        """
        subject = self.subject
        run = self._run()
        row = subject.row
        self.emit(metric_line(run=run, environment=row.environment, job=row.job, now=subject.ended))
        summary = summarise(run)
        return {
            "job": row.job,
            "model_arn": subject.answer.get("outputModelArn"),
            "curves": [curve["label"] for curve in summary["curves"]],
            "best_step": summary["best"]["step"] if summary["best"] else None,
            "verdicts": [one["message"] for one in summary["judgements"]],
            "missing": [one["message"] for one in summary["notes"]],
        }

    def report(self, order: Order) -> Reported:
        """Write the page and the first entry of the record; both are there once, whenever asked."""
        subject = self.subject
        page = publish(
            client=self.s3,
            bucket=subject.bucket,
            folder=subject.folder,
            name=subject.row.name,
            made_at=subject.ended,
        )
        template = Template(**order.template) if order.template else None
        facts = facts_of_training(
            request=JobRequest.from_properties(json.loads(subject.row.request), show_values=False),
            answer=subject.answer,
            template=template,
            checks={digest: Check(**check) for digest, check in subject.row.checks.items()},
            metrics=metrics_of(page.run, files=self._files(page.run)) if page.run.curves else None,
        )
        self._add(event=Event.TRAINED, id="trained", facts=facts)
        return {"page": page.page_key, "record": self._store.folder(subject.row.name)}

    def record(self, order: Order) -> Recorded:
        """Add what serves the model, and how it was tried, to the record."""
        served = _deployment(order.deployment or {})
        added = 0
        if served is not None:
            added += self._add(
                event=Event.DEPLOYED, id=f"deployed/{served.arn}", facts=Facts(deployment=served)
            )
        if order.tested is not None:
            results = order.tested["results"]
            trial = Trial(
                passed=bool(order.tested["passed"]),
                tests=len(results),
                failed=tuple(int(each["number"]) for each in results if not each["passed"]),
            )
            facts = Facts(deployment=served, trial=trial)
            added += self._add(event=Event.TRIED, id=f"tried/{order.execution}", facts=facts)
        return {"added": added}

    def _run(self) -> Run:
        files = run_in(self.subject.folder, self._source.names())
        return read_run(source=self._source, files=files, name=self.subject.row.name)

    def _files(self, run: Run) -> dict[str, bytes]:
        """Return the files that a run's curves were read from, for their digests."""
        return {curve.file: self._source.read(curve.file) for curve in run.curves}

    @property
    def _source(self) -> BucketSource:
        subject = self.subject
        return BucketSource(client=self.s3, bucket=subject.bucket, prefix=subject.folder)

    @property
    def _store(self) -> RecordStore:
        return RecordStore(client=self.s3, bucket=self.subject.bucket, prefix=self.subject.prefix)

    def _add(self, *, event: Event, id: str, facts: Facts) -> int:
        row = self.subject.row
        entry = self._store.append(
            environment=row.environment,
            job=row.job,
            name=row.name,
            id=id,
            event=event,
            facts=facts,
            at=self.now(),
            by=self.by,
        )
        return int(entry is not None)


def _deployment(answer: Mapping[str, Any]) -> Deployment | None:
    """Return the facts of the deployer's answer, None where nothing serves the model."""
    if not answer.get("arn"):
        return None
    return Deployment(
        kind=str(answer["kind"]),
        name=str(answer["deployment"]),
        arn=str(answer["arn"]),
        until=answer.get("ends_at"),
    )
