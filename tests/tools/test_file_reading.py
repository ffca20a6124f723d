"""A page of a file: whole lines, whole characters, how to go on, and no more work than a page is worth."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tui.domain.errors import HarnessError, UsageError
from harness_tui.domain.messages import ToolCall
from harness_tui.domain.seams import ToolOutcome
from harness_tui.tools.files.box import FileBox
from harness_tui.tools.files.reading import PAGE, page

from .plain_sandbox import Plain


@pytest.fixture
def box(tmp_path: Path) -> FileBox:
    return FileBox(Plain(tmp_path))


async def read(box: FileBox, path: str, **more: object) -> ToolOutcome:
    return await box.perform(ToolCall("c", "read_file", {"path": path, **more}))


async def test_lines_come_with_where_they_are_and_how_to_go_on(box: FileBox, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("one\ntwo\nthree\n")
    assert (await read(box, "x")).text == "x lines 1-3 of 3\none\ntwo\nthree"
    assert (await read(box, "x", limit=2)).text == "x lines 1-2 of 3\none\ntwo\n[more follows: offset=3]"
    assert (await read(box, "./x", offset=3)).text == "x lines 3-3 of 3\nthree"
    assert (await read(box, "x", offset=4)).text == "x has 3 lines; line 4 is past its end"
    assert (await read(box, "x", byte_offset=4)).text == "x bytes 4-14 of 14\ntwo\nthree\n"
    assert (await read(box, "x", byte_offset=99)).text == "x has 14 bytes; byte 99 is past its end"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "x is empty (0 bytes)"),
        (b"\n", "x lines 1-1 of 1\n"),
        (b"a", "x lines 1-1 of 1\na"),
        (b"a\r\nb\r\n", "x lines 1-2 of 2, CRLF line endings\na\nb"),
        (b"\xef\xbb\xbfa\n", "x lines 1-1 of 1\na"),
        ("grün\n".encode("latin-1"), "x lines 1-1 of 1, bytes that are not UTF-8 shown as \ufffd\ngr\ufffdn"),
        (b"\x7fELF\0\0", "x is binary: 6 bytes, beginning with 7f 45 4c 46 00 00"),
        (b"\xff\xfea\0", "x is UTF-16 text, which these tools do not read: 4 bytes, beginning with ff fe 61 00"),
    ],
)
async def test_every_kind_of_text_is_shown_as_text_and_nothing_else_is(
    box: FileBox, tmp_path: Path, data: bytes, text: str
) -> None:
    (tmp_path / "x").write_bytes(data)
    assert await read(box, "x") == ToolOutcome(True, text)


async def test_an_enormous_line_is_read_on_by_bytes(box: FileBox, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("first\n" + "é" * 20_000 + "\nlast\n")
    first = (await read(box, "x")).text
    assert first == "x lines 1-1 of 3\nfirst\n[more follows: offset=2]"
    second = (await read(box, "x", offset=2)).text
    assert second.startswith("x bytes 6-16390 of 40012, line 2 being longer than a page\néé")
    assert second.endswith("é\n[more follows: byte_offset=16390]")


async def test_a_sparse_file_of_10_gb_costs_a_page(box: FileBox, tmp_path: Path) -> None:
    for name, head in (("zeros", b""), ("text", b"line\n" * 20_000)):
        with (tmp_path / name).open("wb") as file:
            file.write(head)
            file.truncate(10 * 1024**3)
    assert "binary: 10737418240 bytes" in (await read(box, "zeros")).text
    text = (await read(box, "text")).text
    assert text.startswith("text lines 1-2000\nline\n")
    assert text.endswith("[more follows: offset=2001]")
    assert "not within the first 67108864" in (await read(box, "text", offset=1_000_000)).text
    assert "\ufffd" in (await read(box, "text", byte_offset=9 * 1024**3)).text


async def test_what_cannot_be_read_is_said_in_one_sentence(box: FileBox, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    said = {"absent": "There is no absent", "d": "is a directory", "../x": "leads up", "d/x/y": "no d/x/y"}
    for path, words in said.items():
        outcome = await read(box, path)
        assert not outcome.ok
        assert words in outcome.text
        assert "Error" not in outcome.text


async def test_an_earlier_result_is_read_like_a_file(tmp_path: Path) -> None:
    async def spilled(name: str) -> bytes:
        if name != "result:0123456789abcdef":
            raise UsageError(f"There is no {name} in this run.")
        return b"alpha\nbeta\n"

    box = FileBox(None, spilled=spilled)
    found = await read(box, "result:0123456789abcdef", offset=2)
    assert found.text == "result:0123456789abcdef lines 2-2 of 2\nbeta"
    grep = ToolCall("c", "grep", {"pattern": "^a", "path": "result:0123456789abcdef"})
    assert (await box.perform(grep)).text == "result:0123456789abcdef:1:alpha"
    assert await read(box, "result:nope") == ToolOutcome(False, "There is no result:nope in this run.")
    assert "no result:x" in (await read(FileBox(None), "result:x")).text
    write = await box.weigh(ToolCall("c", "write_file", {"path": "result:x", "content": ""}), "L2")
    assert "no workspace" in write.refusal


def follow(data: bytes, most: int) -> tuple[list[str], int]:
    """Read to the end as told: all text, and the longest page."""
    pages, longest = [], 0
    position: dict[str, int | None] = {"offset": 1, "byte_offset": None}
    for _ in range(len(data) * 2 + 10):
        text = page(io.BytesIO(data), "x", position["offset"] or 1, 2000, position["byte_offset"], most)
        body = text.split("\n", 1)[1] if "\n" in text else ""
        told = re.search(r"\n\[more follows: (\w+)=(\d+)\]\Z", text)
        body = body[: body.rindex("\n[more follows")] if told else body
        pages.append(body + ("\n" if text.startswith("x lines") else ""))
        longest = max(longest, len(body.encode()))
        if told is None:
            return pages, longest
        position = {"offset": None, "byte_offset": None, told[1]: int(told[2])}
    raise AssertionError("it never ended")


TEXT = st.text(st.sampled_from("ab\né€\U0001f600 \u2028\x0b"), max_size=300)


@given(TEXT.filter(lambda text: bool(text)), st.integers(4, 60))
def test_following_what_a_page_says_gives_all_of_the_text_once(text: str, most: int) -> None:
    pages, longest = follow(text.encode(), most)
    whole = "".join(pages)
    assert whole.removesuffix("\n") == text.removesuffix("\n")
    assert longest <= most


@given(st.binary(max_size=300), st.integers(-5, 400), st.integers(-5, 400), st.none() | st.integers(-5, 400))
def test_any_bytes_and_numbers_give_a_page(data: bytes, offset: int, limit: int, byte_offset: int | None) -> None:
    text = page(io.BytesIO(data), "x", offset, limit, byte_offset, 40)
    assert text.startswith(("x ", "Line "))
    assert len(text.encode()) < 40 + 200
    assert follow(data, 8)[1] <= 8


@pytest.mark.parametrize("asked", [PAGE, 10**9])
def test_a_page_stays_below_a_results_ceiling(asked: int) -> None:
    for data in (b"x" * 10**6, b"\xff" * 10**6, b"a\n" * 10**6, b"\xff\n" * 10**6):
        assert len(page(io.BytesIO(data), "x", 1, 10**9, None, asked).encode()) < 24 * 1024
        assert len(page(io.BytesIO(data), "x", 1, 10**9, 5, asked).encode()) < 24 * 1024


def test_errors_of_a_box_are_ours() -> None:
    with pytest.raises(HarnessError, match="no workspace"):
        _ = FileBox(None).tree
