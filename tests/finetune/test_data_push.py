"""`finetune data push` checks, uploads once under the right key, and records what it did."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from finetune import data_push, environments
from tests.finetune.aws_fake import BUCKET, KEY_ARN, FakeAws, RefusalError, Stored
from tests.finetune.conftest import ROOT, Run, lines

SECRET = "hunter2-do-not-print"
WRITES = {"PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"}


@pytest.fixture
def data(project: Path) -> Path:
    path = project / "train.jsonl"
    path.write_text(lines(text=SECRET))
    return path


def lock(project: Path) -> dict[str, Any]:
    path = project / "config" / "datasets.lock.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def key_of(path: Path, *, name: str = "policy-review") -> str:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"fine-tuning-datasets/{name}/{digest}/{path.name}"


def test_a_push_uploads_the_file_to_the_key_of_its_content(
    run: Run, aws: FakeAws, data: Path
) -> None:
    ended = run("data", "push", "policy-review", data)
    assert ended.code == 0, ended.err
    assert aws.objects[key_of(data)].body == data.read_bytes()


def test_the_upload_is_encrypted_with_the_data_key_and_carries_its_digest(
    run: Run, aws: FakeAws, data: Path
) -> None:
    run("data", "push", "policy-review", data)
    sent = aws.objects[key_of(data)].arguments
    assert (sent["ServerSideEncryption"], sent["SSEKMSKeyId"]) == ("aws:kms", KEY_ARN)
    assert sent["IfNoneMatch"] == "*"
    assert sent["Metadata"] == {"sha256": hashlib.sha256(data.read_bytes()).hexdigest()}


def test_the_upload_is_made_as_the_uploader(run: Run, aws: FakeAws, data: Path) -> None:
    run("data", "push", "policy-review", data)
    names = aws.names()
    assert names.index("AssumeRole") < names.index("PutObject")


def test_the_lock_file_records_what_was_pushed(
    run: Run, aws: FakeAws, data: Path, project: Path
) -> None:
    del aws
    run("data", "push", "policy-review", data)
    entry = lock(project)["policy-review"]
    assert entry["check"].pop("at").endswith("Z")
    assert entry == {
        "sha256": hashlib.sha256(data.read_bytes()).hexdigest(),
        "key": key_of(data),
        "bytes": data.stat().st_size,
        "records": 10,
        "check": {"version": "2", "model_family": "amazon-nova-2", "ok": True},
    }


def test_settings_accept_the_lock_file_that_a_push_wrote(
    run: Run, aws: FakeAws, data: Path, project: Path
) -> None:
    from settings import load_settings  # noqa: PLC0415

    del aws
    run("data", "push", "policy-review", data)
    settings = load_settings(environment="dev", directory=project / "config")
    pushed = settings.jobs["policy-review"].training_data
    assert pushed is not None
    assert pushed.key == key_of(data)


def test_pushing_the_same_data_again_uploads_nothing_and_changes_no_file(
    run: Run, aws: FakeAws, data: Path, project: Path
) -> None:
    run("data", "push", "policy-review", data)
    path = project / "config" / "datasets.lock.json"
    before, text = path.stat(), path.read_text().replace("2026", "2020")
    path.write_text(text)
    aws.calls.clear()
    again = run("data", "push", "policy-review", data, "--json")
    assert again.code == 0
    assert not WRITES & set(aws.names())
    assert path.read_text() == text
    assert again.answer["uploaded"] is False
    assert again.answer["lock"]["changed"] is False
    assert before.st_size == path.stat().st_size


def test_changed_data_is_uploaded_and_recorded(
    run: Run, aws: FakeAws, data: Path, project: Path
) -> None:
    run("data", "push", "policy-review", data)
    first = lock(project)
    data.write_text(lines(11))
    assert run("data", "push", "policy-review", data).code == 0
    assert len(aws.objects) == 2
    assert lock(project) != first


def test_the_same_content_under_another_name_keeps_its_key(
    run: Run, aws: FakeAws, data: Path, project: Path
) -> None:
    run("data", "push", "policy-review", data)
    before = lock(project)
    renamed = data.rename(project / "renamed.jsonl")
    assert run("data", "push", "policy-review", renamed).code == 0
    assert (lock(project), len(aws.objects)) == (before, 1)


def test_bad_data_is_refused_before_aws_is_asked_and_not_recorded(
    run: Run, aws: FakeAws, data: Path, project: Path
) -> None:
    data.write_text(lines() + "\n" + f'{{"{SECRET}": 1}}\n')
    ended = run("data", "push", "policy-review", data, "--json")
    assert ended.code == 1
    assert ended.ids() == [
        "data.blank-line",
        "data.schema-version",
        "data.unknown-field",
        "data.structure",
    ]
    assert [one["where"]["line"] for one in ended.answer["findings"]] == [11, 12, 12, 12]
    assert (aws.calls, lock(project)) == ([], {})


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("bad", [True, False])
def test_nothing_of_the_data_is_printed(
    run: Run, aws: FakeAws, data: Path, as_json: bool, bad: bool
) -> None:
    del aws
    if bad:
        data.write_text(lines() + SECRET + "\n" + f'{{"{SECRET}": "{SECRET}"}}\n')
    ended = run("data", "push", "policy-review", data, *(["--json"] if as_json else []))
    assert ended.code == int(bad)
    assert SECRET not in ended.out + ended.err


def test_a_large_file_goes_in_parts_and_arrives_whole(
    run: Run, aws: FakeAws, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_push, "PART_BYTES", 300)
    assert run("data", "push", "policy-review", data).code == 0
    assert aws.objects[key_of(data)].body == data.read_bytes()
    assert aws.names().count("UploadPart") > data_push.UPLOADS_AT_ONCE
    assert "PutObject" not in aws.names()
    assert aws.uploads == {}


@pytest.mark.parametrize("operation", ["UploadPart", "CompleteMultipartUpload"])
def test_a_failed_upload_leaves_no_parts_and_no_entry(
    *,
    run: Run,
    aws: FakeAws,
    data: Path,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
) -> None:
    monkeypatch.setattr(data_push, "PART_BYTES", 300)
    aws.refusals[operation] = RefusalError("AccessDenied")
    ended = run("data", "push", "policy-review", data, "--json")
    assert (ended.code, ended.ids()) == (3, ["access-denied"])
    assert (aws.uploads, aws.objects, lock(project)) == ({}, {}, {})


def interrupted_push(*, run: Run, aws: FakeAws, data: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Push in parts, interrupted at the sixth; return how many parts arrived."""
    monkeypatch.setattr(data_push, "PART_BYTES", 100)
    monkeypatch.setattr(data_push, "UPLOADS_AT_ONCE", 1)  # else chance says which parts arrive

    def interrupt(arguments: dict[str, Any]) -> None:
        if arguments["PartNumber"] == 6:
            raise KeyboardInterrupt

    aws.before["UploadPart"] = interrupt
    ended = run("data", "push", "policy-review", data, "--json")
    assert (ended.code, ended.ids()) == (130, ["interrupted"])
    del aws.before["UploadPart"]
    aws.calls.clear()
    (note,) = (data.parent / "cache").rglob("*.json")
    return len(json.loads(note.read_text())["parts"])


def test_an_interrupted_upload_leaves_no_entry_and_goes_on_where_it_stopped(
    run: Run, aws: FakeAws, data: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived = interrupted_push(run=run, aws=aws, data=data, monkeypatch=monkeypatch)
    assert lock(project) == {}
    assert run("data", "push", "policy-review", data).code == 0
    parts = -(-data.stat().st_size // 100)
    assert 0 < arrived < parts
    assert aws.names().count("UploadPart") == parts - arrived
    assert "CreateMultipartUpload" not in aws.names()
    assert aws.objects[key_of(data)].body == data.read_bytes()
    assert aws.uploads == {}
    assert not list((project / "cache").rglob("*.json"))


def test_an_interrupted_upload_that_is_gone_begins_anew(
    run: Run, aws: FakeAws, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted_push(run=run, aws=aws, data=data, monkeypatch=monkeypatch)
    aws.uploads.clear()

    def only_known(arguments: dict[str, Any]) -> None:
        if arguments["UploadId"] not in aws.uploads:
            raise RefusalError("NoSuchUpload", status=404)

    aws.before["UploadPart"] = only_known
    assert run("data", "push", "policy-review", data).code == 0
    assert aws.names().count("CreateMultipartUpload") == 1
    assert aws.objects[key_of(data)].body == data.read_bytes()


@pytest.mark.parametrize("text", ["", "[]", "{}", "no JSON", '{"upload_id": 1}'])
def test_a_broken_note_of_an_upload_is_as_good_as_none(
    *,
    run: Run,
    aws: FakeAws,
    data: Path,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
) -> None:
    interrupted_push(run=run, aws=aws, data=data, monkeypatch=monkeypatch)
    (note,) = (project / "cache").rglob("*.json")
    note.write_text(text)
    assert run("data", "push", "policy-review", data).code == 0
    assert aws.objects[key_of(data)].body == data.read_bytes()


def test_the_note_of_an_upload_holds_nothing_of_the_data(
    run: Run, aws: FakeAws, data: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted_push(run=run, aws=aws, data=data, monkeypatch=monkeypatch)
    (note,) = (project / "cache").rglob("*.json")
    assert set(json.loads(note.read_text())) == {
        "bucket",
        "key",
        "part_bytes",
        "upload_id",
        "parts",
    }


@pytest.mark.parametrize("part_bytes", [300, 10_000_000])
def test_a_file_that_changes_after_its_check_is_not_uploaded(
    *,
    run: Run,
    aws: FakeAws,
    data: Path,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    part_bytes: int,
) -> None:
    monkeypatch.setattr(data_push, "PART_BYTES", part_bytes)

    def change(_: dict[str, Any]) -> None:
        data.write_text(lines(12))

    aws.before["AssumeRole"] = change
    ended = run("data", "push", "policy-review", data, "--json")
    assert (ended.code, ended.ids()) == (2, ["file-changed"])
    assert (aws.objects, aws.uploads, lock(project)) == ({}, {}, {})


def test_two_pushes_at_once_both_succeed_and_one_uploads(
    run: Run, aws: FakeAws, data: Path
) -> None:
    digest = hashlib.sha256(data.read_bytes()).hexdigest()

    def other_was_faster(_: dict[str, Any]) -> None:
        aws.objects[key_of(data)] = Stored(data.read_bytes(), {"Metadata": {"sha256": digest}})

    aws.before["PutObject"] = other_was_faster
    ended = run("data", "push", "policy-review", data, "--json")
    assert (ended.code, ended.answer["uploaded"]) == (0, False)


def test_another_object_at_the_key_is_an_error(
    run: Run, aws: FakeAws, data: Path, project: Path
) -> None:
    aws.objects[key_of(data)] = Stored(b"something else", {})
    ended = run("data", "push", "policy-review", data, "--json")
    assert (ended.code, ended.ids()) == (3, ["object-differs"])
    assert lock(project) == {}


def test_before_the_environment_is_deployed_the_upload_is_pending(
    run: Run, aws: FakeAws, data: Path, project: Path
) -> None:
    aws.stacks.clear()
    ended = run("data", "push", "policy-review", data, "--json")
    assert (ended.code, ended.ids()) == (0, ["upload-pending"])
    assert "finetune data push policy-review" in ended.answer["findings"][0]["fix"]
    assert (ended.answer["pending"], ended.answer["uri"]) == (True, None)
    assert "policy-review" in lock(project)


def test_after_the_deployment_the_pending_upload_is_made_and_the_entry_stays(
    run: Run, aws: FakeAws, data: Path, project: Path
) -> None:
    deployed, aws.stacks = aws.stacks, {}
    run("data", "push", "policy-review", data)
    entry = lock(project)
    aws.stacks = deployed
    ended = run("data", "push", "policy-review", data, "--json")
    assert (ended.answer["uploaded"], ended.answer["pending"]) == (True, False)
    assert ended.answer["uri"] == f"s3://{BUCKET}/{key_of(data)}"
    assert lock(project) == entry


def test_a_half_deployed_environment_is_an_error(
    run: Run, aws: FakeAws, data: Path, project: Path
) -> None:
    del aws.stacks["finetune-dev-identity"]
    ended = run("data", "push", "policy-review", data, "--json")
    assert (ended.code, ended.ids()) == (3, ["no-output"])
    assert lock(project) == {}


def test_without_upload_aws_is_not_asked(run: Run, aws: FakeAws, data: Path, project: Path) -> None:
    ended = run("data", "push", "policy-review", data, "--no-upload", "--json")
    assert (ended.code, ended.ids(), aws.calls) == (0, ["upload-pending"], [])
    assert "policy-review" in lock(project)


@pytest.mark.parametrize(
    ("operation", "code", "finding"),
    [
        ("DescribeStacks", "ExpiredToken", "expired-credentials"),
        ("DescribeStacks", "InvalidClientTokenId", "no-credentials"),
        ("DescribeStacks", "AccessDenied", "access-denied"),
        ("AssumeRole", "AccessDenied", "access-denied"),
        ("PutObject", "AccessDenied", "access-denied"),
        ("PutObject", "KMS.DisabledException", "aws-error"),
    ],
)
def test_what_aws_refuses_ends_with_3_and_says_what_to_do(
    *, run: Run, aws: FakeAws, data: Path, project: Path, operation: str, code: str, finding: str
) -> None:
    aws.refusals[operation] = RefusalError(code, status=403)
    ended = run("data", "push", "policy-review", data, "--json")
    assert (ended.code, ended.ids()) == (3, [finding])
    assert ended.answer["findings"][0]["fix"]
    assert lock(project) == {}


def test_missing_credentials_end_with_3(run: Run, data: Path) -> None:
    ended = run("data", "push", "policy-review", data, "--json")
    assert (ended.code, ended.ids()) == (3, ["no-credentials"])


@pytest.mark.parametrize(
    ("arguments", "finding"),
    [
        (["policy-review", "absent.jsonl"], "unreadable-file"),
        (["policy-review", "."], "file-name"),
        (["Policy_Review", "train.jsonl"], "data-set-name"),
        (["policy-review", "with space.jsonl"], "file-name"),
        (["unused", "train.jsonl"], "no-model"),
        (["unused", "train.jsonl", "--model", "no.such-model"], "unknown-model"),
        (
            ["unused", "train.jsonl", "--model", "amazon.nova-canvas-v1:0"],
            "unknown-format",
        ),
        (["policy-review", "train.jsonl", "-e", "nowhere"], "settings.missing-file"),
        (["policy-review", "train.jsonl", "--rehearsal"], "no-rehearsal"),
        (["policy-review"], "usage"),
        (["policy-review", "train.jsonl", "--no-such-option"], "usage"),
    ],
)
def test_wrong_use_ends_with_2(
    *,
    run: Run,
    aws: FakeAws,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    finding: str,
) -> None:
    del aws
    monkeypatch.setattr(environments, "REHEARSAL_FILE", data.parent / "env.json")
    ended = run("data", "push", *arguments, "--json")
    assert (ended.code, ended.ids(), ended.err) == (2, [finding], "")


def test_wrong_settings_are_all_told_and_end_with_2(run: Run, data: Path, project: Path) -> None:
    path = project / "config" / "dev.yaml"
    path.write_text(path.read_text().replace("us-east-1\n", "nowhere\n") + "colour: green\n")
    ended = run("data", "push", "policy-review", data, "--json")
    assert ended.code == 2
    assert len(ended.ids()) >= 2
    assert all("line" in finding["where"] for finding in ended.answer["findings"])


def test_a_broken_lock_file_is_not_overwritten(run: Run, data: Path, project: Path) -> None:
    path = project / "config" / "datasets.lock.json"
    path.write_text("{ not json")
    ended = run("data", "push", "policy-review", data, "--no-upload", "--json")
    assert ended.code == 2
    assert path.read_text() == "{ not json"


def test_a_broken_entry_is_replaced_by_a_push(run: Run, data: Path, project: Path) -> None:
    path = project / "config" / "datasets.lock.json"
    path.write_text('{"policy-review": {"sha256": 1}}')
    assert run("data", "push", "policy-review", data, "--no-upload").code == 0
    assert lock(project)["policy-review"]["key"] == key_of(data)


def test_a_set_used_only_for_validation_may_be_small(run: Run, data: Path, project: Path) -> None:
    path = project / "config" / "dev.yaml"
    path.write_text(
        path.read_text().replace("validation_dataset: null", "validation_dataset: held-out")
    )
    data.write_text(lines(2))
    assert run("data", "push", "held-out", data, "--no-upload").code == 0
    assert run("data", "push", "policy-review", data, "--no-upload").code == 1


def test_a_rehearsal_is_reached_with_its_own_endpoint_and_credentials(
    run: Run, data: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeAws()
    sessions: list[dict[str, Any]] = []

    def session(**arguments: Any) -> boto3.Session:
        sessions.append(arguments)
        return fake.session(**arguments)

    monkeypatch.setattr(boto3, "Session", session)
    kept = project / "env.json"
    monkeypatch.setattr(environments, "REHEARSAL_FILE", kept)
    kept.write_text(
        json.dumps(
            {
                "endpoint": "https://127.0.0.1:4566",
                "ca_file": str(ROOT / "README.md"),
                "credentials": {
                    "access_key_id": "kept",
                    "secret_access_key": "also",
                    "session_token": "and a token",
                },
                "region": "us-east-1",
                "state_dir": str(project),
            }
        )
    )
    assert run("data", "push", "policy-review", data, "--rehearsal").code == 0
    kept_ones, uploaders = sessions
    assert kept_ones == {
        "aws_access_key_id": "kept",
        "aws_secret_access_key": "also",
        "aws_session_token": "and a token",
        "region_name": "us-east-1",
    }
    assert uploaders["aws_access_key_id"] == "as-uploader"
    assert key_of(data) in fake.objects


def test_text_output_names_the_place_and_the_lock_file(run: Run, aws: FakeAws, data: Path) -> None:
    del aws
    ended = run("data", "push", "policy-review", data)
    assert f"uploaded to s3://{BUCKET}/{key_of(data)}" in ended.out
    assert "datasets.lock.json: entry written" in ended.out
    assert ended.err == ""


def test_the_submitter_takes_what_a_push_wrote_and_no_other_object(
    run: Run, aws: FakeAws, data: Path, project: Path
) -> None:
    from customization.errors import DataChangedError  # noqa: PLC0415 the functions' own code
    from submitter.preflight import check_data  # noqa: PLC0415

    run("data", "push", "policy-review", data)
    entry = lock(project)["policy-review"]
    stored = aws.objects[entry["key"]]
    job: Any = SimpleNamespace(
        dataset_name="policy-review",
        dataset_digest=entry["sha256"],
        validation_dataset_digest=None,
        request={"trainingDataConfig": {"s3Uri": f"s3://{BUCKET}/{entry['key']}"}},
    )

    def head(**arguments: str) -> dict[str, Any]:
        assert arguments == {"Bucket": BUCKET, "Key": entry["key"]}
        return {"Metadata": stored.arguments["Metadata"]}

    s3: Any = SimpleNamespace(head_object=head)
    check_data(s3=s3, job=job)
    stored.arguments["Metadata"] = {"sha256": "0" * 64}
    with pytest.raises(DataChangedError):
        check_data(s3=s3, job=job)
