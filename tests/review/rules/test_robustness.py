"""Whatever a template holds, a rule ends: with findings or without, and never with an exception."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from review.rules import rules_of
from review.rules.rule import RULES, Rule, of_the_whole
from review.template.deployment import Deployment
from tests.review.rules.twins import good

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["*", "0.0.0.0/0", "arn:aws:iam::111122223333:root", "Retain", "443"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["Ref", "Fn::Join", "Statement", "Condition", "Key", "vpcConfig", "x"]),
        inner,
        max_size=3,
    ),
    max_leaves=6,
)  # fmt: skip


def _places(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:  # noqa: ANN401 - a piece of a template
    if isinstance(value, dict):
        for name, each in value.items():
            yield (*path, name)
            yield from _places(each, (*path, name))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield (*path, index)
            yield from _places(each, (*path, index))


STACK, TEMPLATE = next(iter(good().templates.items()))
PLACES = [path for path in _places(TEMPLATE["Resources"], ()) if path[1:2] == ("Properties",)]


def _with(path: tuple[str | int, ...], value: object) -> Deployment:
    template = copy.deepcopy(TEMPLATE)
    here: Any = template["Resources"]
    for step in path[:-1]:
        here = here[step]
    here[path[-1]] = value
    return good().with_templates({STACK: template})


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
@given(st.sampled_from(PLACES), ANYTHING)
def test_no_value_in_any_place_makes_a_rule_fail(
    path: tuple[str | int, ...], value: object
) -> None:
    deployment = _with(path, value)
    for rule in rules_of("app"):
        rule(deployment)


def test_what_a_rule_cannot_take_apart_is_a_finding() -> None:
    def stumbles(_: Deployment) -> Iterator[Any]:
        yield of_the_whole("found before")
        raise KeyError("Key")

    said = RULES["keys.rotate"]
    rule = Rule(**{**vars(said), "check": stumbles})
    assert [str(each) for each in rule(good())] == [
        "found before",
        "cannot be understood: KeyError 'Key'",
    ]
