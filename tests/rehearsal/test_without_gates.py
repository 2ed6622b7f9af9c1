"""What scenarios deploy is what the app's own synth deploys."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rehearsal.layout import ROOT
from review.template.deployment import Deployment


def _deployed(template: Mapping[str, Any]) -> dict[str, Any]:
    """A template without the packs' metadata."""
    resources = {
        name: {key: value for key, value in resource.items() if key != "Metadata"}
        for name, resource in template["Resources"].items()
    }
    return {**template, "Resources": resources}


def _synthesise(folder: Path, config: Path) -> dict[str, Any]:
    subprocess.run(
        [sys.executable, "-m", "rehearsal.without_gates"],
        cwd=ROOT,
        env={
            **os.environ,
            "CDK_OUTDIR": str(folder),
            "FINETUNE_CONFIG": str(config),
            "FINETUNE_ENVIRONMENT": "dev",
        },
        check=True,
        timeout=300,
    )
    return {
        path.name.removesuffix(".template.json"): _deployed(json.loads(path.read_text("utf-8")))
        for path in folder.glob("*.template.json")
    }


def test_without_gates_the_templates_are_the_same(tmp_path: Path, dev: Deployment) -> None:
    expected = {name: _deployed(template) for name, template in dev.templates.items()}
    made = _synthesise(tmp_path, ROOT / "config")
    assert made == expected
    # The twin: one property more is noticed.
    next(iter(made["finetune-dev-network"]["Resources"].values()))["Properties"]["Made"] = "up"
    assert made != expected
