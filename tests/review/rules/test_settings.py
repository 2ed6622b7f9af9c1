"""Whatever correct settings say, what they make breaks no rule: synth would refuse it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from review.rules import violations
from tests.security.app_deployment import AppDeployment
from tests.security.synthesis import EVERY_OPTION

VariantMaker = Callable[[Mapping[str, Any]], AppDeployment]

LLAMA = {"base_model": "meta.llama3-2-1b-instruct-v1:0:128k", "dataset": "reviews"}
EXTREMES: dict[str, Mapping[str, Any]] = {
    "every option": EVERY_OPTION,
    "least": {
        "network": {
            "cidr": "10.0.0.0/21",
            "training_zones": ["b"],
            "service_zones": ["c", "d"],
            "flow_log_retention_days": 1,
        },
        "keys": {"submitter_uses_model_key": False},
        "storage": {"retain": False, "require_endpoint": False, "access_log_retention_days": 1},
        "people": {"uploaders": ["role/a"], "readers": ["user/b"], "administrators": ["role/c*"]},
        "engine": {"log_retention_days": 1, "log_level": "DEBUG", "follow_minutes": 2,
                   "validation_minutes": 1},
        "jobs": {},
    },
    "most": {
        "account": "444455556666",
        "region": "us-west-2",
        "tags": {"team": "reviews"},
        "network": {"training_zones": ["a", "b", "c", "d"], "service_zones": ["a", "b", "d"]},
        "keys": {"pending_window_days": 30, "direct_kms": True},
        "engine": {"reserved_concurrency": 100, "max_jobs_in_progress": 10, "follow_minutes": 60},
        "jobs": {
            "one": {**LLAMA, "validation_dataset": "held-back", "run": 1_000_000},
            "two": {**LLAMA, "wait_for": "submission", "on_replace": "delete-model"},
        },
    },
}  # fmt: skip


@pytest.mark.parametrize("extreme", EXTREMES)
def test_correct_settings_break_no_rule(variant: VariantMaker, extreme: str) -> None:
    found = violations(variant(EXTREMES[extreme]), "app")
    assert [(rule.id, str(each)) for rule, each in found if rule.level == "error"] == []


def test_settings_that_loosen_are_told(variant: VariantMaker) -> None:
    told = {rule.id for rule, _ in violations(variant(EXTREMES["least"]), "app")}
    assert {"buckets.endpoint-required", "stores.logs-kept-a-month"} <= told
    told = {rule.id for rule, _ in violations(variant(EXTREMES["every option"]), "app")}
    assert {"endpoints.s3-scoped", "keys.no-direct-calls"} <= told
