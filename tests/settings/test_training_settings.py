"""What a job trains is held to the catalogue, and each refusal proposes what works."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Callable, Mapping
from typing import Any

import jsonschema
import pytest

from settings import Finding
from settings.remarks import remarks
from settings.schema import settings_schema
from tests.settings.settings_folder import CORRECT, Folder, lock_entry

Only = Callable[[Mapping[str, Any] | str | bytes], Finding]

DISTILLED: Mapping[str, Any] = {
    "base_model": "amazon.nova-micro-v1:0:128k",
    "customization_type": "DISTILLATION",
    "distillation": {"teacher": "amazon.nova-pro-v1:0"},
    "dataset": "prompts",
}
REINFORCED: Mapping[str, Any] = {
    "base_model": "amazon.nova-2-lite-v1:0:256k",
    "customization_type": "REINFORCEMENT_FINE_TUNING",
    "reinforcement": {"grader_function": "reward"},
    "dataset": "graded",
}
FROM_LOGS: Mapping[str, Any] = {
    **{key: value for key, value in DISTILLED.items() if key != "dataset"},
    "invocation_logs": {
        "bucket": "logs-of-calls",
        "prefix": "AWSLogs/",
        "filters": [{"key": "project", "equals": "support"}],
    },
}
OWN = "arn:aws:bedrock:us-east-1:111122223333:custom-model/amazon.nova-micro-v1:0:128k/abcdefghij12"
KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
FURTHER: Mapping[str, Any] = {"base_model": OWN, "base_model_key": KEY, "dataset": "reviews"}
PLAIN: Mapping[str, Any] = CORRECT["jobs"]["review"]
LEGACY: Mapping[str, Any] = {
    "base_model": "meta.llama3-1-8b-instruct-v1:0:128k",
    "dataset": "llama",
}
NOTHING = ["take this away"]
"""Not any object: its text is in the names of tests, which every worker has to find alike."""


def settings_with(job: Mapping[str, Any], **top: object) -> dict[str, Any]:
    return {**copy.deepcopy(dict(CORRECT)), **top, "jobs": {"review": copy.deepcopy(dict(job))}}


def changed(job: Mapping[str, Any], path: str, value: object) -> dict[str, Any]:
    """A job with one setting put in or, for NOTHING, taken away."""
    found = copy.deepcopy(dict(job))
    here: Any = found
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in parents:
        here = here[part]
    if value is NOTHING:
        del here[last]
    else:
        here[last] = value
    return found


@pytest.mark.parametrize("job", [PLAIN, DISTILLED, REINFORCED, FROM_LOGS, FURTHER], ids=str)
def test_a_job_of_every_method_is_accepted(job: Mapping[str, Any], folder: Folder) -> None:
    settings = settings_with(job)

    loaded = folder.load(settings).jobs["review"]

    assert loaded.customization_type == job.get("customization_type", "FINE_TUNING")
    assert jsonschema.Draft202012Validator(settings_schema()).is_valid(settings)


@pytest.mark.parametrize(
    "case",
    [
        # Methods
        (PLAIN, "customization_type", "REINFORCEMENT_FINE_TUNING", "method-not-of-model",
         "amazon.nova-2-lite-v1:0:256k"),
        (PLAIN, "customization_type", "CONTINUED_PRE_TRAINING", "method-without-models",
         "set customization_type to FINE_TUNING"),
        (DISTILLED, "distillation", NOTHING, "missing-setting", "add `distillation:`"),
        (REINFORCED, "reinforcement", NOTHING, "missing-setting", "add `reinforcement:`"),
        (PLAIN, "distillation", DISTILLED["distillation"], "setting-of-other-method",
         "delete distillation"),
        (PLAIN, "reinforcement", REINFORCED["reinforcement"], "setting-of-other-method",
         "delete reinforcement"),
        # Teachers
        (DISTILLED, "distillation.teacher", "amazon.nova-pro", "unknown-teacher",
         "did you mean amazon.nova-pro-v1:0?"),
        (DISTILLED, "distillation.teacher", "us.amazon.nova-pro-v1:0", "unknown-teacher",
         "inference_profile"),
        (DISTILLED, "distillation.teacher", "amazon.nova-premier-v1:0", "retired-teacher",
         "take amazon.nova-pro-v1:0"),
        (DISTILLED, "base_model", "amazon.nova-pro-v1:0:300k", "teacher-not-of-student",
         "choose another base_model"),
        (DISTILLED, "distillation.maximum_response_tokens", 0, "out-of-range", "choose"),
        (DISTILLED, "distillation.inference_profile",
         {"id": "us.amazon.nova-lite-v1:0", "regions": ["us-east-1"]}, "profile-of-other-model",
         "us.amazon.nova-pro-v1:0"),
        (DISTILLED, "distillation.inference_profile", {"id": OWN, "regions": ["us-east-1"]},
         "bad-inference-profile", "not the ARN"),
        (DISTILLED, "distillation.inference_profile",
         {"id": "us.amazon.nova-pro-v1:0", "regions": []}, "wrong-length", "add some"),
        (DISTILLED, "distillation.inference_profile",
         {"id": "us.amazon.nova-pro-v1:0", "regions": ["us-east"]}, "bad-region",
         "did you mean us-east"),
        # Graders
        (REINFORCED, "reinforcement.grader_function", "a function", "bad-function", "for example"),
        (REINFORCED, "reinforcement.grader_function", "*", "bad-function", "for example"),
        (REINFORCED, "reinforcement.grader_function",
         "arn:aws:lambda:eu-west-1:111122223333:function:reward", "other-region", "us-east-1"),
        (REINFORCED, "hyperparameters", {"batchSize": 8}, "hyperparameter-out-of-range",
         "16 is the nearest"),
        (REINFORCED, "hyperparameters", {"reasoningEffort": "hi"}, "hyperparameter-out-of-range",
         "choose a value"),
        (REINFORCED, "hyperparameters", {"maxPromptLength": 0.5}, "hyperparameter-out-of-range",
         "nearest"),
        (REINFORCED, "hyperparameters", {"epochs": 1}, "unknown-hyperparameter",
         "did you mean epochCount?"),
        # Logs
        (PLAIN, "invocation_logs", FROM_LOGS["invocation_logs"], "setting-of-other-method",
         "push a data set"),
        (FROM_LOGS, "dataset", "prompts", "two-sources-of-data", "delete one of the two"),
        (FROM_LOGS, "invocation_logs", NOTHING, "missing-setting", "`invocation_logs:`"),
        (FROM_LOGS, "invocation_logs.bucket", "Logs", "bad-bucket", "name alone"),
        (FROM_LOGS, "invocation_logs.prefix", "/AWSLogs", "bad-prefix", "without a slash"),
        (FROM_LOGS, "invocation_logs.prefix", "day=1/", "bad-prefix", "`=`"),
        (FROM_LOGS, "invocation_logs.prefix", "*", "bad-prefix", "folder's name"),
        (FROM_LOGS, "invocation_logs.key", "alias/logs", "bad-key", "key's ARN"),
        (FROM_LOGS, "invocation_logs.key", KEY.replace("us-east-1", "eu-west-1"), "other-region",
         "key of us-east-1"),
        (FROM_LOGS, "invocation_logs.filters", [{"key": "a"}], "filter-without-condition",
         "one of the two"),
        (FROM_LOGS, "invocation_logs.filters", [{"key": "a", "equals": "b", "not_equals": "c"}],
         "filter-without-condition", "one of the two"),
        (FROM_LOGS, "invocation_logs.filters", [{"key": "a?", "equals": "b"}], "bad-metadata",
         "as the requests"),
        # Data
        (DISTILLED, "validation_dataset", "prompts", "no-validation-data", "delete the line"),
        (DISTILLED, "dataset", "reviews", "data-for-other-model", "amazon.nova-micro"),
        (PLAIN, "dataset", NOTHING, "missing-setting", "add `dataset:`"),
        # Models of one's own
        (FURTHER, "base_model", OWN.replace("us-east-1", "eu-west-1"), "other-region", "eu-west-1"),
        (FURTHER, "base_model", OWN.replace("aws:", "aws-cn:"), "other-partition", "copy the ARN"),
        (FURTHER, "base_model", OWN.replace("micro", "mini"), "unknown-base-model",
         "finetune models refresh"),
        (FURTHER, "base_model_key", "alias/key", "bad-key", "key's ARN"),
        (PLAIN, "base_model_key", KEY, "setting-of-other-job", "delete the line"),
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_job_is_named_with_what_works(
    case: tuple[Mapping[str, Any], str, object, str, str], folder: Folder
) -> None:
    job, path, value, kind, told = case
    findings = folder.findings(settings_with(changed(job, path, value)))

    ids = {finding.id.removeprefix("settings.") for finding in findings}
    assert kind in ids
    (finding,) = [each for each in findings if each.id == f"settings.{kind}"]
    assert told in f"{finding.fix} {finding.allowed}"
    assert finding.problem
    assert finding.allowed
    assert finding.line is not None
    folder.load(settings_with(job))


def test_another_accounts_model_and_function_are_refused(folder: Folder) -> None:
    other = "444455556666"
    further = {**FURTHER, "base_model": OWN.replace("111122223333", other)}
    arn = f"arn:aws:lambda:us-east-1:{other}:function:reward"
    reinforced = {**REINFORCED, "reinforcement": {"grader_function": arn}}

    for job in (further, reinforced):
        (finding,) = folder.findings(settings_with(job, account="111122223333"))
        assert finding.id == "settings.other-account"
        folder.load(settings_with(job, account=other))


@pytest.mark.parametrize(
    ("model", "region", "works"),
    [
        ("meta.llama3-1-8b-instruct-v1:0:128k", "us-west-2", "meta.llama3-2-1"),
        ("anthropic.claude-3-haiku-20240307-v1:0:200k", "us-west-2", "meta.llama3-2"),
        ("amazon.nova-canvas-v1:0", "us-east-1", "amazon.nova-"),
    ],
)
def test_for_a_retired_model_one_that_works_is_proposed(
    model: str, region: str, works: str, only: Only
) -> None:
    finding = only(settings_with({"base_model": model, "dataset": "llama"}, region=region))

    assert finding.id == "settings.retired-base-model"
    assert f"choose another base model: {works}" in finding.fix
    assert "accept_retired_base_model: true" in finding.fix


def test_a_retired_model_is_taken_when_the_settings_say_so(folder: Folder) -> None:
    job = {**LEGACY, "accept_retired_base_model": True}
    settings = settings_with(job, region="us-west-2")

    loaded = folder.load(settings)

    assert loaded.jobs["review"].model.state == "legacy"
    assert [each.id for each in remarks(loaded)] == ["retired-base-model-accepted"]
    validator = jsonschema.Draft202012Validator(settings_schema())
    assert validator.is_valid(settings)
    assert not validator.is_valid(settings_with(LEGACY, region="us-west-2"))
    assert folder.findings(settings_with(LEGACY, region="us-west-2"))


def test_a_model_past_its_end_is_refused_from_that_day(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from settings import base_models  # noqa: PLC0415

    ends = base_models.foundation_models()["amazon.nova-micro-v1:0:128k"].model_copy(
        update={"end_of_life": datetime.date(2027, 6, 1)}
    )
    models = {**base_models.foundation_models(), ends.id: ends}
    monkeypatch.setattr("settings.training_checks.foundation_models", lambda: models)

    for day, ids in {
        "2027-03-01": [],
        "2027-03-03": ["base-model-ends-soon"],
        "2027-05-31": ["base-model-ends-soon"],
    }.items():
        monkeypatch.setenv("FINETUNE_TODAY", day)
        assert [each.id for each in remarks(folder.load(settings_with(PLAIN)))] == ids
    monkeypatch.setenv("FINETUNE_TODAY", "2027-06-01")
    (finding,) = folder.findings(settings_with(PLAIN))
    assert "was withdrawn on 2027-06-01" in finding.problem


def test_a_teacher_that_ends_soon_is_told(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    from settings import base_models  # noqa: PLC0415

    pro = base_models.teachers()["amazon.nova-pro-v1:0"].model_copy(
        update={"end_of_life": datetime.date(2027, 6, 1)}
    )
    monkeypatch.setattr("settings.remarks.known_teachers", lambda: {pro.id: pro})
    loaded = folder.load(settings_with(DISTILLED))

    assert remarks(loaded) == ()
    monkeypatch.setenv("FINETUNE_TODAY", "2027-05-01")
    assert [each.id for each in remarks(loaded)] == ["teacher-ends-soon"]


def test_a_state_that_no_page_confirms_is_told(folder: Folder) -> None:
    folder.write_lock({"reviews": lock_entry(name="reviews", family="amazon-nova")})
    loaded = folder.load(settings_with({**PLAIN, "base_model": "amazon.nova-lite-v1:0:300k"}))

    (remark,) = remarks(loaded)
    assert remark.id == "state-not-confirmed"
    assert "model card was not read" in remark.text
    folder.write_lock({"reviews": lock_entry(name="reviews")})
    assert remarks(folder.load(CORRECT)) == ()


def test_validation_data_that_bedrock_ignores_is_told(folder: Folder) -> None:
    job = {"base_model": "amazon.nova-2-lite-v1:0:256k", "dataset": "nova-2"}

    assert remarks(folder.load(settings_with(job))) == ()
    loaded = folder.load(settings_with({**job, "validation_dataset": "nova-2"}))
    assert [each.id for each in remarks(loaded)] == ["validation-data-ignored"]


def test_a_model_of_ones_own_is_known_by_its_base_model(folder: Folder) -> None:
    loaded = folder.load(settings_with(FURTHER))

    assert loaded.jobs["review"].base_model == OWN
    assert loaded.jobs["review"].model.id == "amazon.nova-micro-v1:0:128k"
    assert loaded.base_models == ("amazon.nova-micro-v1:0:128k",)
    assert loaded.jobs["review"].base_model_key == KEY
