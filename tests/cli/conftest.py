"""The room's browsers are the light ones: what the verbs say is tested here. One demo has the browser a user has."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True, scope="module")
def _light(light_browser: None) -> None:
    """All of this room's browsers."""
