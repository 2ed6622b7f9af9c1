"""Structure rules: what a template must say, whoever deploys it, and what this app's always says.

from review.rules import rules_of, violations

for rule in rules_of("any"):
    for violation in rule(deployment):
        ...
"""

from __future__ import annotations

from collections.abc import Iterator

from review.rules import (
    buckets,
    deployments,
    endpoints,
    flow_logs,
    follow_up,
    functions,
    groups,
    invocation_logging,
    jobs,
    keys,
    network,
    resources,
    retention,
    roles,
    stores,
    watching,
)
from review.rules.rule import RULES, Level, Profile, Rule, Violation
from review.template.deployment import Deployment

FAMILIES = (
    network,
    endpoints,
    groups,
    flow_logs,
    keys,
    buckets,
    stores,
    functions,
    watching,
    jobs,
    deployments,
    follow_up,
    invocation_logging,
    roles,
    retention,
    resources,
)
"""Each holds the rules of one family; in the order in which a reader meets them."""

__all__ = ["FAMILIES", "RULES", "Level", "Profile", "Rule", "Violation", "rules_of", "violations"]


def rules_of(profile: Profile) -> list[Rule]:
    """The rules of a profile; those for this app come with those for everybody."""
    return [rule for rule in RULES.values() if profile == "app" or rule.profile == "any"]


def violations(deployment: Deployment, profile: Profile) -> Iterator[tuple[Rule, Violation]]:
    """Everything that the rules of a profile find."""
    for rule in rules_of(profile):
        for violation in rule(deployment):
            yield rule, violation
