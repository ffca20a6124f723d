"""The diff of a change: git, applying it to the old content, makes the new one, whatever the lines are."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness_tui.tools.files import diff
from harness_tui.tools.files.diff import unified

LINE = st.sampled_from(["a\n", "b\n", "\n", " \n", "c\r\n", "é\u2028\x0b\n", "+\n", "--- f\n", "\\\n"])
LINES = st.lists(LINE, max_size=25)
TEXTS = st.builds(lambda lines, last: "".join(lines) + last, LINES, st.sampled_from(["", "end"]))
LONG = [f"{n}\n" for n in range(100)]


def applied(old: str | None, text: str) -> bytes:
    """What git makes of `old` by the diff."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        file = Path(folder, "f")
        if old is not None:
            file.write_bytes(old.encode())
        command = ["git", "apply", "-p0", "--whitespace=nowarn", "-"]
        subprocess.run(command, input=text.encode(), cwd=folder, check=True, capture_output=True)
        return file.read_bytes()


@settings(max_examples=60, deadline=None)
@given(st.none() | TEXTS.filter(bool), TEXTS, st.sampled_from([0, 4_000_000]))
@example("".join(LONG), "".join(["new\n", *LONG[:40], *LONG[50:], "tail"]), 4_000_000)
@example("a", "a\n", 0)
@example("a\r\nb\r\n", "a\r\nc\r\n", 4_000_000)
def test_git_makes_the_new_content_of_the_old(old: str | None, new: str, compared: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diff, "COMPARED", compared)
        made = unified(None if old is None else old.encode(), new.encode(), "f")
    if (old or "") == new:
        assert (made.added, made.removed, made.text.count("\n")) == (0, 0, 2)
    else:
        assert applied(old, made.text) == new.encode()


def test_a_last_line_without_its_end_is_marked() -> None:
    assert unified(b"a", b"a\n", "f").text == "--- f\n+++ f\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"


def test_bytes_that_are_no_utf_8_are_shown() -> None:
    assert "-gr\\xfcn\n+grün\n" in unified(b"gr\xfcn\n", "grün\n".encode(), "f").text


def test_what_is_far_apart_is_shown_apart() -> None:
    made = unified("".join(LONG).encode(), "".join(["x\n", *LONG[1:-1], "y\n"]).encode(), "f")
    assert [line for line in made.text.split("\n") if line.startswith("@@")] == ["@@ -1,4 +1,4 @@", "@@ -97,4 +97,4 @@"]
    assert (made.added, made.removed) == (2, 2)


@pytest.mark.timeout(60)
def test_the_worst_text_is_compared_in_bounded_work() -> None:
    """Lines that are all alike, and as many as a file can have: what differs is one block."""
    old = b"a\nb\n" * 500_000
    made = unified(old, b"b\n" + old[2:] + b"a\n" * 500_000, "f")
    assert made.added >= 500_000
    assert unified(b"a\n" * 1999 + b"x", b"b\na\n" * 1000, "f").text
