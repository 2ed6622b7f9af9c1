"""The committed tables of prefix lists and Regions."""

import re

import pytest

from settings import dataset_families, foundation_models
from settings.prefix_lists import managed_prefix_list, prefix_lists
from settings.regions import known_regions, partition_of


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
