"""Whatever the words are, the proof answers; and what it accepts is the same when it is asked again."""

from __future__ import annotations

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness_tui.tools.shell.programs import TABLE
from harness_tui.tools.shell.reads import Reading, prove

from .calls import calls

WORDS = st.text(max_size=20) | st.text("-=abcdefonpxzs0129,/$`;|&<>{}()[]'\"\\ %+.!~\n", max_size=12)
SHELL = re.compile(r"\$\(|[`;|&<>\n\r\0]")


@settings(max_examples=200)
@given(st.sampled_from(sorted(TABLE)) | WORDS, st.lists(WORDS, max_size=8), st.booleans())
@example("git", ["--no-pager"], True)
@example("sed", ["-n", "--"], True)
def test_any_words_have_an_answer(name: str, arguments: list[str], strict: bool) -> None:
    found = prove([name, *arguments], strict=strict)
    if isinstance(found, str):
        assert found.endswith(".") and len(found) < 600
        return
    assert found.program in TABLE and found.words[0] == found.program
    if strict:
        assert not any(SHELL.search(word) for word in (name, *arguments))


@settings(max_examples=200)
@given(calls())
def test_what_is_accepted_is_accepted_again_as_it_is_run(words: list[str]) -> None:
    found = prove(words, strict=False)
    if isinstance(found, str):
        return
    assert prove(words, strict=False) == found
    if found.program != "git":
        again = prove(found.words, strict=False)
        assert isinstance(again, Reading) and (again.words, again.paths) == (found.words, found.paths)


@settings(max_examples=150)
@given(calls(), st.integers(0, 7), st.sampled_from(["../../etc/passwd", "/etc/passwd"]))
def test_a_path_that_leaves_is_named_wherever_it_is_read(words: list[str], at: int, away: str) -> None:
    """It may stay unnamed only where it is no file: a pattern, a script, a value that is mere text, a word to print."""
    at = min(at + 1, len(words))
    found = prove([*words[:at], away, *words[at:]], strict=False)
    if isinstance(found, str) or away in found.paths or any(path.endswith(away) for path in found.paths):
        return
    program = TABLE[found.program]
    place = found.words.index(away) if away in found.words else -1
    value = place < 0 or found.words[place - 1].startswith("-")
    assert value or program.operands == "words" or program.first is not None or program.read is not None


@settings(max_examples=200)
@given(calls(), st.sampled_from(["$(id)", "a;b", "a|b", "x`", "\n", ">f", "\uff1b"]), st.integers(1, 8))
def test_no_place_hides_what_was_meant_for_a_shell(words: list[str], mark: str, at: int) -> None:
    assert isinstance(prove([*words[:at], mark, *words[at:]]), str)
