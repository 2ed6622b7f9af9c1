"""Changes that make nothing worse: a gate that remarks on one of them cries wolf.

Each is made everywhere at once. They know nothing of rules: names, order, texts, tags and sizes say
nothing about security, and more conditions on what is allowed say something better.
"""

from __future__ import annotations

import copy
import itertools
import random
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from review.mutation.mutant import POLICIES
from review.template.deployment import Deployment

Templates = dict[str, dict[str, Any]]
Neutral = Callable[[Templates, random.Random], None]

NEUTRAL: Final[dict[str, Neutral]] = {}
"""Every neutral change by its name; made in place."""
STRICTER: Final = frozenset({"stricter_conditions", "broader_denials"})
"""Those that take access away, which a review notes."""


def neutral(change: Neutral) -> Neutral:
    """Registers a change."""
    NEUTRAL[change.__name__] = change
    return change


def applied(deployment: Deployment, name: str, *, seed: int = 0) -> Deployment:
    """The deployment with one neutral change everywhere.

    Args:
        deployment: It stays as it is.
        name: One of `NEUTRAL`.
        seed: Of what is chosen by chance.
    """
    chance = random.Random(seed)  # noqa: S311 - an order, not a secret
    return deployment.changed(lambda templates: NEUTRAL[name](templates, chance))


def _resources(templates: Templates) -> Iterator[dict[str, Any]]:
    for template in templates.values():
        yield from template["Resources"].values()


def _documents(value: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - a piece of a template
    if isinstance(value, dict):
        for name, each in value.items():
            if name in POLICIES and isinstance(each, dict) and "Statement" in each:
                yield each
            else:
                yield from _documents(each)
    elif isinstance(value, list):
        for each in value:
            yield from _documents(each)


def _policies(templates: Templates) -> Iterator[dict[str, Any]]:
    for resource in _resources(templates):
        yield from _documents(resource.get("Properties", {}))


def _statements(templates: Templates) -> Iterator[dict[str, Any]]:
    for document in _policies(templates):
        yield from document["Statement"]


@neutral
def rename_logical_ids(templates: Templates, chance: random.Random) -> None:
    """Every logical id is another one, also where it is referred to."""
    number = itertools.count()
    for template in templates.values():
        names = {
            old: f"Renamed{next(number)}Id{chance.randrange(16**8):08X}"
            for old in template["Resources"]
        }
        renamed = _renamed(template, names)
        template.clear()
        template.update(renamed)


def _renamed(value: Any, names: Mapping[str, str]) -> Any:  # noqa: ANN401 - a piece of a template
    if isinstance(value, list):
        return [_renamed(each, names) for each in value]
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    for key, each in value.items():
        if key == "Ref" and isinstance(each, str):
            found[key] = names.get(each, each)
        elif key == "Fn::GetAtt" and isinstance(each, list):
            found[key] = [names.get(each[0], each[0]), *each[1:]]
        elif key == "Fn::Sub" and isinstance(each, str):
            found[key] = re.sub(
                r"\$\{([^}.]+)", lambda it: "${" + names.get(it.group(1), it.group(1)), each
            )
        elif key == "DependsOn":
            found[key] = (
                [names.get(name, name) for name in each]
                if isinstance(each, list)
                else names.get(each, each)
            )
        elif key == "Resources":
            found[key] = {names.get(name, name): _renamed(raw, names) for name, raw in each.items()}
        else:
            found[key] = _renamed(each, names)
    return found


@neutral
def reorder_statements(templates: Templates, chance: random.Random) -> None:
    """The statements of every policy stand in another order."""
    for document in _policies(templates):
        chance.shuffle(document["Statement"])


@neutral
def reorder_resources(templates: Templates, chance: random.Random) -> None:
    """Resources and their properties stand in another order."""
    for template in templates.values():
        template["Resources"] = {
            name: _shuffled(template["Resources"][name], chance)
            for name in chance.sample(list(template["Resources"]), len(template["Resources"]))
        }


def _shuffled(value: Any, chance: random.Random) -> Any:  # noqa: ANN401 - a piece of a template
    if isinstance(value, dict):
        return {
            name: _shuffled(value[name], chance) for name in chance.sample(list(value), len(value))
        }
    return value


@neutral
def reorder_lists_of_ids(templates: Templates, chance: random.Random) -> None:
    """Subnets, groups, route tables and dependencies stand in another order."""
    ids = {"DependsOn", "RouteTableIds", "SecurityGroupIds", "SubnetIds", "subnetIds", "Roles"}

    def shuffle(value: Any) -> None:  # noqa: ANN401 - a piece of a template
        for name, each in value.items() if isinstance(value, dict) else enumerate(value):
            if name in ids and isinstance(each, list):
                chance.shuffle(each)
            elif isinstance(each, dict | list):
                shuffle(each)

    for resource in _resources(templates):
        shuffle(resource)


@neutral
def split_statements_by_action(templates: Templates, chance: random.Random) -> None:
    """Each action has a statement of its own."""
    del chance
    _split(templates, "Action")


@neutral
def split_statements_by_resource(templates: Templates, chance: random.Random) -> None:
    """Each resource has a statement of its own."""
    del chance
    _split(templates, "Resource")


def _split(templates: Templates, element: str) -> None:
    for document in _policies(templates):
        document["Statement"] = [
            {**{k: v for k, v in statement.items() if k != "Sid"}, element: each}
            if isinstance(statement.get(element), list)
            else statement
            for statement in document["Statement"]
            for each in (statement[element] if isinstance(statement.get(element), list) else [None])
        ]


@neutral
def single_values_as_lists(templates: Templates, chance: random.Random) -> None:
    """An action, a resource or a value of a condition that stands alone becomes a list."""
    del chance
    for statement in _statements(templates):
        for element in ("Action", "Resource"):
            if element in statement and not isinstance(statement[element], list):
                statement[element] = [statement[element]]
        for keys in statement.get("Condition", {}).values():
            for key, value in keys.items():
                if not isinstance(value, list):
                    keys[key] = [value]


@neutral
def other_sids(templates: Templates, chance: random.Random) -> None:
    """Statements lose their names or get others."""
    for statement in _statements(templates):
        if chance.random() < 0.5:
            statement.pop("Sid", None)
        else:
            statement["Sid"] = f"Other{chance.randrange(10**6)}"


@neutral
def other_spellings(templates: Templates, chance: random.Random) -> None:
    """Everybody is `*` where it was `{"AWS": "*"}`, and the other way round."""
    del chance
    for statement in _statements(templates):
        if statement.get("Principal") == {"AWS": "*"}:
            statement["Principal"] = "*"
        elif statement.get("Principal") == "*":
            statement["Principal"] = {"AWS": "*"}


@neutral
def other_texts(templates: Templates, chance: random.Random) -> None:
    """Descriptions and labels say something else."""
    texts = {
        "AlarmDescription", "Description", "DisplayName", "GroupDescription", "Label",
    }  # fmt: skip

    def retell(value: Any) -> None:  # noqa: ANN401 - a piece of a template
        for name, each in value.items() if isinstance(value, dict) else enumerate(value):
            if name in texts and isinstance(each, str):
                value[name] = f"another text {chance.randrange(100)}"
            elif isinstance(each, dict | list):
                retell(each)

    for resource in _resources(templates):
        retell(resource.get("Properties", {}))


@neutral
def more_tags(templates: Templates, chance: random.Random) -> None:
    """Every resource that has tags has one more; those for people say something else."""
    for resource in _resources(templates):
        tags = resource.get("Properties", {}).get("Tags")
        # A custom resource's are its own request's, in whatever form its function reads them.
        if isinstance(tags, list) and not resource["Type"].startswith("Custom::"):
            for tag in tags:
                if tag["Key"] in ("Name", "project", "environment"):
                    tag["Value"] = f"another {chance.randrange(100)}"
            tags.append({"Key": "cost-center", "Value": str(chance.randrange(1000))})


@neutral
def other_sizes(templates: Templates, chance: random.Random) -> None:
    """Memory, time, days and concurrency are larger."""
    larger = {
        "AWS::Lambda::Function": {"MemorySize": 1024, "Timeout": 900},
        "AWS::Logs::LogGroup": {"RetentionInDays": 731},
        "AWS::KMS::Key": {"PendingWindowInDays": chance.randint(7, 30)},
    }
    for resource in _resources(templates):
        resource.get("Properties", {}).update(larger.get(resource["Type"], {}))


@neutral
def stricter_conditions(templates: Templates, chance: random.Random) -> None:
    """Whatever is allowed has one more condition."""
    for statement in _statements(templates):
        if statement["Effect"] == "Allow":
            when = statement.setdefault("Condition", {})
            when["NumericLessThan" if chance.random() < 0.5 else "NumericLessThanEquals"] = {
                "aws:MultiFactorAuthAge": "3600"
            }


@neutral
def broader_denials(templates: Templates, chance: random.Random) -> None:
    """TLS of a later version, where the version is asked for."""
    del chance
    for statement in _statements(templates):
        when = statement.get("Condition", {}).get("NumericLessThan", {})
        if statement["Effect"] == "Deny" and "s3:TlsVersion" in when:
            when["s3:TlsVersion"] = "1.3"


@neutral
def more_metadata(templates: Templates, chance: random.Random) -> None:
    """Resources note something; CloudFormation does nothing with it."""
    for resource in _resources(templates):
        resource.setdefault("Metadata", {})["Note"] = chance.randrange(100)


@neutral
def inline_policies_apart(templates: Templates, chance: random.Random) -> None:
    """Managed policies with several statements become two policies of the same roles."""
    del chance
    for template in templates.values():
        for name, raw in list(template["Resources"].items()):
            if raw["Type"] != "AWS::IAM::ManagedPolicy":
                continue
            said = raw["Properties"]["PolicyDocument"]["Statement"]
            if len(said) > 1:
                other = copy.deepcopy(raw)
                other["Properties"]["PolicyDocument"]["Statement"] = said[1:]
                raw["Properties"]["PolicyDocument"]["Statement"] = said[:1]
                template["Resources"][f"{name}More"] = other
                for runner in template["Resources"].values():
                    waits = runner.get("DependsOn")
                    if isinstance(waits, list) and name in waits:
                        waits.append(f"{name}More")
