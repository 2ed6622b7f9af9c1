"""The committed tables: base models, prefix lists, Regions."""

import re
from pathlib import Path

import pytest

from customization.limits import constraints, matches
from settings import base_models as table
from settings import dataset_families, foundation_models
from settings.base_models import usable_in
from settings.prefix_lists import managed_prefix_list, prefix_lists
from settings.regions import known_regions, partition_of

MODELS = list(foundation_models().values())


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_a_base_model_has_an_id_bedrock_takes(model: table.FoundationModel) -> None:
    pattern = constraints("BaseModelIdentifier").pattern or ""

    assert matches(value=model.id, expression=pattern)
    assert not matches(value=f"{model.id}=", expression=pattern)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_a_base_model_names_its_source(model: table.FoundationModel) -> None:
    assert model.state_source.startswith("https://docs.aws.amazon.com/bedrock/")
    assert model.state_source in model.state_sentence


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_what_is_not_known_is_marked_uncertain(model: table.FoundationModel) -> None:
    marked = " ".join(model.uncertain)

    if model.state == "unchecked":
        assert "state" in marked
    if model.hyperparameters is None:
        assert "hyperparameters" in marked


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_regions_and_methods_exist(model: table.FoundationModel) -> None:
    assert set(model.regions) <= set(known_regions())
    assert set(model.methods) <= set(constraints("CustomizationType").enum)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_hyperparameters_have_sound_ranges(model: table.FoundationModel) -> None:
    for parameter in (model.hyperparameters or {}).values():
        assert parameter.minimum <= parameter.maximum
        if parameter.default is not None:
            assert parameter.minimum <= parameter.default <= parameter.maximum


def test_the_default_model_is_usable_and_the_walk_throughs_is_not() -> None:
    assert "amazon.nova-2-lite-v1:0:256k" in usable_in("us-east-1")
    assert "amazon.nova-2-lite-v1:0:256k" not in usable_in("us-west-2")
    assert "meta.llama3-1-8b-instruct-v1:0:128k" not in usable_in(None)
    assert foundation_models()["meta.llama3-1-8b-instruct-v1:0:128k"].state == "legacy"


def test_the_family_of_the_default_model_is_known() -> None:
    family = dataset_families()["amazon-nova"]

    assert foundation_models()["amazon.nova-2-lite-v1:0:256k"].family == family
    assert (family.minimum_records, family.maximum_records) == (8, 20000)


def test_a_legacy_model_without_its_day_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = table.TABLE.read_text(encoding="utf-8")
    broken = tmp_path / "base_models.yaml"
    broken.write_text(re.sub(r"    end_of_life: .*\n", "", text), encoding="utf-8")
    monkeypatch.setattr(table, "TABLE", broken)

    with pytest.raises(ValueError, match="needs its end_of_life"):
        table._table.__wrapped__()


def test_tables_cannot_be_changed() -> None:
    for mapping in (foundation_models(), dataset_families(), prefix_lists()):
        with pytest.raises(TypeError):
            mapping["x"] = None  # type: ignore[index]


@pytest.mark.parametrize("region", list(prefix_lists()))
def test_prefix_lists_belong_to_regions(region: str) -> None:
    assert region in known_regions()
    assert set(prefix_lists()[region]) <= {"s3", "dynamodb"}
    for identifier in prefix_lists()[region].values():
        assert re.fullmatch(r"pl-[0-9a-f]{8}", identifier)


def test_prefix_lists_of_the_customization_regions_are_known() -> None:
    assert managed_prefix_list(region="us-east-1", service="s3") == "pl-63a5400a"
    assert managed_prefix_list(region="us-west-2", service="dynamodb") == "pl-00a54069"
    assert managed_prefix_list(region="us-gov-west-1", service="s3") is None


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("us-east-1", "aws"),
        ("us-gov-west-1", "aws-us-gov"),
        ("cn-north-1", "aws-cn"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
        # Newer than the pinned botocore, but of the right form.
        ("eu-north-9", "aws"),
        ("us-east-1a", None),
        ("US-EAST-1", None),
        ("aws-global", None),
        ("us-east-1\n", None),
        ("us-east-١", None),
    ],
)
def test_a_region_belongs_to_the_partition_of_its_form(region: str, partition: str | None) -> None:
    assert partition_of(region) == partition
