"""Errors the emulated services answer with."""

from __future__ import annotations


class ServiceError(Exception):
    """A service refuses a request, with the code and text its SDK shows."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class AccessDeniedError(ServiceError):
    """A policy does not let the caller do this."""

    def __init__(self, message: str) -> None:
        super().__init__("AccessDeniedException", message, status=403)


class NothingThereError(AccessDeniedError):
    """Denied, but only because what is named does not exist and so carries no tags."""


class ValidationError(ServiceError):
    """The request, or what it names, is not valid."""

    def __init__(self, message: str) -> None:
        super().__init__("ValidationException", message)


class NotFoundError(ServiceError):
    """The request names something that does not exist."""

    def __init__(self, message: str) -> None:
        super().__init__("ResourceNotFoundException", message, status=404)


class ConflictError(ServiceError):
    """The resource is in a state that does not allow this."""

    def __init__(self, message: str) -> None:
        super().__init__("ConflictException", message)


class UnreachableError(Exception):
    """There is no network path for a call; on AWS it would hang until it times out."""
