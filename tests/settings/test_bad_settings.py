"""Every kind of wrong setting is named with its place, what was got, what is allowed, what to do.

Each case has its twin: the same setting with a right value is accepted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from settings import Finding
from tests.settings.settings_folder import ABSENT, Folder, lock_entry, with_change

Only = Callable[[Mapping[str, Any] | str | bytes], Finding]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A wrong value, its right twin, and what the finding must say."""

    claim: str
    at: tuple[str | int, ...]
    wrong: object
    right: object
    kind: str
    got: str
    allowed: str
    fix: str
    finding_field: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


JOB = ("jobs", "review")
CASES = [
    Case(
        claim="an unknown setting is refused, and the nearest proposed",
        at=("network", "trainig_zones"),
        wrong=["a"],
        right=ABSENT,
        kind="unknown-setting",
        got="[a]",
        allowed="training_zones",
        fix="did you mean training_zones?",
    ),
    Case(
        claim="an unknown setting that resembles none is refused",
        at=("quux",),
        wrong=1,
        right=ABSENT,
        kind="unknown-setting",
        got="1",
        allowed="region, account",
        fix="delete it",
    ),
    Case(
        claim="a missing Region is refused",
        at=("region",),
        wrong=ABSENT,
        right="us-east-1",
        kind="missing-setting",
        got="nothing",
        allowed="us-east-1",
        fix="add `region:`: AWS Region of every stack",
    ),
    Case(
        claim="a misspelt Region is refused",
        at=("region",),
        wrong="us-east1",
        right="us-east-1",
        kind="bad-region",
        got="us-east1",
        allowed="us-east-1",
        fix="did you mean us-east-1?",
    ),
    Case(
        claim="an account without quotes is refused, because YAML drops leading zeros",
        at=("account",),
        wrong=12345678901,
        right="012345678901",
        kind="account-not-quoted",
        got="12345678901",
        allowed="twelve digits in quotes",
        fix='write account: "012345678901"',
    ),
    Case(
        claim="an account of eleven digits is refused",
        at=("account",),
        wrong="12345678901",
        right="123456789012",
        kind="bad-account",
        got="12345678901",
        allowed="twelve digits",
        fix="aws sts get-caller-identity",
    ),
    Case(
        claim="a number for a text is refused",
        at=("region",),
        wrong=1,
        right="us-east-1",
        kind="wrong-type",
        got="1",
        allowed="text",
        fix="quotes",
    ),
    Case(
        claim="a text for a whole number is refused",
        at=("keys", "pending_window_days"),
        wrong="20",
        right=20,
        kind="wrong-type",
        got="'20'",
        allowed="a whole number from 7 to 30",
        fix="without quotes",
    ),
    Case(
        claim="yes for true is refused",
        at=("storage", "retain"),
        wrong="yes",
        right=True,
        kind="wrong-type",
        got="yes",
        allowed="true or false",
        fix="true and false, not yes and no",
    ),
    Case(
        claim="a list for a section is refused",
        at=("network",),
        wrong=["a"],
        right={},
        kind="wrong-type",
        got="[a]",
        allowed="a mapping of cidr",
        fix="`name: value`",
    ),
    Case(
        claim="an empty section is refused",
        at=("engine",),
        wrong=None,
        right={},
        kind="wrong-type",
        got="null",
        allowed="a mapping",
        fix="delete the line",
    ),
    Case(
        claim="a text for a list is refused",
        at=("people", "readers"),
        wrong="role/engineer",
        right=["role/engineer"],
        kind="wrong-type",
        got="role/engineer",
        allowed="a list",
        fix="[a, b]",
    ),
    Case(
        claim="a number out of its range is refused",
        at=("keys", "pending_window_days"),
        wrong=31,
        right=30,
        kind="out-of-range",
        got="31",
        allowed="from 7 to 30",
        fix="the default, 30",
    ),
    Case(
        claim="a retention that CloudWatch does not know is refused",
        at=("engine", "log_retention_days"),
        wrong=100,
        right=120,
        kind="out-of-range",
        got="100",
        allowed="90, 120",
        fix="take 120",
    ),
    Case(
        claim="true is no number of days",
        at=("engine", "log_retention_days"),
        wrong=True,
        right=1,
        kind="wrong-type",
        got="true",
        allowed="a number of days",
        fix="write the number",
    ),
    Case(
        claim="an unknown log level is refused",
        at=("engine", "log_level"),
        wrong="info",
        right="INFO",
        kind="out-of-range",
        got="info",
        allowed="one of DEBUG, INFO",
        fix="did you mean INFO?",
    ),
    Case(
        claim="no training zone is refused",
        at=("network", "training_zones"),
        wrong=[],
        right=["a"],
        kind="zone-count",
        got="[]",
        allowed="1 to 16",
        fix="list the zones",
    ),
    Case(
        claim="one service zone is refused",
        at=("network", "service_zones"),
        wrong=["a"],
        right=["a", "b"],
        kind="zone-count",
        got="[a]",
        allowed="2 to 16",
        fix="loss of one",
    ),
    Case(
        claim="a zone's full name is refused, and its letter proposed",
        at=("network", "training_zones"),
        wrong=["a", "us-east-1b"],
        right=["a", "b"],
        kind="bad-zone",
        got="us-east-1b",
        allowed="letters from a to p",
        fix="write `b`",
        finding_field="network.training_zones[1]",
    ),
    Case(
        claim="a zone beyond p is refused",
        at=("network", "training_zones"),
        wrong=["q"],
        right=["p"],
        kind="bad-zone",
        got="q",
        allowed="a to p",
        fix="last letter",
        finding_field="network.training_zones[0]",
    ),
    Case(
        claim="a zone listed twice is refused",
        at=("network", "training_zones"),
        wrong=["a", "b", "a"],
        right=["a", "b", "c"],
        kind="zone-twice",
        got="a",
        allowed="different",
        fix="delete one",
        finding_field="network.training_zones[2]",
    ),
    Case(
        claim="a zone that is no text is refused",
        at=("network", "training_zones"),
        wrong=["a", True],
        right=["a", "b"],
        kind="wrong-type",
        got="true",
        allowed="letters",
        fix="quotes",
        finding_field="network.training_zones[1]",
    ),
    Case(
        claim="a network too small for 32 subnets is refused",
        at=("network", "cidr"),
        wrong="10.0.0.0/22",
        right="10.0.0.0/21",
        kind="cidr-too-small",
        got="10.0.0.0/22",
        allowed="/16 to /21",
        fix="larger",
    ),
    Case(
        claim="a network larger than a VPC is refused",
        at=("network", "cidr"),
        wrong="10.0.0.0/8",
        right="10.0.0.0/16",
        kind="cidr-too-large",
        got="10.0.0.0/8",
        allowed="/16 to /21",
        fix="10.0.0.0/16",
    ),
    Case(
        claim="a public network is refused",
        at=("network", "cidr"),
        wrong="52.94.0.0/16",
        right="172.16.0.0/16",
        kind="cidr-not-private",
        got="52.94.0.0/16",
        allowed="172.16.0.0/12",
        fix="private",
    ),
    Case(
        claim="an address inside a network is refused",
        at=("network", "cidr"),
        wrong="10.40.0.1/16",
        right="10.40.0.0/16",
        kind="cidr-host-bits",
        got="10.40.0.1/16",
        allowed="10.40.0.0/16",
        fix="write 10.40.0.0/16",
    ),
    Case(
        claim="an IPv6 network is refused",
        at=("network", "cidr"),
        wrong="fd00::/16",
        right="192.168.0.0/16",
        kind="bad-cidr",
        got="fd00::/16",
        allowed="192.168.0.0/16",
        fix="10.40.0.0/16",
    ),
    Case(
        claim="what is no prefix list is refused",
        at=("network", "s3_prefix_list_id"),
        wrong="com.amazonaws.us-east-1.s3",
        right="pl-63a5400a",
        kind="bad-prefix-list",
        got="com.amazonaws.us-east-1.s3",
        allowed="pl-",
        fix="describe-managed-prefix-lists",
    ),
    Case(
        claim="a tag key of AWS is refused",
        at=("tags",),
        wrong={"AWS:owner": "me"},
        right={"owner": "me"},
        kind="reserved-tag",
        got="me",
        allowed="any other key",
        fix="rename",
        finding_field="tags['AWS:owner']",
    ),
    Case(
        claim="a tag key of this app is refused",
        at=("tags",),
        wrong={"finetune:job": "me"},
        right={"team:job": "me"},
        kind="reserved-tag",
        got="me",
        allowed="any other key",
        fix="rename",
        finding_field="tags['finetune:job']",
    ),
    Case(
        claim="a tag key that Bedrock refuses is refused",
        at=("tags",),
        wrong={"größe": "m"},
        right={"groesse": "m"},
        kind="bad-tag-key",
        got="m",
        allowed="1 to 128",
        fix="rename",
        finding_field="tags['größe']",
    ),
    Case(
        claim="a tag value that Bedrock refuses is refused",
        at=("tags", "size"),
        wrong="5 €",
        right="5 EUR",
        kind="bad-tag-value",
        got="5 €",
        allowed="256",
        fix="respell",
    ),
    Case(
        claim="a tag value that is too long is refused",
        at=("tags", "size"),
        wrong="x" * 257,
        right="x" * 256,
        kind="bad-tag-value",
        got="xxx",
        allowed="at most 256",
        fix="shorten",
    ),
    Case(
        claim="a tag value without quotes is refused",
        at=("tags", "cost-center"),
        wrong=12,
        right="12",
        kind="wrong-type",
        got="12",
        allowed="text",
        fix="quotes",
    ),
    Case(
        claim="a tag in two spellings is refused, as IAM keeps one",
        at=("tags",),
        wrong={"Team": "a", "team": "b"},
        right={"Team": "a", "team2": "b"},
        kind="tag-twice",
        got="b",
        allowed="one spelling",
        fix="delete",
        finding_field="tags.team",
    ),
    Case(
        claim="more tags than a resource takes are refused",
        at=("tags",),
        wrong={f"tag{index}": "x" for index in range(41)},
        right={f"tag{index}": "x" for index in range(40)},
        kind="too-many-tags",
        got="a mapping of tag0",
        allowed="at most 40",
        fix="delete",
    ),
    Case(
        claim="a job's tags count together with the environment's",
        at=(*JOB, "tags"),
        wrong={"forty": "x", "forty-one": "x"},
        right={"forty": "x"},
        kind="too-many-tags",
        got="a mapping of forty",
        allowed="at most 40",
        fix="delete",
        settings={"tags": {f"tag{index}": "x" for index in range(39)}},
    ),
    Case(
        claim="a name alone is no principal",
        at=("people", "readers"),
        wrong=["engineer"],
        right=["user/engineer"],
        kind="bad-principal",
        got="engineer",
        allowed="`role/<path and name>`",
        fix="role/finetune-engineer",
        finding_field="people.readers[0]",
    ),
    Case(
        claim="everyone is no principal",
        at=("people", "readers"),
        wrong=["role/*"],
        right=["role/data-*"],
        kind="everyone-is-people",
        got="role/*",
        allowed="`role/",
        fix="name the roles",
        finding_field="people.readers[0]",
    ),
    Case(
        claim="the account itself is no principal",
        at=("people", "readers"),
        wrong=["arn:aws:iam::123456789012:root"],
        right=["arn:aws:iam::123456789012:role/team/engineer"],
        kind="bad-principal",
        got="arn:aws:iam::123456789012:root",
        allowed="ARN of a role or user",
        fix="everyone in",
        finding_field="people.readers[0]",
    ),
    Case(
        claim="a session is no principal",
        at=("people", "invokers"),
        wrong=["arn:aws:sts::123456789012:assumed-role/engineer/me"],
        right=["role/engineer"],
        kind="bad-principal",
        got="assumed-role",
        allowed="role",
        fix="named by its role",
        finding_field="people.invokers[0]",
    ),
    Case(
        claim="a principal of another partition is refused",
        at=("people", "readers"),
        wrong=["arn:aws-us-gov:iam::123456789012:role/engineer"],
        right=["arn:aws:iam::123456789012:role/engineer"],
        kind="other-partition",
        got="arn:aws-us-gov",
        allowed="partition aws,",
        fix="role/engineer",
        finding_field="people.readers[0]",
    ),
    Case(
        claim="an environment that nobody may read is refused",
        at=("people", "readers"),
        wrong=[],
        right=["role/engineer"],
        kind="nobody",
        got="[]",
        allowed="at least one",
        fix="name a role",
    ),
    Case(
        claim="what is no managed policy bounds nothing",
        at=("permissions_boundary",),
        wrong="arn:aws:iam::123456789012:role/boundary",
        right="arn:aws:iam::123456789012:policy/team/boundary",
        kind="bad-permissions-boundary",
        got="role/boundary",
        allowed="managed policy",
        fix="null",
    ),
    Case(
        claim="a boundary of another partition is refused",
        at=("permissions_boundary",),
        wrong="arn:aws-cn:iam::aws:policy/PowerUserAccess",
        right="arn:aws:iam::aws:policy/PowerUserAccess",
        kind="other-partition",
        got="arn:aws-cn",
        allowed="partition aws,",
        fix="name",
    ),
    Case(
        claim="a job name Bedrock refuses is refused",
        at=("jobs",),
        wrong={"re--view": {"base_model": "amazon.nova-micro-v1:0:128k", "dataset": "reviews"}},
        right={"re-view": {"base_model": "amazon.nova-micro-v1:0:128k", "dataset": "reviews"}},
        kind="bad-job-name",
        got="re--view",
        allowed="single hyphens",
        fix="rename",
        finding_field="jobs.re--view",
    ),
    Case(
        claim="a job name too long for Bedrock's is refused",
        at=("jobs",),
        wrong={"a" * 31: {"base_model": "amazon.nova-micro-v1:0:128k", "dataset": "reviews"}},
        right={"a" * 30: {"base_model": "amazon.nova-micro-v1:0:128k", "dataset": "reviews"}},
        kind="bad-job-name",
        got="aaa",
        allowed="1 to 30",
        fix="rename",
        finding_field="jobs." + "a" * 31,
    ),
    Case(
        claim="more jobs than an account has models are refused",
        at=("jobs",),
        wrong={
            f"job{index}": {"base_model": "amazon.nova-micro-v1:0:128k", "dataset": "reviews"}
            for index in range(101)
        },
        right={
            f"job{index}": {"base_model": "amazon.nova-micro-v1:0:128k", "dataset": "reviews"}
            for index in range(100)
        },
        kind="wrong-length",
        got="a mapping of job0",
        allowed="at most 100",
        fix="delete",
    ),
    Case(
        claim="an unknown base model is refused, and the nearest proposed",
        at=(*JOB, "base_model"),
        wrong="amazon.nova-micro-v1:0",
        right="amazon.nova-micro-v1:0:128k",
        kind="unknown-base-model",
        got="amazon.nova-micro-v1:0",
        allowed="in us-east-1: amazon.nova-2-lite-v1:0:256k",
        fix="did you mean amazon.nova-micro-v1:0:128k?",
    ),
    Case(
        claim="a base model's ARN is refused, and its id proposed",
        at=(*JOB, "base_model"),
        wrong="arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-micro-v1:0:128k",
        right="amazon.nova-micro-v1:0:128k",
        kind="unknown-base-model",
        got="arn:aws:bedrock",
        allowed="in us-east-1",
        fix="did you mean amazon.nova-micro-v1:0:128k?",
    ),
    Case(
        claim="a Legacy base model is refused with the day it ends and the source",
        at=(*JOB, "base_model"),
        wrong="meta.llama3-1-8b-instruct-v1:0:128k",
        right="meta.llama3-2-1b-instruct-v1:0:128k",
        kind="retired-base-model",
        got="meta.llama3-1-8b-instruct-v1:0:128k",
        allowed="in us-west-2",
        fix="choose another base model",
        settings={"region": "us-west-2", "jobs": {"review": {"dataset": "llama"}}},
    ),
    Case(
        claim="a base model that Bedrock does not customize in the Region is refused",
        at=("region",),
        wrong="us-west-2",
        right="us-east-1",
        kind="base-model-not-in-region",
        got="amazon.nova-micro-v1:0:128k",
        allowed="in us-west-2: meta.llama3-2-1b",
        fix="set region to us-east-1",
        finding_field="jobs.review.base_model",
    ),
    Case(
        claim="a base model that learns from images is refused",
        at=(*JOB, "base_model"),
        wrong="amazon.titan-image-generator-v2:0",
        right="amazon.nova-micro-v1:0:128k",
        kind="unsupported-data",
        got="amazon.titan-image-generator-v2:0",
        allowed="in us-east-1",
        fix="text",
    ),
    Case(
        claim="a method that no base model has is refused",
        at=(*JOB, "customization_type"),
        wrong="CONTINUED_PRE_TRAINING",
        right="FINE_TUNING",
        kind="method-without-models",
        got="CONTINUED_PRE_TRAINING",
        allowed="DISTILLATION, FINE_TUNING, REINFORCEMENT_FINE_TUNING",
        fix="leave it out",
    ),
    Case(
        claim="a method that does not exist is refused",
        at=(*JOB, "customization_type"),
        wrong="IMPORTED",
        right="FINE_TUNING",
        kind="out-of-range",
        got="IMPORTED",
        allowed="FINE_TUNING",
        fix="default",
    ),
    Case(
        claim="data that was not pushed is refused, and the command named",
        at=(*JOB, "dataset"),
        wrong="unknown",
        right="reviews",
        kind="data-not-pushed",
        got="unknown",
        allowed="pushed so far: reviews",
        fix="run `finetune data push unknown FILE`",
    ),
    Case(
        claim="an S3 URI with an equals sign is refused",
        at=(*JOB, "dataset"),
        wrong="s3://bucket/day=2026-01-01/train.jsonl",
        right="reviews",
        kind="bad-dataset-name",
        got="s3://bucket/day=2026-01-01/train.jsonl",
        allowed="lower-case letters, digits",
        fix="refuse `=`",
    ),
    Case(
        claim="data checked for another family is refused",
        at=(*JOB, "dataset"),
        wrong="llama",
        right="reviews",
        kind="data-for-other-model",
        got="llama",
        allowed="amazon-nova",
        fix="finetune data check FILE --model amazon.nova-micro-v1:0:128k",
    ),
    Case(
        claim="validation data checked for another family is refused",
        at=(*JOB, "validation_dataset"),
        wrong="llama",
        right="reviews",
        kind="data-for-other-model",
        got="llama",
        allowed="amazon-nova",
        fix="finetune data push llama FILE",
    ),
    Case(
        claim="data that did not pass its check is refused",
        at=(*JOB, "dataset"),
        wrong="broken",
        right="reviews",
        kind="data-not-ok",
        got="broken",
        allowed="without errors",
        fix="correct the file",
    ),
    Case(
        claim="an unknown hyperparameter is refused, and the nearest proposed",
        at=(*JOB, "hyperparameters"),
        wrong={"epochs": 2},
        right={"epochCount": 2},
        kind="unknown-hyperparameter",
        got="2",
        allowed="epochCount, learningRate",
        fix="did you mean epochCount?",
        finding_field="jobs.review.hyperparameters.epochs",
    ),
    Case(
        claim="a hyperparameter out of its range is refused",
        at=(*JOB, "hyperparameters", "epochCount"),
        wrong=6,
        right=5,
        kind="hyperparameter-out-of-range",
        got="6",
        allowed="a whole number from 1 to 5",
        fix="default is 2",
    ),
    Case(
        claim="a broken epoch is refused",
        at=(*JOB, "hyperparameters", "epochCount"),
        wrong=1.5,
        right="2",
        kind="hyperparameter-out-of-range",
        got="1.5",
        allowed="a whole number",
        fix="in the range",
    ),
    Case(
        claim="a word for a number is refused",
        at=(*JOB, "hyperparameters", "learningRate"),
        wrong="fast",
        right="1e-5",
        kind="hyperparameter-out-of-range",
        got="fast",
        allowed="a number from 1e-06 to 0.0001",
        fix="in the range",
    ),
    Case(
        claim="true is no hyperparameter",
        at=(*JOB, "hyperparameters", "epochCount"),
        wrong=True,
        right=1,
        kind="wrong-type",
        got="true",
        allowed="a finite number or text",
        fix="as in the API",
    ),
    Case(
        claim="infinity is no hyperparameter",
        at=(*JOB, "hyperparameters", "learningRate"),
        wrong=float("inf"),
        right=1e-5,
        kind="wrong-type",
        got=".inf",
        allowed="a finite number",
        fix="as in the API",
    ),
    Case(
        claim="a run below one is refused",
        at=(*JOB, "run"),
        wrong=0,
        right=2,
        kind="out-of-range",
        got="0",
        allowed="from 1 to",
        fix="default, 1",
    ),
    Case(
        claim="a policy for models that does not exist is refused",
        at=(*JOB, "on_delete"),
        wrong="keep",
        right="keep-model",
        kind="out-of-range",
        got="keep",
        allowed="keep-model, delete-model",
        fix="did you mean keep-model?",
    ),
]


def _settings(case: Case, value: object) -> dict[str, Any]:
    settings = with_change(case.at, value)
    for section, changes in case.settings.items():
        if section == "jobs":
            for name, job in changes.items():
                settings["jobs"][name].update(job)
        else:
            settings[section] = changes
    return settings


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.claim)
def test_a_wrong_setting_is_named(case: Case, only: Only) -> None:
    settings = _settings(case, case.wrong)
    if case.at == ("region",) and case.kind in {"missing-setting", "bad-region", "wrong-type"}:
        settings["jobs"] = {}

    finding = only(settings)

    assert finding.id == f"settings.{case.kind}"
    assert finding.file == "config/dev.yaml"
    assert finding.field == (case.finding_field or ".".join(map(str, case.at)))
    assert case.got in finding.got
    assert case.allowed in finding.allowed
    assert case.fix in finding.fix
    assert finding.line is not None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.claim)
def test_its_right_twin_is_accepted(case: Case, folder: Folder) -> None:
    settings = _settings(case, case.right)
    if case.kind == "retired-base-model":
        # The twin belongs to another family, whose data set has to be there.
        folder.write_lock({"llama": lock_entry(name="llama", family="meta-llama-3-2")})

    folder.load(settings)


def test_seventeen_zones_are_refused(folder: Folder) -> None:
    sixteen = list("abcdefghijklmnop")
    folder.load(with_change(("network", "training_zones"), sixteen))

    findings = folder.findings(with_change(("network", "training_zones"), [*sixteen, "q"]))

    count, letter = findings
    assert count.id == "settings.zone-count"
    assert count.field == "network.training_zones"
    assert count.problem == "there are 17 zones"
    assert count.allowed == "1 to 16 different letters from a to p"
    assert "at most 16 subnets" in count.fix
    assert letter.field == "network.training_zones[16]"


def test_all_mistakes_are_told_at_once(folder: Folder) -> None:
    settings = with_change(("network", "cidr"), "10.0.0.0/28")
    settings["regin"] = "us-east-1"
    settings["jobs"]["review"]["base_model"] = "gpt"
    settings["jobs"]["review"]["dataset"] = "absent"
    settings["jobs"]["Other"] = {}

    findings = folder.findings(settings)

    assert {(finding.field, finding.id.removeprefix("settings.")) for finding in findings} == {
        ("network.cidr", "cidr-too-small"),
        ("regin", "unknown-setting"),
        ("jobs.review.base_model", "unknown-base-model"),
        ("jobs.review.dataset", "data-not-pushed"),
        ("jobs.Other", "bad-job-name"),
        ("jobs.Other.base_model", "missing-setting"),
        ("jobs.Other.dataset", "missing-setting"),
    }
    lines = [finding.line or 0 for finding in findings]
    assert lines == sorted(lines)


def test_a_legacy_model_is_refused_with_day_and_source(only: Only) -> None:
    settings = with_change(("region",), "us-west-2")
    settings["jobs"]["review"] = {
        "base_model": "meta.llama3-1-8b-instruct-v1:0:128k",
        "dataset": "llama",
    }

    problem = only(settings).problem

    assert "Legacy" in problem
    assert "2027-03-30" in problem
    assert "https://docs.aws.amazon.com/" in problem


def test_a_withdrawn_model_is_refused_with_its_day(only: Only) -> None:
    finding = only(with_change((*JOB, "base_model"), "amazon.nova-canvas-v1:0"))

    assert "withdrawn on 2026-09-30" in finding.problem


def test_a_region_without_known_prefix_lists_needs_them_as_settings(folder: Folder) -> None:
    settings = with_change(("region",), "us-gov-west-1")
    settings["jobs"] = {}

    findings = folder.findings(settings)

    assert [finding.field for finding in findings] == [
        "network.dynamodb_prefix_list_id",
        "network.s3_prefix_list_id",
    ]
    for finding in findings:
        assert finding.got == "nothing"
        assert "us-east-1" in finding.allowed
        assert "aws ec2 describe-managed-prefix-lists" in finding.fix
        assert "--region us-gov-west-1" in finding.fix

    settings["network"] = {
        "s3_prefix_list_id": "pl-11111111",
        "dynamodb_prefix_list_id": "pl-22222222",
    }
    loaded = folder.load(settings)
    assert loaded.s3_prefix_list_id == "pl-11111111"
    assert loaded.dynamodb_prefix_list_id == "pl-22222222"


def test_hyperparameters_no_page_lists_are_passed_on(folder: Folder) -> None:
    settings = with_change((*JOB, "base_model"), "amazon.nova-2-lite-v1:0:256k")
    settings["jobs"]["review"]["dataset"] = "nova-2"
    settings["jobs"]["review"]["hyperparameters"] = {"anyName": 3, "other": "word"}

    job = folder.load(settings).jobs["review"]

    assert job.hyperparameters == {"anyName": "3", "other": "word"}


def test_hyperparameters_no_page_lists_still_have_names_and_values(only: Only) -> None:
    settings = with_change((*JOB, "base_model"), "amazon.nova-2-lite-v1:0:256k")
    settings["jobs"]["review"]["dataset"] = "nova-2"
    settings["jobs"]["review"]["hyperparameters"] = {"any-name": 3}

    assert only(settings).id == "settings.bad-hyperparameter"


@pytest.mark.parametrize("spelling", [1e-5, "1e-5", "0.00001", "1.0E-05", "+0.000010", " 1e-5 "])
def test_one_number_has_one_spelling(spelling: object, folder: Folder) -> None:
    settings = with_change((*JOB, "hyperparameters"), {"learningRate": spelling})

    assert folder.load(settings).jobs["review"].hyperparameters == {"learningRate": "0.00001"}
