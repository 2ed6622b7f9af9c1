"""Fixtures: the command line, a project, and AWS with a bucket of outputs."""

from __future__ import annotations

import boto3
import pytest

from tests.finetune.conftest import project, run
from tests.metrics.bucket_fake import FakeBucket

__all__ = ["aws", "project", "run"]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeBucket:
    """AWS with the development environment deployed and no job."""
    fake = FakeBucket()
    monkeypatch.setattr(boto3, "Session", fake.session)
    return fake
