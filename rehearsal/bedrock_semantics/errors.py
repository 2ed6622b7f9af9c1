"""Errors that Bedrock answers with.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelCustomizationJob.html
"""

from __future__ import annotations


class ServiceError(Exception):
    """A service refuses a request, with the code, text and HTTP status its SDK shows."""

    def __init__(self, code: str, message: str = "no", status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status

    def __str__(self) -> str:
        return self.message


class ValidationError(ServiceError):
    """The request, or what it names, is not valid."""

    def __init__(self, message: str) -> None:
        super().__init__("ValidationException", message)


class NotFoundError(ServiceError):
    """The request names something that does not exist."""

    def __init__(self, message: str) -> None:
        super().__init__("ResourceNotFoundException", message, 404)


class ConflictError(ServiceError):
    """The resource is in a state that does not allow this."""

    def __init__(self, message: str) -> None:
        super().__init__("ConflictException", message)


class QuotaError(ServiceError):
    """The account has as many jobs as it may have."""

    def __init__(self, message: str) -> None:
        super().__init__("ServiceQuotaExceededException", message)


class TooManyTagsError(ServiceError):
    """A resource would have more tags than it may have."""

    def __init__(self, message: str) -> None:
        super().__init__("TooManyTagsException", message)


class LostError(Exception):
    """An answer that never comes: the call may have had its effect."""


class ImpossibleError(AssertionError):
    """Whoever moves the jobs on wants what no job does: one that has ended moves no more."""
