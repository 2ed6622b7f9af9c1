"""Intrinsic functions worked out to concrete values, across stacks.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from review.template import names
from review.template.errors import UnreadableError, UnresolvedError
from review.template.names import Identity
from review.template.problems import Problem, Unresolved
from review.template.stacks import Stack

Template = dict[str, Any]
Resolved = Any
"""A piece of a template with nothing left to resolve."""

MAX_TEXT: Final = 1_048_576
"""Longest text that may come of joining, in characters; templates have none above 1 MB."""
MAX_PIECES: Final = 500_000
"""Most values that may come of lists passed on from stack to stack."""

_SUB: Final = re.compile(r"\$\{([^!}][^}]*)\}")
_LITERAL: Final = re.compile(r"\$\{!([^}]*)\}")
_DYNAMIC: Final = re.compile(r"\{\{resolve:([a-z-]+):([^}]*)\}\}")
_ZONES: Final = "abcdef"


class _NoValue:
    """What `AWS::NoValue` stands for: the property or the place in the list is left out."""


NO_VALUE: Final = _NoValue()


def is_function(name: str) -> bool:
    """Whether the only key of an object makes it a function of CloudFormation."""
    return name == "Ref" or name.startswith("Fn::")


class Resolver:
    """Puts names, ARNs and values in the place of references.

    What cannot be resolved becomes `Unresolved` and is put on `problems`.

    Args:
        templates: By the key of their stack.
        stacks: What else is known of them, by the same keys.
    """

    def __init__(self, templates: Mapping[str, Template], stacks: Mapping[str, Stack]) -> None:
        self._templates = templates
        self._stacks = {key: stacks.get(key) or Stack(name=key) for key in templates}
        self.problems: list[Problem] = []
        self.imports: set[tuple[str, str]] = set()
        """Which stack imports a value of which."""
        self._identities: dict[tuple[str, str], Identity] = {}
        self._given_out: set[str] = set()
        self._conditions: dict[tuple[str, str], bool] = {}
        self._parameters: dict[tuple[str, str], Resolved] = {}
        self._outputs: dict[tuple[str, str], Resolved] = {}
        self._exports: dict[tuple[str, str, str], tuple[str, str]] | None = None
        self._ssm: dict[tuple[str, str, str], tuple[str, str]] | None = None
        self._children = {
            stack.parent: key for key, stack in self._stacks.items() if stack.parent is not None
        }
        self._busy: dict[tuple[str, str, str], None] = {}
        self._pieces = 0
        self._where: tuple[str, str | None] = ("", None)
        self._path: list[str] = []

    # -- whole templates ---------------------------------------------------------------------

    def judged(self, stack: str, logical_id: str) -> bool:
        """Whether a resource is deployed; the problem is noted where its condition is not known."""
        raw = self._templates[stack]["Resources"][logical_id]
        condition = raw.get("Condition")
        if condition is None:
            return True
        with self._at(stack, logical_id):
            try:
                deployed = self.condition(stack, condition)
            except UnresolvedError as error:
                self._note(error)
                return True
        if not deployed and raw.get("Type") != "AWS::CDK::Metadata":
            self.problems.append(
                Problem(
                    id="template.not-judged",
                    level="note",
                    message=f"not looked at, since its condition {condition!r} does not hold here",
                    fix="review again with the parameters that make it hold, if they are ever used",
                    stack=stack,
                    logical_id=logical_id,
                )
            )
        return deployed

    def properties(self, stack: str, logical_id: str) -> dict[str, Resolved]:
        """The properties of a resource; problems are noted."""
        raw = self._templates[stack]["Resources"][logical_id].get("Properties")
        with self._at(stack, logical_id):
            found = self._value(stack, {} if raw is None else raw, strict=False)
        return found if isinstance(found, dict) else {}

    def output(self, stack: str, name: str) -> Resolved:
        """The value of an output.

        Raises:
            UnresolvedError: There is none, or its value is not known.
        """
        place = (stack, name)
        if place not in self._outputs:
            raw = self._templates[stack].get("Outputs", {}).get(name)
            if not isinstance(raw, dict) or "Value" not in raw:
                raise UnresolvedError(f"the stack {stack} has no output {name}")
            if "Condition" in raw and not self.condition(stack, raw["Condition"]):
                raise UnresolvedError(f"the condition of the output {name} of {stack} is false")
            with self._once("output", stack, name):
                self._outputs[place] = self._value(stack, raw["Value"], strict=True)
        return self._charged(self._outputs[place])

    # -- values ------------------------------------------------------------------------------

    def _value(self, stack: str, value: Any, *, strict: bool) -> Resolved:  # noqa: ANN401
        """A value without references.

        What cannot be resolved raises where `strict`; else it is noted and stood in for.
        """
        if isinstance(value, dict):
            return self._object(stack, value, strict=strict)
        if isinstance(value, list):
            return self._list(stack, value, strict=strict)
        if isinstance(value, str) and "{{resolve:" in value:
            return self._guarded(lambda: self._dynamic(stack, value), strict=strict)
        return value

    def _object(self, stack: str, value: dict[str, Any], *, strict: bool) -> Resolved:
        if len(value) == 1:
            ((name, argument),) = value.items()
            if is_function(name):
                return self._guarded(
                    lambda: self._call(stack, name, argument, strict=strict), strict=strict
                )
        if any(key.startswith("Fn::") for key in value):
            return self._guarded(lambda: _beside_others(value), strict=strict)
        found = {}
        for key, each in value.items():
            resolved = self._at_step(stack, key, each, strict=strict)
            if resolved is not NO_VALUE:
                found[key] = resolved
        return found

    def _list(self, stack: str, value: list[Any], *, strict: bool) -> Resolved:
        steps = (
            self._at_step(stack, str(number), each, strict=strict)
            for number, each in enumerate(value)
        )
        return [each for each in steps if each is not NO_VALUE]

    def _at_step(self, stack: str, step: str, value: Any, *, strict: bool) -> Resolved:  # noqa: ANN401
        if strict:  # whoever catches the error knows where it was
            return self._value(stack, value, strict=True)
        self._path.append(step)
        resolved = self._value(stack, value, strict=False)
        self._path.pop()
        return resolved

    def _guarded(self, work: Callable[[], Resolved], *, strict: bool) -> Resolved:
        if strict:
            return work()
        depth = len(self._path)
        try:
            return work()
        except UnresolvedError as error:
            del self._path[depth:]
            self._note(error)
            stack, logical_id = self._where
            return Unresolved.at(stack, logical_id or "", ".".join(self._path))

    def _note(self, error: UnresolvedError) -> None:
        stack, logical_id = self._where
        self.problems.append(
            Problem(
                id="template.unresolved",
                message=f"not known before deployment: {error}",
                fix="write a value that the template itself tells, or give the parameter's value "
                "with --parameter NAME=VALUE",
                stack=stack,
                logical_id=logical_id,
                property=".".join(self._path) or None,
            )
        )

    @contextmanager
    def _at(self, stack: str, logical_id: str | None) -> Iterator[None]:
        before, path = self._where, self._path
        self._where, self._path = (stack, logical_id), []
        try:
            yield
        finally:
            self._where, self._path = before, path

    @contextmanager
    def _once(self, kind: str, stack: str, name: str) -> Iterator[None]:
        place = (kind, stack, name)
        if place in self._busy:
            chain = [*list(self._busy)[list(self._busy).index(place) :], place]
            raise UnreadableError(
                "a circle of references: "
                + " -> ".join(f"{each[1]} {each[0]} {each[2]}" for each in chain[:8]),
                fix="take one of these references away: CloudFormation refuses circles",
                where={"stack": stack},
            )
        self._busy[place] = None
        try:
            yield
        finally:
            del self._busy[place]

    def _charged(self, value: Resolved) -> Resolved:
        """Counts what is handed on, so that lists of lists of lists stay within bounds."""
        if isinstance(value, str | int | float | bool) or value is None:
            return value
        left = [value]
        while left:
            each = left.pop()
            self._pieces += 1
            if self._pieces > MAX_PIECES:
                raise UnreadableError(
                    f"its references multiply to more than {MAX_PIECES} values",
                    fix="pass fewer lists from stack to stack",
                    where={"stack": self._where[0]},
                )
            if isinstance(each, dict):
                left.extend(each.values())
            elif isinstance(each, list):
                left.extend(each)
        return value

    def _check_length(self, length: int) -> None:
        if length > MAX_TEXT:
            raise UnreadableError(
                f"its references multiply to a text of more than {MAX_TEXT} characters",
                fix="join fewer texts: CloudFormation takes none as long",
                where={"stack": self._where[0]},
            )

    def _text(self, stack: str, value: Any) -> str:  # noqa: ANN401 - a piece of a template
        resolved = self._value(stack, value, strict=True)
        if isinstance(resolved, bool):
            return "true" if resolved else "false"
        if not isinstance(resolved, str | int | float):
            raise UnresolvedError(f"{_shown(value)} is no text")
        return str(resolved)

    # -- functions ---------------------------------------------------------------------------

    def _call(self, stack: str, name: str, argument: Any, *, strict: bool) -> Resolved:  # noqa: ANN401
        if name == "Fn::If":
            match argument:
                case [str() as condition, yes, no]:
                    chosen = yes if self.condition(stack, condition) else no
                    return self._value(stack, chosen, strict=strict)
        if name in _CONDITIONS:
            return self._holds(stack, {name: argument})
        function = _FUNCTIONS.get(name)
        if function is None:
            raise UnresolvedError(f"{name} {_shown(argument)}")
        return function(self, stack, argument)

    def _fn_get_att(self, stack: str, argument: Any) -> Resolved:  # noqa: ANN401
        match argument:
            case [str() as logical_id, attribute]:
                return self._attribute(stack, logical_id, self._text(stack, attribute))
            case str() if "." in argument:
                return self._attribute(stack, *argument.split(".", maxsplit=1))
        raise _misused("Fn::GetAtt", argument)

    def _fn_ref(self, stack: str, argument: Any) -> Resolved:  # noqa: ANN401
        if not isinstance(argument, str):
            raise _misused("Ref", argument)
        return self._ref(stack, argument)

    def _fn_join(self, stack: str, argument: Any) -> Resolved:  # noqa: ANN401
        match argument:
            case [str() as delimiter, parts]:
                texts = self._texts(stack, parts)
                self._check_length(sum(map(len, texts)) + len(delimiter) * len(texts))
                return self._dynamic(stack, delimiter.join(texts))
        raise _misused("Fn::Join", argument)

    def _fn_sub(self, stack: str, argument: Any) -> Resolved:  # noqa: ANN401
        match argument:
            case str():
                return self._sub(stack, argument, {})
            case [str() as text, dict() as variables]:
                return self._sub(stack, text, variables)
        raise _misused("Fn::Sub", argument)

    def _fn_import_value(self, stack: str, argument: Any) -> Resolved:  # noqa: ANN401
        return self._import(stack, self._text(stack, argument))

    def _fn_get_stack_output(self, stack: str, argument: Any) -> Resolved:  # noqa: ANN401
        match argument:
            case {"StackName": other, "OutputName": output}:
                return self._stack_output(self._text(stack, other), self._text(stack, output))
        raise _misused("Fn::GetStackOutput", argument)

    def _fn_split(self, stack: str, argument: Any) -> Resolved:  # noqa: ANN401
        match argument:
            case [str() as delimiter, text] if delimiter:
                return self._text(stack, text).split(delimiter)
        raise _misused("Fn::Split", argument)

    def _fn_get_azs(self, stack: str, argument: Any) -> Resolved:  # noqa: ANN401
        region = self._text(stack, argument) or self._stacks[stack].region
        return [f"{region}{letter}" for letter in _ZONES]

    def _fn_base64(self, stack: str, argument: Any) -> Resolved:  # noqa: ANN401
        return base64.b64encode(self._text(stack, argument).encode()).decode()

    def _fn_length(self, stack: str, argument: Any) -> Resolved:  # noqa: ANN401
        listed = self._value(stack, argument, strict=True)
        if not isinstance(listed, list):
            raise _misused("Fn::Length", argument)
        return len(listed)

    def _fn_to_json_string(self, stack: str, argument: Any) -> Resolved:  # noqa: ANN401
        if not isinstance(argument, dict | list):
            raise _misused("Fn::ToJsonString", argument)
        text = json.dumps(self._value(stack, argument, strict=True))
        self._check_length(len(text))
        return text

    def _fn_transform(self, stack: str, argument: Any) -> Resolved:  # noqa: ANN401
        del stack, argument
        raise UnresolvedError("made by a macro, Fn::Transform")

    def _texts(self, stack: str, parts: Any) -> list[str]:  # noqa: ANN401 - a piece of a template
        if not isinstance(parts, list):
            parts = self._value(stack, parts, strict=True)
            if not isinstance(parts, list):
                raise UnresolvedError(f"joined {_shown(parts)}, which is no list")
        found = []
        for part in parts:
            value = self._value(stack, part, strict=True)
            # A list among the parts of a join is a list of texts that came from a parameter.
            values = value if isinstance(value, list) else [value]
            found += [self._text(stack, each) for each in values if each is not NO_VALUE]
        return found

    def _sub(self, stack: str, text: str, variables: Mapping[str, Any]) -> Resolved:
        size = 0

        def replace(match: re.Match[str]) -> str:
            nonlocal size
            name = match.group(1).strip()
            if name in variables:
                found = self._text(stack, variables[name])
            elif "." in name:
                logical_id, attribute = name.split(".", maxsplit=1)
                found = self._text(stack, {"Fn::GetAtt": [logical_id, attribute]})
            else:
                found = self._text(stack, {"Ref": name})
            size += len(found)
            self._check_length(size)
            return found

        return self._dynamic(stack, _LITERAL.sub(r"${\1}", _SUB.sub(replace, text)))

    def _fn_select(self, stack: str, argument: Any) -> Resolved:  # noqa: ANN401
        match argument:
            case [index, choices]:
                number = self._text(stack, index)
            case _:
                raise _misused("Fn::Select", argument)
        # Of a list that is written out, only the chosen value is asked for.
        written_out = isinstance(choices, list)
        values = choices if written_out else self._value(stack, choices, strict=True)
        if not isinstance(values, list) or not number.isdecimal() or int(number) >= len(values):
            raise UnresolvedError(f"Fn::Select: {_shown(choices)} has no place {number[:20]}")
        return self._value(stack, values[int(number)], strict=True)

    def _fn_find_in_map(self, stack: str, argument: Any) -> Resolved:  # noqa: ANN401
        match argument:
            case [first, top, second, *default] if len(default) < 2:
                keys = [self._text(stack, each) for each in (first, top, second)]
            case _:
                raise _misused("Fn::FindInMap", argument)
        found = self._templates[stack].get("Mappings", {})
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        if found is not None:
            return found
        match default:
            case [{"DefaultValue": value}]:
                return self._value(stack, value, strict=True)
        raise UnresolvedError(f"no mapping {', '.join(keys)}")

    def _fn_cidr(self, stack: str, argument: Any) -> Resolved:  # noqa: ANN401
        match argument:
            case [block, count, *bits] if len(bits) < 2:
                text = self._text(stack, block)
                numbers = [self._text(stack, each) for each in (count, *(bits or [8]))]
            case _:
                raise _misused("Fn::Cidr", argument)
        try:
            network = ipaddress.ip_network(text, strict=False)
            wanted, host_bits = map(int, numbers)
            parts = network.subnets(new_prefix=network.max_prefixlen - host_bits)
            found = [str(part) for _, part in zip(range(min(wanted, 257)), parts, strict=False)]
        except ValueError as error:
            raise UnresolvedError(f"Fn::Cidr of {text[:60]}: {error}") from error
        if not 1 <= len(found) == wanted <= 256:
            raise UnresolvedError(f"Fn::Cidr: {text[:60]} has not {wanted} parts, allowed 1 to 256")
        return found

    def _dynamic(self, stack: str, text: str) -> Resolved:
        """A text with its dynamic references; those to secrets stay, but never within a policy.

        https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html
        """
        if "{{resolve:" not in text:
            return text

        def replace(match: re.Match[str]) -> str:
            service, name = match.groups()
            if service == "ssm":
                return self._ssm_value(stack, re.sub(r":\d+$", "", name))
            inside = any(part == "Statement" or part.endswith("Policy") for part in self._path)
            if service not in {"secretsmanager", "ssm-secure"} or inside:
                raise UnresolvedError(f"the dynamic reference to {service}:{name[:80]}")
            return match.group()

        done = _DYNAMIC.sub(replace, text)
        self._check_length(len(done))
        return done

    # -- what references lead to -------------------------------------------------------------

    def _ref(self, stack: str, name: str) -> Resolved:
        if name.startswith("AWS::"):
            return self._pseudo(stack, name)
        template = self._templates[stack]
        if name in template.get("Parameters", {}):
            return self._parameter(stack, name)
        return self.identity(stack, name).ref

    def _pseudo(self, stack: str, name: str) -> Resolved:
        facts = self._stacks[stack]
        scope = facts.scope
        known: dict[str, Resolved] = {
            "AWS::AccountId": scope.account,
            "AWS::NoValue": NO_VALUE,
            "AWS::NotificationARNs": [],
            "AWS::Partition": scope.partition,
            "AWS::Region": scope.region,
            "AWS::StackId": f"{scope.arn('cloudformation', 'stack')}/{facts.name}/invented",
            "AWS::StackName": facts.name,
            "AWS::URLSuffix": scope.url_suffix,
        }
        if name not in known:
            raise UnresolvedError(f"the pseudo parameter {name[:60]}")
        return known[name]

    def _parameter(self, stack: str, name: str) -> Resolved:
        place = (stack, name)
        if place not in self._parameters:
            with self._once("parameter", stack, name):
                self._parameters[place] = self._parameter_value(stack, name)
        return self._charged(self._parameters[place])

    def _parameter_value(self, stack: str, name: str) -> Resolved:
        raw = self._templates[stack]["Parameters"][name]
        facts = self._stacks[stack]
        type_ = str(raw.get("Type", "String"))
        if name in facts.parameters:
            value = facts.parameters[name]
        elif facts.parent is not None and name in (given := self._given_to(facts.parent)):
            value = self._value(facts.parent[0], given[name], strict=True)
        else:
            value = raw.get("Default")
        if isinstance(value, list):  # a list from the parent, which CloudFormation joins and splits
            value = ",".join(str(each) for each in value)
        if type_.startswith("AWS::SSM::Parameter::Value<"):
            invented = names.parameter(type_, name)
            known = self._ssm_known(stack, str(value))
            if known is None and invented is not None:
                return invented
            value = self._ssm_value(stack, str(value))
        elif value is None:
            invented = names.parameter(type_, name)
            if invented is None:
                raise UnresolvedError(f"the parameter {name} has no default and no value was given")
            return invented
        if "List<" in type_ or type_ == "CommaDelimitedList":
            return [each.strip() for each in str(value).split(",")] if value != "" else []
        if isinstance(value, bool):
            return "true" if value else "false"
        if not isinstance(value, str | int | float):
            raise UnresolvedError(f"the value of the parameter {name} is {_shown(value)}")
        return str(value)

    def _given_to(self, nested: tuple[str, str]) -> Mapping[str, Any]:
        stack, logical_id = nested
        properties = self._templates[stack]["Resources"][logical_id].get("Properties") or {}
        given = properties.get("Parameters", {})
        return given if isinstance(given, dict) else {}

    def _attribute(self, stack: str, logical_id: str, name: str) -> Resolved:
        raw = self._raw(stack, logical_id)
        type_ = raw["Type"]
        if type_ == "AWS::CloudFormation::Stack" and name.startswith("Outputs."):
            child = self._children.get((stack, logical_id))
            if child is None:
                raise UnresolvedError(f"the template of the nested stack {logical_id} is not here")
            return self.output(child, name.removeprefix("Outputs."))
        if type_.startswith("Custom::") or type_ == "AWS::CloudFormation::CustomResource":
            raise UnresolvedError(f"{logical_id}.{name} is what a custom resource's function says")
        properties = raw.get("Properties") or {}
        if name in properties and name != "Arn":
            # Such as the CidrBlock of a VPC: what was given is what comes back.
            with self._once("attribute", stack, f"{logical_id}.{name}"):
                return self._value(stack, properties[name], strict=True)
        return names.attribute(
            scope=self._stacks[stack].scope,
            type_=type_,
            identity=self.identity(stack, logical_id),
            name=name,
        )

    def _raw(self, stack: str, logical_id: str) -> Template:
        raw = self._templates[stack].get("Resources", {}).get(logical_id)
        if not isinstance(raw, dict):
            raise UnresolvedError(f"{stack} has no resource and no parameter {logical_id[:80]}")
        if not self._deployed(stack, raw):
            raise UnresolvedError(f"{logical_id} is not deployed, its condition does not hold")
        return raw

    def _deployed(self, stack: str, raw: Template) -> bool:
        """Whether a resource is there; it is taken to be where that is not known, which is told."""
        try:
            return "Condition" not in raw or self.condition(stack, raw["Condition"])
        except UnresolvedError:
            return True

    def identity(self, stack: str, logical_id: str) -> Identity:
        """What a resource is known by.

        Raises:
            UnresolvedError: There is no such resource.
        """
        place = (stack, logical_id)
        if place not in self._identities:
            with self._once("name of", stack, logical_id):
                self._identities[place] = self._identify(stack, logical_id)
        return self._identities[place]

    def _identify(self, stack: str, logical_id: str) -> Identity:
        raw = self._raw(stack, logical_id)
        properties = raw.get("Properties") or {}

        def given(name: str) -> str | None:
            if not isinstance(properties, dict) or name not in properties:
                return None
            try:
                value = self._value(stack, properties[name], strict=True)
            except UnresolvedError:
                return None  # told where the property itself is resolved
            return value if isinstance(value, str) else None

        def free(name: str) -> str:
            taken = name
            number = 2
            while taken in self._given_out:
                taken = f"{name}-{number}"
                number += 1
            self._given_out.add(taken)
            return taken

        return names.identify(
            scope=self._stacks[stack].scope,
            type_=raw["Type"],
            logical_id=logical_id,
            given=given,
            alias=lambda: self._alias(stack, logical_id),
            free=free,
        )

    def _alias(self, stack: str, logical_id: str) -> str | None:
        references = ({"Ref": logical_id}, {"Fn::GetAtt": [logical_id, "Arn"]})
        for raw in self._templates[stack]["Resources"].values():
            if isinstance(raw, dict) and raw.get("Type") == "AWS::KMS::Alias":
                properties = raw.get("Properties") or {}
                name = properties.get("AliasName")
                if properties.get("TargetKeyId") in references and isinstance(name, str):
                    return name.removeprefix("alias/") or None
        return None

    def _import(self, stack: str, name: str) -> Resolved:
        facts = self._stacks[stack]
        if self._exports is None:
            self._exports = dict(self._all_exports())
        found = self._exports.get((facts.account, facts.region, name))
        if found is None:
            raise UnresolvedError(f"no stack here exports {name[:120]}")
        self.imports.add((stack, found[0]))
        return self.output(*found)

    def _all_exports(self) -> Iterator[tuple[tuple[str, str, str], tuple[str, str]]]:
        for stack, template in self._templates.items():
            facts = self._stacks[stack]
            for name, output in template.get("Outputs", {}).items():
                match output:
                    case {"Export": {"Name": exported}}:
                        try:
                            text = self._text(stack, exported)
                        except UnresolvedError:
                            continue  # whoever imports it is told that it is not here
                        yield (facts.account, facts.region, text), (stack, name)

    def _stack_output(self, stack_name: str, output: str) -> Resolved:
        for key, facts in self._stacks.items():
            if stack_name == facts.name:
                return self.output(key, output)
        raise UnresolvedError(f"there is no stack {stack_name[:80]} here")

    def _ssm_known(self, stack: str, name: str) -> tuple[str, str] | None:
        if self._ssm is None:
            self._ssm = {}
            for key, template in self._templates.items():
                for logical_id, raw in template.get("Resources", {}).items():
                    if isinstance(raw, dict) and raw.get("Type") == "AWS::SSM::Parameter":
                        facts = self._stacks[key]
                        known = self.identity(key, logical_id).name
                        self._ssm[facts.account, facts.region, known] = (key, logical_id)
        facts = self._stacks[stack]
        return self._ssm.get((facts.account, facts.region, name))

    def _ssm_value(self, stack: str, name: str) -> str:
        known = self._ssm_known(stack, name)
        if known is None:
            raise UnresolvedError(f"the Systems Manager parameter {name[:80]} is not in here")
        with self._once("Systems Manager parameter", *known):
            return str(self._attribute(*known, "Value"))

    # -- conditions --------------------------------------------------------------------------

    def condition(self, stack: str, name: object) -> bool:
        """Whether a condition of a template holds.

        Raises:
            UnresolvedError: That cannot be known, or there is no such condition.
        """
        place = (stack, str(name))
        if place not in self._conditions:
            conditions = self._templates[stack].get("Conditions", {})
            if not isinstance(name, str) or name not in conditions:
                raise UnresolvedError(f"{stack} has no condition {_shown(name)}")
            with self._once("condition", stack, name):
                self._conditions[place] = self._holds(stack, conditions[name])
        return self._conditions[place]

    def _holds(self, stack: str, value: Any) -> bool:  # noqa: ANN401 - a piece of a template
        match value:
            case {"Condition": str() as name}:
                return self.condition(stack, name)
            case {"Fn::And": [*parts]} if parts:
                return all(self._holds(stack, part) for part in parts)
            case {"Fn::Or": [*parts]} if parts:
                return any(self._holds(stack, part) for part in parts)
            case {"Fn::Not": [part]}:
                return not self._holds(stack, part)
            case {"Fn::Equals": [left, right]}:
                return self._text(stack, left) == self._text(stack, right)
            case {"Fn::Contains": [choices, one]}:
                return self._text(stack, one) in self._texts(stack, choices)
        raise UnresolvedError(f"the condition {_shown(value)}")


_CONDITIONS: Final = frozenset({"Fn::And", "Fn::Contains", "Fn::Equals", "Fn::Not", "Fn::Or"})


_FUNCTIONS: Final[Mapping[str, Callable[[Resolver, str, Any], Resolved]]] = {
    "Fn::Base64": Resolver._fn_base64,
    "Fn::Cidr": Resolver._fn_cidr,
    "Fn::FindInMap": Resolver._fn_find_in_map,
    "Fn::GetAZs": Resolver._fn_get_azs,
    "Fn::GetAtt": Resolver._fn_get_att,
    "Fn::GetStackOutput": Resolver._fn_get_stack_output,
    "Fn::ImportValue": Resolver._fn_import_value,
    "Fn::Join": Resolver._fn_join,
    "Fn::Length": Resolver._fn_length,
    "Fn::Select": Resolver._fn_select,
    "Fn::Split": Resolver._fn_split,
    "Fn::Sub": Resolver._fn_sub,
    "Fn::ToJsonString": Resolver._fn_to_json_string,
    "Fn::Transform": Resolver._fn_transform,
    "Ref": Resolver._fn_ref,
}


def _misused(name: str, argument: object) -> UnresolvedError:
    return UnresolvedError(f"{name} cannot take {_shown(argument)}")


def _beside_others(value: Mapping[str, Any]) -> Resolved:
    name = next(key for key in value if key.startswith("Fn::"))
    raise UnresolvedError(f"{name[:80]} stands beside other keys, so a macro expands it")


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."
