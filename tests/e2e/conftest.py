"""The room's browsers are the light ones: verdicts are what is tested here."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True, scope="module")
def _light(light_browser: None) -> None:
    """All of this room's browsers."""
