"""A repository to load loop files in."""

from __future__ import annotations

from pathlib import Path

import pytest

from .files import repository


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path / "repo")
