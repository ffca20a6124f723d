"""Of a page the main text is read: without what stands around it, by the extra `web`."""

from __future__ import annotations

from harness_tui.tools.web import text

PARAGRAPH = "The tide tables of the northern harbours were printed by hand until the war, and kept in every boat. " * 6
PAGE = f"""<html><head><title>Tides</title></head><body><nav><a href=/a>Home</a><a href=/b>Shop</a></nav>
<article><h1>Tides</h1><p>{PARAGRAPH}</p><p>{PARAGRAPH[::-1]}</p></article>
<footer>Cookie settings, imprint, newsletter</footer></body></html>"""


def test_the_article_is_read_and_what_stands_around_it_is_not() -> None:
    title, found = text.readable(PAGE, "https://tides.example/")
    assert title == "Tides" and "# Tides" in found, "as Markdown"
    assert "printed by hand" in found
    assert "Cookie settings" not in found and "Shop" not in found
