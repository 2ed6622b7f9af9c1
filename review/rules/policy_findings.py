"""What a policy says beyond the design, and what it does not say of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set

from review.rules.containment import beyond, missing
from review.rules.rule import Violation, at
from review.template.deployment import Resource
from review.template.policies import Grant, MalformedPolicyError


def policy_as_designed(resource: Resource, path: str, expected: Set[Grant]) -> Iterator[Violation]:
    """Violations of one policy document.

    Stricter is as good: conditions may be added to what is allowed, and denials may reach further.
    """
    if not isinstance(resource[path], Mapping):
        yield at(resource, "no policy, so AWS's default applies", path)
        return
    try:
        found = resource.grants(path)
    except MalformedPolicyError as error:
        yield at(resource, str(error), path)
        return
    for grant in beyond(found, expected):
        yield at(resource, f"unexpected: {grant}", path)
    for grant in missing(found, expected):
        yield at(resource, f"missing: {grant}", path)
