"""Templates of our own making, written to a folder and read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from review.template.assembly import Loaded, load

BUCKET = "AWS::S3::Bucket"
NESTED = "AWS::CloudFormation::Stack"


def bucket(**properties: object) -> dict[str, Any]:
    return {"Type": BUCKET, "Properties": properties}


def template(value: object = None, **sections: Any) -> dict[str, Any]:
    """A template whose resource `Subject` has a value to resolve as its bucket's name."""
    resources = {"Subject": bucket(BucketName=value), **sections.pop("Resources", {})}
    return {"Resources": resources, **sections}


def write_template(folder: Path, content: object, name: str = "stack.template.json") -> Path:
    file = folder / name
    file.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return file


def load_template(folder: Path, content: object, **given: Any) -> Loaded:
    return load([write_template(folder, content)], **given)


def write_assembly(
    folder: Path, templates: Mapping[str, Any], **artifacts: Mapping[str, Any]
) -> Path:
    """A folder as `cdk synth` writes it, with more of an artifact where a stack needs it."""
    entries = {}
    for name, content in templates.items():
        write_template(folder, content, f"{name}.template.json")
        more = dict(artifacts.get(name, {}))
        entries[name] = {
            "type": "aws:cloudformation:stack",
            "properties": {
                "templateFile": f"{name}.template.json", **more.pop("properties", {})
            },
            **more,
        }  # fmt: skip
    manifest = {"version": "55.0.0", "artifacts": entries}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def subject(loaded: Loaded) -> Any:  # noqa: ANN401 - a resolved value
    """What the name of the resource `Subject` came out as."""
    (found,) = [each for each in loaded.deployment.resources if each.logical_id == "Subject"]
    return found["BucketName"]
