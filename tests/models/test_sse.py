"""The event reader: the same events however the bytes are split and the lines are ended."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tui.models import sse
from harness_tui.models.sse import Reader

LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=12)
EVENTS = st.lists(st.lists(LINES, min_size=1, max_size=3), max_size=5)


def read(*pieces: bytes) -> list[str]:
    reader = Reader()
    return [data for piece in pieces for data in reader.feed(piece)] + list(reader.end())


@given(EVENTS, st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from(["", ": ping\n\n"]), st.data())
def test_events_are_the_same_however_they_are_split(
    events: list[list[str]], end: str, noise: str, data: st.DataObject
) -> None:
    raw = "".join(f"{noise}event: x{end}" + "".join(f"data: {line}{end}" for line in e) + end for e in events).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    pieces = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    assert read(*pieces) == ["\n".join(event) for event in events]


def test_every_single_byte_may_come_alone() -> None:
    raw = "\ufeffdata:投票\r\ndata:  🗳\r\n\r\n: ping\r\n\r\ndata: 2\r\n\r\n".encode()
    assert read(*(raw[i : i + 1] for i in range(len(raw)))) == ["投票\n 🗳", "2"]


def test_the_last_event_needs_no_blank_line_and_no_line_end() -> None:
    assert read(b"data: 1\n\ndata: 2\n") == ["1", "2"]
    assert read(b"data: 1\n\ndata: 2") == ["1", "2"]


def test_what_is_sent_beside_the_format_comes_last() -> None:
    assert read(b'data: 1\n\n{\n  "error": {}\n}\n\ndata: 2\n\n') == ["1", "2", '{\n  "error": {}\n}']


def test_an_event_without_data_is_none() -> None:
    assert read(b"event: ping\nid: 7\nretry: 3\n\n\n\ndata\n\n") == [""]


@pytest.mark.parametrize("pieces", [(b"data: \xff\n\n",), (b"data: \xe6\x8a", b"\n\n"), (b"data: 1\n\n\xe6",)])
def test_bytes_that_are_no_utf8_are_an_error(pieces: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError):
        read(*pieces)


def test_an_event_without_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT", 10)
    assert read(*[b": ping\n", b"data: 1234\n\n"] * 5) == ["1234"] * 5
    with pytest.raises(ValueError, match="without end"):
        read(*[b"data: 1\n"] * 5)
