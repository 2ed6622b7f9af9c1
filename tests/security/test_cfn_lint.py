"""cfn-lint finds nothing in any template; it alone sees misspelt operators and properties."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from cfnlint import ConfigMixIn  # type: ignore[import-untyped]  # it ships no types
from cfnlint.runner import Runner  # type: ignore[import-untyped]  # the same

from tests.security.app_deployment import AppDeployment
from tests.security.synthesis import WITH_INFERENCE

CONFIGURATION = Path(__file__).resolve().parents[2] / ".cfnlintrc.yaml"


def _found(
    folder: Path, templates: Mapping[str, Mapping[str, Any]], *, configuration: Path
) -> dict[str, list[str]]:
    """What cfn-lint finds, by check."""
    files = []
    for name, template in templates.items():
        file = folder / f"{name}.json"
        file.write_text(json.dumps(template, indent=1), encoding="utf-8")
        files.append(str(file))
    config = ConfigMixIn(["--config-file", str(configuration), "--", *files])
    found: dict[str, list[str]] = {}
    for match in Runner(config).run():
        found.setdefault(match.rule.id, []).append(
            f"{Path(match.filename).name}:{match.linenumber}: {match.message}"
        )
    return found


@pytest.fixture(scope="module")
def unfiltered(
    dev: AppDeployment,
    prod: AppDeployment,
    variant: Callable[[Mapping[str, Any]], AppDeployment],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, list[str]]:
    """What cfn-lint finds in all templates when no check is left out."""
    folder = tmp_path_factory.mktemp("lint")
    nothing = folder / "nothing.yaml"
    nothing.write_text("{}", encoding="utf-8")
    return _found(
        folder,
        {**dev.templates, **prod.templates, **variant(WITH_INFERENCE).templates},
        configuration=nothing,
    )


def _left_out() -> set[str]:
    return set(yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))["ignore_checks"])


def test_every_template_is_free_of_errors_and_warnings(
    unfiltered: dict[str, list[str]],
) -> None:
    assert {check: at for check, at in unfiltered.items() if check not in _left_out()} == {}


def test_every_check_that_is_left_out_would_find_something(
    unfiltered: dict[str, list[str]],
) -> None:
    assert _left_out() <= set(unfiltered)


def test_what_is_misspelt_is_found(dev: AppDeployment, tmp_path: Path) -> None:
    """An operator of a condition, the name of a property, and a value."""
    misspelt = {"StringEqual": {"aws:SourceVpce": "vpce-1"}}
    path = "PolicyDocument.Statement.Sid=DenyAnotherKey.Condition"
    weaker = dev.put("AWS::S3::BucketPolicy", path, misspelt, where={"Bucket": "bucket-bucket"})
    weaker = weaker.put("AWS::S3::Bucket", "VersioningConfiguration.Status", "On")
    weaker = weaker.put("AWS::EC2::VPCEndpoint", "PrivateDnsEnable", True)
    name = "finetune-dev-storage"
    found = _found(tmp_path, {name: weaker.templates[name]}, configuration=CONFIGURATION)
    assert set(found) == {"E3512", "E3030", "E3002"}
