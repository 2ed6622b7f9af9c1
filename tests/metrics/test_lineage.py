"""A model's record: complete, written once, whole, and shown; and what shows that it is not."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from customization.request import JobRequest
from lineage import gather
from lineage.chain import broken_links
from lineage.entry import Check, Deployment, Entry, Event, Facts, Trial, digest_of, moment
from lineage.store import MOST_TRIES, CrowdedRecordError, RecordStore
from lineage.template import template_of
from tests.fakes.properties import made
from tests.finetune.conftest import Run
from tests.metrics.bucket_fake import BUCKET, FakeBucket, RefusalError
from tests.metrics.samples import TRAINING, learns, overfits, run_of, table

NAME = "dev-policy-review-0123456789abcdef"
FOLDER = f"outputs/policy-review/lineage/{NAME}"
WRITER = "arn:aws:sts::111122223333:assumed-role/follow-up/run"
AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
DEPLOYMENT = Deployment(
    kind="provisioned",
    name="dev-policy-review",
    arn="arn:aws:bedrock:eu-test-1:111122223333:provisioned-model/abcdefabcdef",
    until="2026-11-23T20:00:00+00:00",
)
TRIAL = Trial(passed=False, tests=3, failed=(2,))
ANSWER: dict[str, Any] = {
    "jobName": NAME,
    "jobArn": "arn:aws:bedrock:eu-test-1:111122223333:model-customization-job/a.b:0/abc123def456",
    "status": "Completed",
    "creationTime": AT,
    "endTime": AT,
    "roleArn": "arn:aws:iam::111122223333:role/customization",
    "vpcConfig": {"subnetIds": ["subnet-1"], "securityGroupIds": ["sg-1"]},
    "outputDataConfig": {"s3Uri": "s3://bucket/outputs/policy-review/"},
    "outputModelName": NAME,
    "outputModelArn": "arn:aws:bedrock:eu-test-1:111122223333:custom-model/a.b:0/abc123def456",
    "outputModelKmsKeyArn": "arn:aws:kms:eu-test-1:111122223333:key/model",
}


@pytest.fixture
def store(aws: FakeBucket) -> RecordStore:
    client = boto3.Session(region_name="eu-test-1").client("s3")
    del aws
    return RecordStore(client=client, bucket=BUCKET, prefix="outputs/policy-review/")


def append(
    store: RecordStore, id: str, event: Event = Event.TRAINED, facts: Facts | None = None
) -> Entry | None:
    return store.append(
        environment="dev",
        job="policy-review",
        name=NAME,
        id=id,
        event=event,
        facts=facts or Facts(),
        at=AT,
        by=WRITER,
    )


def all_facts(tmp_path: Path) -> Facts:
    training = table("training", learns)
    run = run_of(tmp_path, training, table("validation", overfits))
    request = JobRequest.from_properties(made())
    check = Check(version="1", model_family="amazon-nova", ok=True, at="2026-11-22T12:00:00Z")
    return gather.facts_of_training(
        request=request,
        answer=ANSWER,
        template=template_of(stack_id="arn:stack", body={"Resources": {"b": 1, "a": 2}}),
        metrics=gather.metrics_of(run, files={TRAINING: training.encode()}),
        checks={request.dataset_digest: check},
    )


def test_the_facts_of_training_are_complete(tmp_path: Path) -> None:
    facts = all_facts(tmp_path)
    request = JobRequest.from_properties(made())
    assert facts.settings is not None
    assert facts.settings.digest == request.digest
    assert facts.settings.hyperparameters == request.request["hyperParameters"]
    assert [data.sha256 for data in facts.data if data.purpose == "training"] == [
        request.dataset_digest
    ]
    assert facts.data[0].check is not None
    assert facts.data[0].check.ok
    assert facts.job is not None
    assert (facts.job.subnet_ids, facts.job.status) == (("subnet-1",), "Completed")
    assert facts.model is not None
    assert facts.model.key_arn == ANSWER["outputModelKmsKeyArn"]
    assert facts.metrics is not None
    assert facts.metrics.verdicts == ("overfitted",)
    assert list(facts.metrics.files) == [TRAINING]


def test_what_is_not_known_is_left_out_and_not_guessed() -> None:
    facts = gather.facts_of_training(
        request=JobRequest.from_properties(made()),
        answer={key: value for key, value in ANSWER.items() if "utputModel" not in key},
        template=None,
        metrics=None,
    )
    assert (facts.model, facts.template, facts.metrics) == (None, None, None)
    assert facts.data[0].check is None


def test_a_templates_digest_is_of_what_it_says_and_not_of_how_it_is_spelled() -> None:
    def digest(body: object) -> str:
        return template_of(stack_id="x", body=body).sha256

    assert digest('{"b": 1,\n "a": 2}') == digest({"a": 2, "b": 1})
    assert digest({"a": 2, "b": 1}) != digest({"a": 2, "b": 2})
    assert digest("a: 1\n") != digest("a: 2\n")


def test_every_entry_comes_back_as_it_was_written(tmp_path: Path) -> None:
    facts = dataclasses.replace(all_facts(tmp_path), deployment=DEPLOYMENT, trial=TRIAL)
    entry = Entry(
        schema=1,
        environment="dev",
        job="policy-review",
        name=NAME,
        sequence=1,
        previous=None,
        id="x",
        event=Event.DEPLOYED,
        at=moment(AT),
        by=WRITER,
        facts=facts,
    )
    assert TypeAdapter(Entry).validate_json(entry.as_bytes()) == entry
    assert entry.as_bytes() == dataclasses.replace(entry).as_bytes()


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        moment(AT.replace(tzinfo=None))


def test_entries_are_added_one_after_the_other(store: RecordStore, aws: FakeBucket) -> None:
    first = append(store, "a")
    second = append(store, "b", Event.DEPLOYED, Facts(deployment=DEPLOYMENT))
    assert first is not None
    assert second is not None
    assert sorted(aws.files) == [f"{FOLDER}/0001.json", f"{FOLDER}/0002.json"]
    assert (first.previous, second.previous) == (None, digest_of(first.as_bytes()))
    assert broken_links(name=NAME, files=store.files(NAME)) == []


def test_a_happening_is_written_once_however_often_it_is_told(
    store: RecordStore, aws: FakeBucket
) -> None:
    append(store, "a")
    assert append(store, "a") is None
    assert list(aws.files) == [f"{FOLDER}/0001.json"]


def test_an_entry_is_never_written_over(store: RecordStore, aws: FakeBucket) -> None:
    append(store, "a")
    kept = aws.files[f"{FOLDER}/0001.json"]
    aws.meanwhile = lambda: aws.files.update(
        {f"{FOLDER}/0002.json": json.dumps({"id": "another's"}).encode()}
    )
    third = append(store, "b")
    assert third is not None
    assert third.sequence == 3
    assert aws.files[f"{FOLDER}/0001.json"] == kept
    assert json.loads(aws.files[f"{FOLDER}/0002.json"]) == {"id": "another's"}
    puts = [arguments for name, arguments in aws.calls if name == "PutObject"]
    assert all(put["IfNoneMatch"] == "*" for put in puts)


def test_two_writers_of_one_happening_leave_one_entry(store: RecordStore, aws: FakeBucket) -> None:
    aws.meanwhile = lambda: (append(store, "a"), None)[1]
    assert append(store, "a") is None
    assert list(aws.files) == [f"{FOLDER}/0001.json"]


def test_a_writer_gives_up_when_every_number_is_taken(store: RecordStore, aws: FakeBucket) -> None:
    aws.refusals["PutObject"] = RefusalError("PreconditionFailed", status=412)
    with pytest.raises(CrowdedRecordError):
        append(store, "a")
    assert aws.names().count("PutObject") == MOST_TRIES


def test_another_refusal_is_no_taken_number(store: RecordStore, aws: FakeBucket) -> None:
    aws.refusals["PutObject"] = RefusalError("AccessDenied", status=403)
    with pytest.raises(store.client.exceptions.ClientError, match="AccessDenied"):
        append(store, "a")
    assert aws.names().count("PutObject") == 1


def chain(count: int) -> list[tuple[int, bytes]]:
    files: list[tuple[int, bytes]] = []
    for number in range(1, count + 1):
        entry = Entry(
            schema=1,
            environment="dev",
            job="policy-review",
            name=NAME,
            sequence=number,
            previous=digest_of(files[-1][1]) if files else None,
            id=str(number),
            event=Event.TRIED,
            at=moment(AT),
            by=WRITER,
        )
        files.append((number, entry.as_bytes()))
    return files


@given(data=st.data(), count=st.integers(2, 6))
def test_every_change_loss_insertion_and_exchange_within_a_chain_shows(
    data: st.DataObject, count: int
) -> None:
    files = chain(count)
    assert broken_links(name=NAME, files=files) == []
    place = data.draw(st.integers(0, count - 2), label="place")
    number, content = files[place]
    match data.draw(st.sampled_from(["change", "lose", "insert", "exchange"]), label="what"):
        case "change":
            files[place] = (number, content.replace(b"follow-up", b"somebody!"))
        case "lose":
            del files[place]
        case "insert":
            files.insert(place, (number, content))
        case "exchange":
            files[place], files[place + 1] = (
                (number, files[place + 1][1]),
                (number + 1, content),
            )
    assert broken_links(name=NAME, files=files)


def test_a_missing_entry_is_named() -> None:
    first, _, third = chain(3)
    (problem,) = broken_links(name=NAME, files=[first, third])
    assert problem == "entry 2 is missing: entry 3 follows 1"


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"no JSON", "not JSON"), (b"[]", "schema 1"), (b'{"schema": 2}', "schema 1")],
)
def test_a_file_that_is_no_entry_breaks_the_record(content: bytes, why: str) -> None:
    (problem,) = broken_links(name=NAME, files=[(1, content)])
    assert why in problem


def test_an_entry_of_another_model_breaks_the_record() -> None:
    assert broken_links(name="dev-other-0123456789abcdef", files=chain(1))


@pytest.fixture
def in_a_project(project: Path) -> None:
    del project


def recorded(aws: FakeBucket, files: list[tuple[int, bytes]], name: str = NAME) -> None:
    folder = f"outputs/policy-review/lineage/{name}"
    aws.files.update({f"{folder}/{number:04}.json": content for number, content in files})


@pytest.mark.usefixtures("in_a_project")
def test_the_command_shows_what_a_model_was_made_from(
    run: Run, store: RecordStore, aws: FakeBucket, tmp_path: Path
) -> None:
    facts = all_facts(tmp_path)
    append(store, "a", Event.TRAINED, facts)
    append(store, "b", Event.DEPLOYED, Facts(deployment=DEPLOYMENT))
    append(store, "c", Event.TRIED, Facts(deployment=DEPLOYMENT, trial=TRIAL))
    aws.calls.clear()
    ended = run("lineage", NAME)
    assert ended.code == 0, ended.err
    assert facts.settings is not None
    assert facts.template is not None
    for told in (
        NAME,
        WRITER,
        facts.settings.base_model,
        facts.settings.digest,
        facts.data[0].sha256,
        facts.template.sha256,
        ANSWER["jobArn"],
        ANSWER["outputModelArn"],
        ANSWER["outputModelKmsKeyArn"],
        "amazon-nova",
        "overfitted",
        DEPLOYMENT.arn,
        "3 asked, failed 2",
        "3 entries, one whole chain",
    ):
        assert told in ended.out, told
    assert "PutObject" not in aws.names()


@pytest.mark.usefixtures("in_a_project")
def test_a_jobs_name_stands_for_its_newest_model(run: Run, aws: FakeBucket) -> None:
    recorded(aws, [])
    older = "dev-policy-review-fedcba9876543210"
    recorded(
        aws,
        [(1, chain(1)[0][1].replace(NAME.encode(), older.encode()))],
        name=older,
    )
    recorded(aws, chain(1))
    assert run("lineage", "policy-review", "--json").answer["name"] == NAME
    assert run("lineage", older, "--json").answer["name"] == older


@pytest.mark.usefixtures("in_a_project")
def test_a_model_whose_job_left_the_settings_is_still_found(run: Run, aws: FakeBucket) -> None:
    name = "dev-gone-0123456789abcdef-2"
    content = chain(1)[0][1].replace(NAME.encode(), name.encode())
    aws.files[f"outputs/gone/lineage/{name}/0001.json"] = content
    ended = run("lineage", name, "--json")
    assert (ended.code, ended.answer["name"]) == (0, name)


@pytest.mark.usefixtures("in_a_project")
def test_a_record_that_was_changed_ends_with_1(run: Run, aws: FakeBucket) -> None:
    files = chain(2)
    recorded(aws, files)
    assert run("lineage", NAME, "--json").code == 0
    recorded(aws, [(1, files[0][1].replace(b"follow-up", b"somebody!"))])
    ended = run("lineage", NAME, "--json")
    assert (ended.code, ended.ids()) == (1, ["broken-record"])
    assert "entry 2 does not follow from entry 1" in ended.answer["findings"][0]["message"]


@pytest.mark.usefixtures("in_a_project")
def test_an_entry_without_its_form_ends_with_1(run: Run, aws: FakeBucket) -> None:
    broken = json.loads(chain(1)[0][1])
    broken["event"] = "sold"
    recorded(aws, [(1, json.dumps(broken).encode())])
    ended = run("lineage", NAME, "--json")
    assert (ended.code, ended.ids()) == (1, ["broken-record"])
    assert "event" in ended.answer["findings"][0]["message"]


@pytest.mark.usefixtures("in_a_project")
@pytest.mark.parametrize(
    ("name", "code", "id"),
    [
        ("policy-review", 1, "no-record"),
        (NAME, 1, "no-record"),
        ("prod-policy-review-0123456789abcdef", 2, "no-job"),
        ("what", 2, "no-job"),
    ],
)
def test_what_has_no_record_is_said(
    run: Run, aws: FakeBucket, name: str, code: int, id: str
) -> None:
    del aws
    ended = run("lineage", name, "--json")
    assert (ended.code, ended.ids()) == (code, [id])


def test_a_record_is_read_from_a_folder_too(run: Run, tmp_path: Path, aws: FakeBucket) -> None:
    place = tmp_path / "copy" / "outputs" / "policy-review" / "lineage" / NAME
    place.mkdir(parents=True)
    for number, content in chain(2):
        (place / f"{number:04}.json").write_bytes(content)
    ended = run("lineage", NAME, "--folder", tmp_path / "copy", "--json")
    assert (ended.code, len(ended.answer["entries"])) == (0, 2)
    assert run("lineage", "other", "--folder", tmp_path / "copy", "--json").ids() == ["no-record"]
    (place / "0001.json").unlink()
    assert run("lineage", NAME, "--folder", tmp_path / "copy", "--json").ids() == ["broken-record"]
    assert aws.calls == []
