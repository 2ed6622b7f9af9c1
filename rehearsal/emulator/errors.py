"""Errors the emulated services answer with; Bedrock's own are in `rehearsal.bedrock_semantics`."""

from __future__ import annotations

from rehearsal.bedrock_semantics.errors import ServiceError


class AccessDeniedError(ServiceError):
    """A policy does not let the caller do this."""

    def __init__(self, message: str) -> None:
        super().__init__("AccessDeniedException", message, status=403)


class NothingThereError(AccessDeniedError):
    """Denied, but only because what is named does not exist and so carries no tags."""


class UnreachableError(Exception):
    """There is no network path for a call; on AWS it would hang until it times out."""
