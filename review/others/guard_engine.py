"""Rules written in Guard, run by the engine that aws-cdk-lib carries: no binary is needed.

https://docs.aws.amazon.com/cfn-guard/latest/ug/writing-rules.html
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from review.others.finding import Remark, ToolError
from review.others.packs import readable
from review.template.resolver import Template

RULES: Final = Path(__file__).resolve().parents[1] / "guard"
"""Where our own rules lie, `*.guard`."""
_RULE: Final = re.compile(r"^rule\s+(\w+)", flags=re.MULTILINE)


def guard_sources(folder: Path = RULES) -> dict[str, str]:
    """The text of each file of rules, by its name."""
    return {file.stem: file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.guard"))}


def guard_remarks(
    templates: Mapping[str, Template], *, sources: Mapping[str, str] | None = None
) -> list[Remark]:
    """What rules written in Guard find.

    Args:
        templates: By the key of their stack.
        sources: The rules, by a name for each text; our own unless given.

    Raises:
        ToolError: The engine does not read the rules or a template.
    """
    texts = guard_sources() if sources is None else sources
    if not texts:
        return []
    # jsii starts Node on import: a second that whoever asks for our own rules only does not wait.
    import jsii  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for number, (key, template) in enumerate(templates.items()):
            file = Path(folder) / f"{number}.json"
            file.write_text(json.dumps(readable(template)), encoding="utf-8")
            files[str(file)] = key
        try:
            report = _validate(files, texts)
            # The engine has rules of its own, which cfn-lint knows better.
            names = {name for text in texts.values() for name in _RULE.findall(text)}
            return list(_remarks(report, files, names))
        # jsii answers rules that are no Guard with what its own Python side cannot take apart.
        except (RuntimeError, ValueError, jsii.errors.JSIIError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ToolError("guard", reason[:300]) from error


def _validate(files: Mapping[str, str], texts: Mapping[str, str]) -> Any:  # noqa: ANN401 - jsii's types
    import jsii  # noqa: PLC0415
    from aws_cdk import (  # noqa: PLC0415
        App,
        CloudFormationValidatePlugin,
        IPolicyValidationContext,
        PolicyValidationStack,
        ValidationRuleSource,
    )

    app = App()

    @jsii.implements(IPolicyValidationContext)
    class Context:
        @property
        def app_construct(self) -> App:
            return app

        @property
        def stack_templates(self) -> list[PolicyValidationStack]:
            return [
                PolicyValidationStack(template_path=file, stack_construct_path=key)
                for file, key in files.items()
            ]

        @property
        def template_paths(self) -> list[str]:
            return list(files)

        @property
        def account_id(self) -> str | None:
            return None

        @property
        def region(self) -> str | None:
            return None

    plugin = CloudFormationValidatePlugin(
        guard_rules=[
            ValidationRuleSource(name=name, content=content) for name, content in texts.items()
        ],
        include_default_rules=False,
    )
    return plugin.validate(Context())


def _remarks(report: Any, files: Mapping[str, str], names: set[str]) -> Iterator[Remark]:  # noqa: ANN401
    for violation in report.violations:
        if violation.rule_name not in names:
            continue
        for place in violation.violating_resources:
            where = place.locations[0] if place.locations else ""
            yield Remark(
                tool="guard",
                stack=files[place.template_path],
                logical_id=place.resource_logical_id or "",
                finding=violation.rule_name,
                message=violation.description,
                property=where.removeprefix("Properties").removeprefix("."),
            )
