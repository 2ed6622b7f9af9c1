"""What can be wrong with a file as such: absent, unreadable, ambiguous."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from settings import Finding, SettingsError, load_settings, render, settings_from_values
from settings.source import MAXIMUM_BYTES, parse_yaml
from tests.settings.settings_folder import CORRECT, DIGEST, Folder, as_yaml, lock_entry, with_change

Only = Callable[[Mapping[str, Any] | str | bytes], Finding]
TEXT = as_yaml(CORRECT)


def missing(*, environment: str, directory: Path) -> Finding:
    with pytest.raises(SettingsError) as caught:
        load_settings(environment=environment, directory=directory)
    (finding,) = caught.value.findings
    return finding


def test_the_correct_file_is_accepted(folder: Folder) -> None:
    assert folder.load(TEXT).environment == "dev"


def test_a_missing_file_lists_the_environments(folder: Folder) -> None:
    folder.load(TEXT)
    (folder.directory / "prod.yaml").write_text(TEXT, encoding="utf-8")

    finding = missing(environment="pord", directory=folder.directory)

    assert finding.id == "settings.missing-file"
    assert finding.file == "config/pord.yaml"
    assert finding.allowed == "an environment in config: dev, prod"
    assert "did you mean prod?" in finding.fix


@pytest.mark.parametrize("name", ["../dev", "", "Dev", "a" * 13, "dev-", "a--b", "dev\n", "1dev"])
def test_a_name_that_cannot_name_roles_is_no_environment(name: str, folder: Folder) -> None:
    finding = missing(environment=name, directory=folder.directory)

    assert finding.id == "settings.bad-environment-name"
    assert "1 to 12 lower-case letters" in finding.allowed
    with pytest.raises(SettingsError, match="not a name for an environment"):
        settings_from_values(environment=name, values=CORRECT)


def test_a_folder_in_place_of_a_file_is_refused(folder: Folder) -> None:
    (folder.directory / "dev.yaml").mkdir()

    assert missing(environment="dev", directory=folder.directory).id == "settings.unreadable-file"


def test_two_jobs_of_one_name_are_refused(only: Only) -> None:
    job = "  review: {base_model: 'amazon.nova-micro-v1:0:128k', dataset: reviews}\n"
    people = "people: {uploaders: [role/a], readers: [role/a], administrators: [role/a]}\n"

    finding = only(f"region: us-east-1\n{people}jobs:\n{job}{job}")

    assert finding.id == "settings.duplicate-key"
    assert finding.field == "jobs.review"
    assert finding.got == "`review` on line 4 and again on line 5"
    assert finding.line == 5
    assert "rename one" in finding.fix


def test_bad_syntax_has_its_line_and_column(only: Only) -> None:
    finding = only("region: us-east-1\npeople:\n  readers: [role/a\njobs: {}\n")

    assert finding.id == "settings.unreadable-yaml"
    assert finding.place == "config/dev.yaml:4:5"
    assert finding.as_json()["where"] == {"file": "config/dev.yaml", "line": 4, "offset": 4}


def test_a_control_character_has_its_line_and_column(only: Only) -> None:
    finding = only("region: us-east-1\nx: \x07\n")

    assert finding.got == "U+0007 may not appear"
    assert (finding.line, finding.column) == (2, 4)


def test_text_that_is_not_utf_8_is_refused(only: Only) -> None:
    finding = only("region: größe".encode("latin-1"))

    assert finding.id == "settings.not-utf-8"
    assert finding.got == "byte 0xf6 at offset 10"


def test_a_byte_order_mark_does_no_harm(folder: Folder) -> None:
    assert folder.load(TEXT.encode("utf-8-sig")).region == "us-east-1"


def test_a_huge_file_is_refused(only: Only) -> None:
    assert only(b"#" * (MAXIMUM_BYTES + 1)).id == "settings.file-too-large"


def test_deep_nesting_is_refused(only: Only) -> None:
    assert "nested too deeply" in only("[" * 5000).got


def test_two_documents_are_refused(only: Only) -> None:
    assert only(f"{TEXT}\n---\n{TEXT}").id == "settings.unreadable-yaml"


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
def test_an_empty_file_lacks_what_is_required(text: str, folder: Folder) -> None:
    assert {finding.field for finding in folder.findings(text)} >= {"region", "people"} or (
        folder.findings(text)[0].id == "settings.wrong-type"
    )


@pytest.mark.parametrize("text", ["[a, b]", "just text", "5"])
def test_a_file_that_is_no_mapping_is_refused(text: str, only: Only) -> None:
    finding = only(text)

    assert finding.id == "settings.wrong-type"
    assert finding.allowed.startswith("a mapping of region")


def test_aliases_are_refused(only: Only) -> None:
    finding = only(
        "region: us-east-1\n"
        "people: {uploaders: &us [role/a], readers: [role/a], administrators: *us}\n"
    )

    assert finding.id == "settings.alias"
    assert finding.field == "people.administrators"


def test_an_alias_of_itself_is_refused(folder: Folder) -> None:
    findings = folder.findings("region: &a [*a]\n")

    assert "settings.alias" in {finding.id for finding in findings}


@pytest.mark.parametrize(
    "value", ["!!python/object/apply:os.system [ls]", "!!int x", "!!set {a}", "!secret y"]
)
def test_tags_of_yaml_are_refused(value: str, folder: Folder) -> None:
    findings = folder.findings(TEXT.replace('"us-east-1"', value))

    assert "settings.unreadable-value" in {finding.id for finding in findings}


def test_a_list_as_a_name_is_refused(folder: Folder) -> None:
    findings = folder.findings("region: us-east-1\n? [a]\n: b\n")

    assert "settings.key-not-text" in {finding.id for finding in findings}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("NO", "NO"),
        ("on", "on"),
        ("True", True),
        ("012", 12),
        ("0o14", 12),
        ("0x0C", 12),
        ("1e-5", 1e-5),
        (".5", 0.5),
        ("12:30", "12:30"),
        ("2026-11-22", "2026-11-22"),
        ("~", None),
        ("", None),
        ('"12"', "12"),
        ("1_000", "1_000"),
        ("=", "="),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    source = parse_yaml(text=f"x: {text}", file="x.yaml")

    assert source.findings == ()
    assert source.values == {"x": value}
    assert type(source.values["x"]) is type(value)


def test_lines_point_at_the_setting(folder: Folder) -> None:
    text = (
        "region: us-east-1\n"
        "people:\n"
        "  uploaders:\n"
        "    - role/a\n"
        "    - everyone\n"
        "  readers: [role/a]\n"
        "  administrators: [role/a]\n"
        "storage:\n"
        "  retain: maybe\n"
        "jobs:\n"
        "  review:\n"
        "    dataset: reviews\n"
    )

    places = {finding.field: finding.line for finding in folder.findings(text)}

    assert places == {
        "people.uploaders[1]": 5,
        "storage.retain": 9,
        # Absent: the line of what it is absent from.
        "jobs.review.base_model": 11,
    }


# The lock file


def test_without_a_lock_file_nothing_was_pushed(folder: Folder) -> None:
    (folder.directory / "datasets.lock.json").unlink()

    (finding,) = folder.findings(TEXT)

    assert finding.id == "settings.data-not-pushed"
    assert finding.allowed == "pushed so far: none"
    folder.load(with_change(("jobs",), {}))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"sha256": "ABC"}, "reviews.sha256"),
        ({"records": "200"}, "reviews.records"),
        ({"extra": 1}, "reviews.extra"),
        ({"key": "elsewhere/train.jsonl"}, "reviews"),
        ({"key": f"fine-tuning-datasets/reviews/{DIGEST}/a/b.jsonl"}, "reviews"),
    ],
)
def test_a_broken_lock_file_is_refused(
    change: dict[str, object], field: str, folder: Folder
) -> None:
    folder.write_lock({"reviews": {**lock_entry(name="reviews"), **change}})

    findings = folder.findings(TEXT)

    broken = [finding for finding in findings if finding.id == "settings.broken-lock-file"]
    assert [finding.field for finding in broken] == [field]
    assert broken[0].file == "config/datasets.lock.json"
    assert broken[0].line is not None
    assert "finetune data push" in broken[0].fix


@pytest.mark.parametrize("name", ["day=1.jsonl", "a b.jsonl", "a+b.jsonl"])
def test_an_s3_uri_that_bedrock_refuses_is_refused(name: str, folder: Folder) -> None:
    entry = lock_entry(name="reviews")
    folder.write_lock({"reviews": entry})
    folder.load(TEXT)

    entry["key"] = f"fine-tuning-datasets/reviews/{DIGEST}/{name}"
    folder.write_lock({"reviews": entry})

    problems = [finding.problem for finding in folder.findings(TEXT)]
    assert any("bedrock refuses the s3 uri" in problem.lower() for problem in problems)


@pytest.mark.parametrize("text", ["[]", '{"reviews": 3}', "{", '{"a": {}, "a": {}}', "x"])
def test_a_lock_file_of_another_shape_is_refused(text: str, folder: Folder) -> None:
    (folder.directory / "datasets.lock.json").write_text(text, encoding="utf-8")

    files = {finding.file for finding in folder.findings(TEXT)}

    assert "config/datasets.lock.json" in files


# Whatever comes

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
_NAMES = st.sampled_from(
    ["region", "people", "network", "jobs", "tags", "cidr", "training_zones", "base_model"]
) | st.text(max_size=8)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=12,
)


@hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(values=_VALUES)
def test_any_values_are_settings_or_a_settings_error(values: object, folder: Folder) -> None:
    try:
        folder.load(json.dumps(values).encode("utf-8"))
    except SettingsError as error:
        wrong = error
    else:
        return
    assert render(wrong)
    assert wrong.as_json()


@hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    path=st.sampled_from(
        [
            ("region",),
            ("account",),
            ("tags",),
            ("permissions_boundary",),
            ("network",),
            ("network", "cidr"),
            ("network", "training_zones"),
            ("network", "s3_prefix_list_id"),
            ("network", "flow_log_retention_days"),
            ("people", "readers"),
            ("engine", "reserved_concurrency"),
            ("jobs",),
            ("jobs", "review"),
            ("jobs", "review", "base_model"),
            ("jobs", "review", "dataset"),
            ("jobs", "review", "hyperparameters"),
            ("jobs", "review", "tags"),
        ]
    ),
    value=_VALUES,
)
def test_any_value_in_any_place_is_accepted_or_named(
    path: tuple[str, ...], value: object, folder: Folder
) -> None:
    try:
        folder.load(json.dumps(with_change(path, value)).encode("utf-8"))
    except SettingsError as error:
        wrong = error
    else:
        return
    tops = {re.split(r"[.\[]", finding.field)[0] for finding in wrong.findings}
    # A wrong Region says nothing of the jobs, and a right one of another place does.
    assert tops <= {path[0], "jobs", "network", "people", "permissions_boundary"}
    assert path[0] in tops or path == ("region",)


@hypothesis_settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    text=st.binary(max_size=60)
    | st.text(alphabet="ab:-?[]{},&*!|>'\"#%@` \n\t012.e+~<=", max_size=60).map(str.encode)
)
def test_any_bytes_are_settings_or_a_settings_error(text: bytes, folder: Folder) -> None:
    try:
        folder.load(text)
    except SettingsError as error:
        wrong = error
    else:
        return
    assert render(wrong)


def test_people_of_another_account_than_the_settings_name_are_refused(folder: Folder) -> None:
    ours, theirs = "111122223333", "444455556666"
    settings = {**with_change(("account",), ours)}
    settings["people"]["uploaders"] = [f"arn:aws:iam::{theirs}:role/engineer"]

    with pytest.raises(SettingsError) as refused:
        folder.load(settings)

    [finding] = refused.value.findings
    assert finding.field == "people.uploaders[0]"
    assert theirs in finding.problem
    settings["people"]["uploaders"] = [f"arn:aws:iam::{ours}:role/engineer"]
    assert folder.load(settings).people.uploaders


def test_an_environment_whose_name_begins_with_anothers_is_refused(tmp_path: Path) -> None:
    for name in ("dev", "dev-two", "device"):
        (tmp_path / f"{name}.yaml").write_text(
            as_yaml(with_change(("jobs",), {})), encoding="utf-8"
        )

    for name in ("dev", "dev-two"):
        with pytest.raises(SettingsError, match="begins with another's"):
            load_settings(environment=name, directory=tmp_path)
    assert load_settings(environment="device", directory=tmp_path).environment == "device"
