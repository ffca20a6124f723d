"""Redaction: no form of a secret survives, in one text or in pieces, in a record or in a key of one."""

from __future__ import annotations

import base64
import html
import json
from typing import Literal
from urllib.parse import quote, quote_plus

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness_tui.domain.messages import ToolCall
from harness_tui.domain.redaction import HIDDEN, Redaction, distinctive

# Brackets would let a secret begin inside the mark that hides another; the mark itself holds no secret of four letters.
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="[]"), min_size=4, max_size=40).filter(
    lambda text: text.strip() == text and len(text.strip()) >= 4 and text not in HIDDEN
)


def hiding(*values: str) -> Redaction:
    redaction = Redaction()
    redaction.add(values)
    return redaction


def forms(value: str) -> dict[str, str]:
    """How others write a value: none of this is the code under test."""
    raw = value.encode()
    return {
        "raw": value,
        "url": quote(value, safe=""),
        "url, JavaScript": quote(value, safe="!'()*~"),
        "url, form": quote_plus(value),
        "url, every byte": "".join(f"%{byte:02x}" for byte in raw),
        "hex": raw.hex(),
        "HEX": raw.hex().upper(),
        "json": json.dumps(value)[1:-1],
        "json, unicode": json.dumps(value, ensure_ascii=False)[1:-1],
        "json in json": json.dumps(json.dumps({"x": value}))[9:-4],
        "repr": repr(value)[1:-1],
        "html": html.escape(value),
        "html, by number": "".join(f"&#{ord(char)};" for char in value),
        "base64": base64.b64encode(raw).decode(),
        "base64, url": base64.urlsafe_b64encode(raw).decode(),
    }


@given(VALUES)
@example("Pa55 <w\u00f6rd>&\"q'/~+")
@example("\u5bc6\u7801\u5bc6\u7801 \U0001f511")
@example("\u0645\u0631\u0648\u0631/\u05d0\u05d1")
def test_no_form_survives(value: str) -> None:
    hide = hiding(value)
    for name, form in forms(value).items():
        shown = hide(f"<{form}>")
        assert form.rstrip("=") not in shown, name
        assert hide.contains(f"<{form}>"), name
    assert value not in repr(hide)


@given(VALUES, st.binary(max_size=4), st.binary(max_size=4))
def test_base64_of_a_text_that_holds_it_is_recognised_at_every_alignment(
    value: str, before: bytes, after: bytes
) -> None:
    raw = value.encode()
    hide = hiding(value)
    shown = hide(base64.b64encode(before + raw + after).decode())
    assert HIDDEN in shown
    # What is left are the characters the value shares with its neighbours.
    assert len(shown.replace(HIDDEN, "")) <= 4 * (len(before + after) + 6) / 3


@st.composite
def split_texts(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    """Secrets, overlapping ones too, and a text that holds some of their forms, cut anywhere."""
    letters = draw(st.sampled_from(["ab", "abc", 'a"<%', "ab \u5bc6\u7801"]))
    values = draw(st.lists(st.text(letters, min_size=1, max_size=9), min_size=1, max_size=3))
    parts = st.sampled_from([form for value in values for form in forms(value).values() if form])
    text = "".join(draw(st.lists(st.one_of(parts, st.text(letters, max_size=4)), max_size=8)))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return values, [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@given(split_texts())
def test_a_text_in_pieces_comes_out_as_it_does_at_once(given: tuple[list[str], list[str]]) -> None:
    values, pieces = given
    hide = hiding(*values)
    stream = hide.stream()
    assert "".join([*map(stream.feed, pieces), stream.flush()]) == hide("".join(pieces))


def test_a_stream_holds_back_no_more_than_may_begin_a_secret() -> None:
    stream = hiding("hunter22").stream()
    assert stream.feed("the word is h") == "the word is "
    assert stream.feed("ot, hunt") == "hot, "
    assert stream.feed("er22, say I") == f"{HIDDEN}, say I"
    assert stream.flush() == ""


def test_a_secret_learnt_while_a_text_streams_is_hidden_from_then_on() -> None:
    hide = Redaction()
    stream = hide.stream()
    assert stream.feed("late: hun") == "late: hun"
    hide.add(["hunter22"])
    assert stream.feed("ter22 hunter22") == f"ter22 {HIDDEN}"


def test_a_long_secret_in_a_long_text_in_small_pieces() -> None:
    """A private key of a few thousand characters: what waits is bounded by it, and nothing of it comes out."""
    key = "-----BEGIN KEY-----\n" + "\n".join(f"line {n} of the key material" for n in range(120))
    hide = hiding(key)
    text = ("x" * 999 + key) * 5
    stream = hide.stream()
    pieces = [text[at : at + 64] for at in range(0, len(text), 64)]
    assert "".join([*map(stream.feed, pieces), stream.flush()]) == ("x" * 999 + HIDDEN) * 5


def test_a_short_secret_is_hidden_as_a_word_in_pieces_too() -> None:
    stream = hiding("ab").stream()
    assert "".join([*map(stream.feed, "ab cab abc: a"), *map(stream.feed, "b"), stream.flush()]) == (
        f"{HIDDEN} cab abc: {HIDDEN}"
    )


class Record(msgspec.Struct, frozen=True):
    word: Literal["open", "denied"]
    text: str
    more: dict[str, object] = {}
    calls: tuple[ToolCall, ...] = ()


def test_every_string_of_a_record_is_redacted_and_fixed_words_stay() -> None:
    hide = hiding("denied", "hunter22")
    call = ToolCall("c1", "browser_fill", {"selector": "#p", "value": ["hunter22", 7]})
    record = Record("denied", "was denied", {"k-hunter22": {"deep": ("hunter22", None)}}, (call,))
    clean = hide.deep(record)
    assert clean == Record(
        "denied",
        f"was {HIDDEN}",
        {f"k-{HIDDEN}": {"deep": (HIDDEN, None)}},
        (ToolCall("c1", "browser_fill", {"selector": "#p", "value": [HIDDEN, 7]}),),
    )
    assert msgspec.json.decode(msgspec.json.encode(clean), type=Record).word == "denied"


@given(
    st.recursive(
        st.none() | st.integers() | st.text("abc", max_size=4),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
    )
)
def test_what_holds_no_secret_comes_back_as_the_same_object(given: object) -> None:
    assert hiding("hunter22").deep(given) is given
    assert Redaction().deep(given) is given


@pytest.mark.parametrize("text", ["", "nothing here", "hunter2"])
def test_without_a_secret_nothing_changes(text: str) -> None:
    hide = hiding("hunter22", "", "  ")
    assert hide(text) is text or hide(text) == text
    assert not hide.contains(text)


@pytest.mark.parametrize("key", ["test", "ollama", "EMPTY", "not-needed", "dummy-key", "sk-test", "lm-studio"])
def test_the_keys_of_servers_without_keys_are_no_secrets(key: str) -> None:
    assert not distinctive(key)


@pytest.mark.parametrize("key", ["sk-canary-1", "hunter22", "canary-secret-do-not-leak", "AIza0123456789"])
def test_a_key_nobody_writes_by_chance_is_one(key: str) -> None:
    assert distinctive(key)
