"""The six packs of cdk-nag on templates, as CloudFormation will get them.

On the construct tree the packs miss raw resources and overrides; on templates they see them.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from review.others.finding import Remark, ToolError
from review.template.resolver import Template

PACKS: Final = (
    "AwsSolutions",
    "HIPAA.Security",
    "NIST.800.53.R4",
    "NIST.800.53.R5",
    "PCI.DSS.321",
    "Serverless",
)


def pack_remarks(templates: Mapping[str, Template]) -> list[Remark]:
    """What the packs find, acknowledged or not.

    Args:
        templates: By the key of their stack.

    Raises:
        ToolError: The library does not read one of the templates.
    """
    # jsii starts Node on import: a second that whoever asks for our own rules only does not wait.
    import jsii  # noqa: PLC0415
    from aws_cdk import App, Stack  # noqa: PLC0415
    from aws_cdk.cloudformation_include import CfnInclude  # noqa: PLC0415

    app = App()
    keys = {f"S{number}": key for number, key in enumerate(templates)}
    try:
        with tempfile.TemporaryDirectory() as folder:
            for name, key in keys.items():
                file = Path(folder) / f"{name}.json"
                file.write_text(json.dumps(readable(templates[key])), encoding="utf-8")
                CfnInclude(Stack(app, name, stack_name=name), "T", template_file=str(file))
        return list(_remarks(app, keys))
    except (RuntimeError, jsii.errors.JSIIError) as error:
        raise ToolError("cdk-nag", _first_line(error)) from error


def _remarks(app: Any, keys: Mapping[str, str]) -> Iterator[Remark]:  # noqa: ANN401 - jsii's types
    from cdk_nag import (  # noqa: PLC0415
        AwsSolutionsChecks,
        HIPAASecurityChecks,
        NIST80053R4Checks,
        NIST80053R5Checks,
        PCIDSS321Checks,
        ServerlessChecks,
    )

    for pack in (
        AwsSolutionsChecks(),
        HIPAASecurityChecks(),
        NIST80053R4Checks(),
        NIST80053R5Checks(),
        PCIDSS321Checks(),
        ServerlessChecks(),
    ):
        for violation in pack.validate_scope(app).violations:
            for place in violation.violating_resources:
                name, _, logical_id = (place.construct_path or "").split("/", 2)
                yield Remark(
                    tool="cdk-nag",
                    stack=keys[name],
                    logical_id=logical_id,
                    finding=f"{pack.read_pack_name}::{violation.rule_name}",
                    level="warning" if violation.severity == "warning" else "error",
                    message=violation.description,
                )


def readable(value: Any) -> Any:  # noqa: ANN401 - a piece of a template
    """A template as the library reads it.

    It does not read its own weak references back: an import means the same here. And it runs no
    macros; the model has told of them.
    """
    match value:
        case {"Fn::GetStackOutput": {"StackName": stack, "OutputName": output}}:
            return {"Fn::ImportValue": f"{stack}:{output}"}
        case {"Transform": _, "Resources": dict()}:
            return {key: readable(each) for key, each in value.items() if key != "Transform"}
        case dict():
            return {key: readable(each) for key, each in value.items()}
        case list():
            return [readable(each) for each in value]
    return value


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
