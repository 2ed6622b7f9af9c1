"""Fixtures: a folder of settings, and its only finding."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from settings import Finding
from tests.settings.settings_folder import Folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    return Folder(tmp_path / "config")


@pytest.fixture
def only(folder: Folder) -> Callable[[Mapping[str, Any] | str | bytes], Finding]:
    """Load settings that have one mistake, and return it."""

    def one(settings: Mapping[str, Any] | str | bytes) -> Finding:
        (finding,) = folder.findings(settings)
        return finding

    return one
