"""No untrusted character steers a terminal or hides itself."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tui.domain.safetext import clip, mark_spaces, safe

HOSTILE = [
    "\x1b]52;c;U0VDUkVU\x07",
    "\x1b]0;title\x1b\\",
    "\x1b[21t\x1b[6n\x1b[c",
    "\x9b31m\x9d0;x\x9c",
    "\x1bP+q\x1b\\ \x1b_G\x1b\\",
    "safe\rrm -rf /\b\b\b",
    "\u202egnp.exe\u2066\u061c\u200e",
    "zero\u200bwidth\u2060\ufeff\U000e0041",
    "del\x7f nul\x00 lone\ud800",
    "line\u2028sep\u2029",
    "\u3164\u115f\u00a0",
    "a" + "\u0301" * 10_000,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_not_obeyed(text: str) -> None:
    assert all(harmless(c) for c in safe(text))


@given(st.text(alphabet=st.characters(codec=None, categories=None), max_size=200))
def test_fuzzed_text_is_harmless_and_readable_text_is_untouched(text: str) -> None:
    assert all(harmless(c) for c in safe(text))
    assert all(c == "\n" or harmless(c) for c in safe(text, newlines=True))
    assert len(clip(text, 20)) <= 20
    assert safe(safe(text)) == safe(text)


def test_ordinary_words_stay_as_they_are() -> None:
    for text in ("Grüße, 世界! naïve é", 'Show HN: a "durable" log', "[@click=app.quit]x[/]"):
        assert safe(text) == text


def test_nothing_hides_behind_spaces() -> None:
    assert mark_spaces("echo ok" + " " * 4000 + "; id") == "echo ok<4000 spaces>; id"


def harmless(char: str) -> bool:
    category = unicodedata.category(char)
    return category[0] not in "C" and category not in ("Zl", "Zp") and (category != "Zs" or char == " ")
