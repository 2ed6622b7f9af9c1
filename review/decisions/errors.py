"""What cannot be decided, and is therefore never decided."""

from __future__ import annotations


class UndecidableError(Exception):
    """Something that this evaluator does not know; a request that meets it is not allowed."""


class MalformedPolicyError(UndecidableError):
    """A policy document that AWS would refuse, or that says what this evaluator does not know."""


class UnknownConditionKeyError(UndecidableError):
    """A condition on a key that no request is known to carry.

    AWS takes such a key for one that is absent, so that a misspelt Deny may never deny.
    """


class MalformedRequestError(UndecidableError):
    """A question that no caller of AWS could ask, such as one about a resource without an ARN."""
