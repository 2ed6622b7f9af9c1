"""A folder with one correct settings file and one pushed data set, which tests make wrong."""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from settings import Finding, Settings, SettingsError, load_settings

DIGEST = "0123456789abcdef" * 4


def lock_entry(*, name: str, family: str = "amazon-nova-micro", ok: bool = True) -> dict[str, Any]:
    return {
        "sha256": DIGEST,
        "key": f"fine-tuning-datasets/{name}/{DIGEST}/train.jsonl",
        "bytes": 1000,
        "records": 200,
        "check": {
            "version": "1",
            "model_family": family,
            "ok": ok,
            "at": "2026-11-22T12:00:00Z",
        },
    }


CORRECT: Mapping[str, Any] = {
    "region": "us-east-1",
    "people": {
        "uploaders": ["role/engineer"],
        "readers": ["role/engineer"],
        "administrators": ["role/administrator"],
    },
    "jobs": {"review": {"base_model": "amazon.nova-micro-v1:0:128k", "dataset": "reviews"}},
}

ABSENT = object()


def with_change(path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    """The correct settings with one value put in, or without it for `ABSENT`."""
    values = copy.deepcopy(dict(CORRECT))
    here: Any = values
    for part in path[:-1]:
        here = here.setdefault(part, {}) if isinstance(here, dict) else here[part]
    if value is ABSENT:
        here.pop(path[-1], None)
    else:
        here[path[-1]] = value
    return values


def as_yaml(settings: Mapping[str, Any]) -> str:
    """The settings as YAML: as JSON, since PyYAML would leave out quotes that YAML 1.2 needs."""
    return json.dumps(settings, indent=2, ensure_ascii=False).replace("Infinity", ".inf")


class Folder:
    """A folder of settings files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.write_lock(
            {
                "reviews": lock_entry(name="reviews"),
                "nova-2": lock_entry(name="nova-2", family="amazon-nova-2"),
                "prompts": lock_entry(name="prompts", family="distillation-nova"),
                "graded": lock_entry(name="graded", family="amazon-nova-2-rft"),
                "llama": lock_entry(name="llama", family="meta-llama-3-1"),
                "broken": lock_entry(name="broken", ok=False),
            }
        )

    def write_lock(self, entries: Mapping[str, Any]) -> None:
        path = self.directory / "datasets.lock.json"
        path.write_text(json.dumps(entries, indent=2), encoding="utf-8")

    def load(self, settings: Mapping[str, Any] | str | bytes) -> Settings:
        path = self.directory / "dev.yaml"
        if isinstance(settings, bytes):
            path.write_bytes(settings)
        else:
            text = settings if isinstance(settings, str) else as_yaml(settings)
            path.write_text(text, encoding="utf-8")
        return load_settings(environment="dev", directory=self.directory)

    def findings(self, settings: Mapping[str, Any] | str | bytes) -> tuple[Finding, ...]:
        with pytest.raises(SettingsError) as caught:
            self.load(settings)
        return caught.value.findings
