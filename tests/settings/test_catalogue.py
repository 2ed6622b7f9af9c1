"""The catalogue of models: each fact is dated, and what it says is sound.

The twin of every check is in the mutations: each fact changed or gone, one at a time, is told.
"""

import copy
import datetime
from collections.abc import Iterator
from typing import Any

import pytest

from customization.limits import CREATE_JOB_SHAPE, constraints, matches
from settings import base_models, catalogue_files, dataset_families, foundation_models
from settings.base_models import make_catalogue, nearest_usable, teachers, usable_in
from settings.catalogue_files import Fact, facts, readings, sources, table, undated
from settings.regions import known_regions
from settings.source import read_yaml

MODELS = list(foundation_models().values())
TABLES = {name: table(name) for name in catalogue_files.TABLES}
FACTS = catalogue_files.committed_facts()


def told(tables: dict[str, Any], pages: dict[str, str] | None = None) -> set[str]:
    """The facts of changed tables that `finetune models` would show as undated."""
    known = tuple(facts(tables=tables, pages=pages or sources()))
    return {each.path for each in undated(known=known, read=readings())}


def with_own_row(fact: Fact) -> tuple[dict[str, Any], dict[str, Any], str]:
    """The tables with a row of their own for a fact, that row, and the fact's name in it."""
    name, key, field = fact.path.split("/")
    row = copy.deepcopy(dict(TABLES[name][key]))
    return {**TABLES, name: {**TABLES[name], key: row}}, row, field


def leaves(value: object, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of a fact's single values: `regions[0]`, `epochCount.maximum`."""
    yield at
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        yield from leaves(inner, (*at, key))


def other(value: object) -> object:
    """Another value of the same kind."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return f"{value}x"
        case list():
            return [*value, "x"]
        case dict():
            return {**value, "x": "x"}
        case _:
            return 1


# Facts and their days


def test_every_fact_is_dated() -> None:
    assert undated(known=FACTS, read=readings()) == ()
    assert len(FACTS) > 200
    for reading in readings().values():
        day = datetime.date.fromisoformat(reading["read"])
        assert datetime.date(2026, 8, 1) <= day <= datetime.date.today()


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.path)
def test_a_fact_that_is_deleted_or_changed_is_told(fact: Fact) -> None:
    tables, row, field = with_own_row(fact)
    for about in ("sources", "uncertain"):
        row.get(about, {}).pop(field, None)
    del row[field]
    assert fact.path in told(tables)

    for place in leaves(fact.value):
        tables, here, last = with_own_row(fact)
        for step in place:
            here, last = here[last], step
        here[last] = other(here[last])
        assert told(tables) == {fact.path}, place
        if place:
            del here[last]
            assert told(tables) == {fact.path}, place


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.path)
def test_another_page_or_doubt_is_told(fact: Fact) -> None:
    for about, change in (("sources", "account"), ("uncertain", "nobody knows")):
        tables, row, field = with_own_row(fact)
        row[about] = {**row.get(about, {}), field: change}
        assert told(tables) == {fact.path}
    if fact.uncertain:
        tables, row, field = with_own_row(fact)
        del row["uncertain"][field]
        assert told(tables) == {fact.path}


def test_another_address_of_a_page_is_told() -> None:
    for name, url in sources().items():
        read_there = {fact.path for fact in FACTS if fact.source == url}
        assert told(TABLES, {**sources(), name: f"{url}#x"}) == read_there


def test_a_fact_without_a_day_and_a_day_without_a_fact_are_told() -> None:
    read = dict(readings())
    path, reading = read.popitem()
    assert [each.path for each in undated(known=FACTS, read=read)] == [path]

    read[f"{path}x"] = reading
    reasons = {each.path: each.reason for each in undated(known=FACTS, read=read)}
    assert "never dated" in reasons[path]
    assert "is gone" in reasons[f"{path}x"]


def test_dating_a_fact_covers_it_and_no_other() -> None:
    tables = copy.deepcopy(TABLES)
    tables["models"]["amazon.nova-micro-v1:0:128k"]["state"] = "legacy"  # type: ignore[index]
    tables["models"]["amazon.nova-pro-v1:0:300k"]["state"] = "legacy"  # type: ignore[index]
    known = tuple(facts(tables=tables, pages=sources()))
    path = "models/amazon.nova-micro-v1:0:128k/state"

    read = catalogue_files.dated(
        known=known, read=readings(), day="2027-01-02", paths=frozenset({path})
    )

    assert read[path]["read"] == "2027-01-02"
    assert {each.path for each in undated(known=known, read=read)} == {
        "models/amazon.nova-pro-v1:0:300k/state"
    }


def test_the_committed_readings_are_as_they_are_written() -> None:
    path = catalogue_files.FOLDER / catalogue_files.READINGS

    assert path.read_text(encoding="utf-8") == catalogue_files.render_readings(readings())


def test_a_fact_without_a_page_is_refused() -> None:
    tables = copy.deepcopy(TABLES)
    tables["models"]["amazon.nova-micro-v1:0:128k"]["source"] = "nowhere"  # type: ignore[index]

    with pytest.raises(catalogue_files.BrokenCatalogueError, match=r"needs a source.*nowhere"):
        told(tables)


def test_a_doubt_about_no_fact_is_refused() -> None:
    tables = copy.deepcopy(TABLES)
    tables["models"]["amazon.nova-canvas-v1:0"]["uncertain"] = {"x": "y"}  # type: ignore[index]

    with pytest.raises(catalogue_files.BrokenCatalogueError, match="absent"):
        told(tables)


def test_every_page_is_of_aws_and_used() -> None:
    used = {fact.source for fact in FACTS}

    assert {url for name, url in sources().items() if name != "account"} == used
    assert all(
        url.startswith(("https://docs.aws.amazon.com/", "https://aws.amazon.com/")) for url in used
    )


@pytest.mark.parametrize("name", [*catalogue_files.TABLES, "sources"])
def test_the_careful_reader_reads_the_same(name: str) -> None:
    source = read_yaml(path=catalogue_files.FOLDER / f"{name}.yaml")

    assert source.findings == ()
    assert source.values == (sources() if name == "sources" else table(name))


# What the facts say


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_a_base_model_has_an_id_bedrock_takes(model: base_models.FoundationModel) -> None:
    pattern = constraints("BaseModelIdentifier").pattern or ""

    assert matches(value=model.id, expression=pattern)
    assert not matches(value=f"{model.id}=", expression=pattern)


@pytest.mark.parametrize("teacher", teachers().values(), ids=lambda teacher: teacher.id)
def test_a_teacher_has_an_id_bedrock_takes(teacher: base_models.Teacher) -> None:
    pattern = constraints("TeacherModelIdentifier").pattern or ""

    assert matches(value=teacher.id, expression=pattern)
    assert teacher.students


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_a_base_model_names_its_source(model: base_models.FoundationModel) -> None:
    assert model.state_source.startswith("https://docs.aws.amazon.com/bedrock/")
    assert model.state_source in model.state_sentence


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_what_is_not_known_is_marked_uncertain(model: base_models.FoundationModel) -> None:
    if model.state == "unchecked":
        assert "state" in model.uncertain
    if set(model.methods) - set(model.hyperparameters_by_method):
        assert "hyperparameters" in model.uncertain


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_regions_and_methods_exist(model: base_models.FoundationModel) -> None:
    assert set(model.regions) <= set(known_regions())
    assert set(model.methods) <= set(constraints("CustomizationType").enum)
    assert set(model.families) <= set(model.methods)
    assert set(model.hyperparameters_by_method) <= set(model.methods)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_hyperparameters_have_sound_ranges(model: base_models.FoundationModel) -> None:
    for parameters in model.hyperparameters_by_method.values():
        for parameter in parameters.values():
            if parameter.minimum is not None and parameter.maximum is not None:
                assert parameter.minimum <= parameter.maximum
                assert parameter.minimum <= (parameter.default or parameter.minimum)
                assert (parameter.default or parameter.maximum) <= parameter.maximum
            assert parameter.type != "word" or parameter.words


def test_reinforcement_hyperparameters_are_those_of_the_api() -> None:
    parameters = foundation_models()["amazon.nova-2-lite-v1:0:256k"].hyperparameters_by_method[
        "REINFORCEMENT_FINE_TUNING"
    ]
    at = "customizationConfig.rftConfig.hyperParameters"

    for parameter in parameters.values():
        limit = constraints(CREATE_JOB_SHAPE, f"{at}.{parameter.name}")
        assert limit.enum == parameter.words
        if limit.maximum is not None:
            assert (limit.minimum, limit.maximum) == (parameter.minimum, parameter.maximum)
    with pytest.raises(KeyError):
        constraints(CREATE_JOB_SHAPE, f"{at}.epochs")
    shape = constraints(CREATE_JOB_SHAPE, at)
    assert shape.kind == "structure"


def test_the_default_model_is_usable_and_the_walk_throughs_is_not() -> None:
    assert "amazon.nova-2-lite-v1:0:256k" in usable_in("us-east-1")
    assert "amazon.nova-2-lite-v1:0:256k" not in usable_in("us-west-2")
    assert "meta.llama3-1-8b-instruct-v1:0:128k" not in usable_in(None)
    assert foundation_models()["meta.llama3-1-8b-instruct-v1:0:128k"].state == "legacy"


def test_the_nearest_usable_model_is_of_the_same_maker_and_usable() -> None:
    found = nearest_usable("meta.llama3-1-8b-instruct-v1:0:128k", region="us-west-2")
    assert found in usable_in("us-west-2")
    assert str(found).startswith("meta.llama3-2-1")

    found = nearest_usable("anthropic.claude-3-haiku-20240307-v1:0:200k", region="us-east-1")
    assert found in usable_in("us-east-1")

    only = ["amazon.nova-2-lite-v1:0:256k"]
    assert list(usable_in(None, "REINFORCEMENT_FINE_TUNING")) == only
    assert (
        nearest_usable("amazon.nova-pro-v1:0:300k", region=None, method="REINFORCEMENT_FINE_TUNING")
        == only[0]
    )
    assert nearest_usable("x", region=None, method="CONTINUED_PRE_TRAINING") is None


def test_the_families_of_the_default_model_are_known() -> None:
    model = foundation_models()["amazon.nova-2-lite-v1:0:256k"]
    family = dataset_families()["amazon-nova-2"]

    assert model.family == family
    assert (family.minimum_records, family.maximum_records) == (8, 20000)
    assert model.families["REINFORCEMENT_FINE_TUNING"].format == "rft-chat"


@pytest.mark.parametrize(
    ("row", "field", "value", "message"),
    [
        ("amazon.nova-canvas-v1:0", "end_of_life", None, "needs its end_of_life"),
        ("amazon.nova-micro-v1:0:128k", "state", "retired", "active"),
        ("amazon.nova-micro-v1:0:128k", "methods", ["TRAINING"], "FINE_TUNING"),
        ("amazon.nova-micro-v1:0:128k", "families", {"FINE_TUNING": "none"}, "there is no none"),
        ("amazon.nova-micro-v1:0:128k", "hyperparameters", {"FINE_TUNING": "x"}, "there is no x"),
        ("amazon.nova-micro-v1:0:128k", "hyperparameters", None, "mappings by method"),
        ("amazon.nova-micro-v1:0:128k", "source", "nowhere", None),
        ("amazon.nova-micro-v1:0:128k", "methods", ["FINE_TUNING"], "learns from a teacher"),
        ("amazon.nova-micro-v1:0:128k", "unknown", 1, "[Ee]xtra"),
    ],
)
def test_a_row_that_is_not_sound_is_refused(
    row: str, field: str, value: object, message: str | None
) -> None:
    tables: Any = copy.deepcopy(TABLES)
    tables["models"][row][field] = value
    if message is None:
        del tables["models"][row]["sources"]
        message = "needs a source"

    with pytest.raises(ValueError, match=message):
        make_catalogue(tables=tables, pages=sources())
    make_catalogue(tables=TABLES, pages=sources())


def test_a_model_past_its_end_is_withdrawn_whatever_was_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    llama = foundation_models()["meta.llama3-1-8b-instruct-v1:0:128k"]
    monkeypatch.setenv("FINETUNE_TODAY", "2027-03-29")
    assert "is Legacy" in llama.state_sentence
    monkeypatch.setenv("FINETUNE_TODAY", "2027-03-30")
    assert "was withdrawn on 2027-03-30" in llama.state_sentence
    assert llama.state_on(datetime.date(2027, 3, 30)) == "end-of-life"


def test_a_model_ends_soon_within_ninety_days() -> None:
    model = foundation_models()["amazon.nova-micro-v1:0:128k"].model_copy(
        update={"end_of_life": datetime.date(2027, 3, 31)}
    )

    assert not model.ends_soon(datetime.date(2026, 12, 30))
    assert model.ends_soon(datetime.date(2026, 12, 31))
    assert model.ends_soon(datetime.date(2027, 3, 30))
    assert not model.ends_soon(datetime.date(2027, 3, 31))
