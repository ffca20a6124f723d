"""Sites that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from .news_site import NewsSite


@pytest.fixture
def news_site() -> Iterator[Callable[..., NewsSite]]:
    """`news_site("quirk")`: a running site."""
    sites: list[NewsSite] = []

    def start(quirk: str = "") -> NewsSite:
        sites.append(NewsSite(quirk))
        return sites[-1]

    yield start
    for site in sites:
        site.close()
