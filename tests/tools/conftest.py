"""What reads a page for a tool may take as long as a loaded machine needs."""

from __future__ import annotations

import pytest

from harness_tui.tools.web import reader


@pytest.fixture(autouse=True)
def _unhurried_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader.read_page, "__defaults__", (60.0,))
