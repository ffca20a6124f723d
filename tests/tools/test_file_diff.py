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
@given(st.none() | TEXTS.filter(bool), TEXTS, st.sampled_from([0, 3, 1000]))
@example("".join(LONG), "".join(["new\n", *LONG[:40], *LONG[50:], "tail"]), 1000)
@example("a", "a\n", 0)
@example("a\r\nb\r\n", "a\r\nc\r\n", 1000)
def test_git_makes_the_new_content_of_the_old(old: str | None, new: str, edits: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diff, "EDITS", edits)
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


@given(TEXTS, TEXTS)
def test_no_more_lines_are_shown_as_changed_than_have_to_be(old: str, new: str) -> None:
    a, b = old.split("\n"), new.split("\n")
    row = list(range(len(b) + 1))
    for i, line in enumerate(a, 1):
        row, last = [i], row
        for j, other in enumerate(b, 1):
            row.append(last[j - 1] if line == other else 1 + min(last[j], row[j - 1]))
    made = unified(old.encode(), new.encode(), "f")
    assert made.added + made.removed <= row[-1] + 2  # the end of the last line counts as a change of that line


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"a\nb\n" * 50_000, b"b\n" + b"a\nb\n" * 50_000 + b"a\n" * 50_000),
        (b"x\n" + b"a\n" * 20_000 + b"y\n", b"a\nb\n" * 99),
        (b"a\n" * 20_000 + b"y\n", b"b\na\n" * 10_000),
        (b"".join(b"%d\n" % n for n in range(100_000)), b"".join(b"%d\n" % n for n in range(100_000, 0, -1))),
    ],
    ids=["shifted", "alike", "mixed", "reversed"],
)
def test_the_worst_texts_are_compared_in_bounded_work(old: bytes, new: bytes) -> None:
    made = unified(old, new, "f")
    assert made.added - made.removed == new.count(b"\n") - old.count(b"\n")
