"""A verdict is read as a form: exactly it, or none. Nothing a checker writes makes the reader fail."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tui.domain.loop import verdict
from harness_tui.domain.messages import ToolCall

CLEAN = '{"verdict": "clean", "reasons": ["looked at both files"]}'


def call(**arguments: object) -> ToolCall:
    return ToolCall("c1", verdict.TOOL, dict(arguments))


@pytest.mark.parametrize(
    ("answer", "word", "reasons"),
    [
        (CLEAN, "clean", ("looked at both files",)),
        (f"\n  {CLEAN}\n", "clean", ("looked at both files",)),
        (f"```json\n{CLEAN}\n```", "clean", ("looked at both files",)),
        ('{"verdict":"concerns","reasons":["a"," ","b"]}', "concerns", ("a", "b")),
        ('{"verdict":"failed","reasons":[]}', "failed", ()),
        ('{"verdict":"failed"}', "failed", ()),
        ('{"verdict":"failed","reasons":["```json"]}', "failed", ("```json",)),
    ],
)
def test_an_answer_that_is_the_form_counts(answer: str, word: str, reasons: tuple[str, ...]) -> None:
    read = verdict.read(answer)
    assert (read.verdict, read.reasons, read.note) == (word, reasons, "")


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        ("", "answered nothing"),
        ("  \n", "answered nothing"),
        ("Looks good to me, verdict: clean.", "not one JSON object"),
        (f"Here it is: {CLEAN}", "not one JSON object"),
        (f"{CLEAN}\nThanks!", "not one JSON object"),
        (f"{CLEAN}\n{CLEAN}", "not one JSON object"),
        (f"```json\n{CLEAN}\n```\n```json\n{CLEAN}\n```", "not one JSON object"),
        (f"```\n{CLEAN}\n```", "not one JSON object"),
        (f"[{CLEAN}]", "not a JSON object"),
        ('"clean"', "not a JSON object"),
        ("null", "not a JSON object"),
        ('{"verdict": "Clean"}', 'it is "Clean"'),
        ('{"verdict": "clean but"}', 'it is "clean but"'),
        ('{"verdict": true}', "missing, or no word"),
        ('{"verdict": ["clean"]}', "missing, or no word"),
        ("{}", "missing, or no word"),
        ('{"reasons": []}', "missing, or no word"),
        ('{"verdict": "clean", "confidence": 1}', '"confidence"'),
        ('{"verdict": "failed", "verdict": "clean"}', "a field twice"),
        ('{"verdict": "clean", "reasons": "fine"}', "no list of sentences"),
        ('{"verdict": "clean", "reasons": [1]}', "no list of sentences"),
        ('{"verdict": "clean", "reasons": {"a": "b"}}', "no list of sentences"),
        ("[" * 30_000, "not one JSON object"),
        (" " * 10 + "x" * verdict.LONGEST + "x", "longer than"),
    ],
)
def test_anything_else_is_no_verdict_and_says_why(answer: str, note: str) -> None:
    read = verdict.read(answer)
    assert (read.verdict, read.reasons) == ("", ())
    assert note in read.note


def test_a_call_of_the_tool_counts_and_other_calls_do_not() -> None:
    read = verdict.read(
        "Done.", [ToolCall("c0", "read_file", {"verdict": "failed"}), call(verdict="clean", reasons=["a"])]
    )
    assert (read.verdict, read.reasons) == ("clean", ("a",))


@pytest.mark.parametrize(
    "wrong", [{}, {"verdict": "ok"}, {"verdict": "clean", "by": "me"}, {"verdict": "clean", "reasons": 1}]
)
def test_a_call_of_another_form_does_not_count(wrong: dict[str, object]) -> None:
    assert verdict.read("I called it.", [call(**wrong)]).verdict == ""
    assert "its call" in verdict.read("I called it.", [call(**wrong)]).note


def test_a_call_that_could_not_be_parsed_does_not_count() -> None:
    assert verdict.read("", [ToolCall("c", verdict.TOOL, {"verdict": "clean"}, error="cut off")]).verdict == ""


def test_two_verdicts_are_none_unless_they_are_the_same() -> None:
    two = verdict.read("", [call(verdict="failed"), call(verdict="clean")])
    assert two.verdict == ""
    assert "failed and clean" in two.note
    assert verdict.read(CLEAN, [call(verdict="concerns")]).verdict == ""
    assert verdict.read(CLEAN, [call(verdict="clean"), call(verdict="clean")]).verdict == "clean"


def test_reasons_are_bounded() -> None:
    read = verdict.read(json.dumps({"verdict": "concerns", "reasons": ["x" * 600] * 90}))
    assert read.verdict == "concerns"
    assert len(read.reasons) == verdict.REASONS
    assert {len(each) for each in read.reasons} == {verdict.REASON}


def test_a_lone_surrogate_does_not_break_the_journal() -> None:
    read = verdict.read('{"verdict": "failed", "reasons": ["\\ud800 here"]}')
    assert read.verdict == "failed"
    msgspec.json.encode(read)
    msgspec.json.encode(verdict.read('{"verdict": "\\udfff"}'))
    msgspec.json.encode(verdict.read('{"\\udfff": 1}'))


_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.sampled_from(["clean", "verdict", "reasons"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.just("verdict"), inner, max_size=4),
)


@given(st.text() | _values.map(json.dumps), st.lists(st.dictionaries(st.text(), _values, max_size=3), max_size=3))
def test_whatever_it_reads_it_never_raises(answer: str, calls: list[dict[str, object]]) -> None:
    read = verdict.read(answer, [ToolCall("c", verdict.TOOL, each) for each in calls])
    assert read.verdict in ("", *verdict.WORDS)
    assert bool(read.verdict) != bool(read.note)
    msgspec.json.encode(read)


def test_the_example_a_checker_is_shown_is_of_the_form() -> None:
    example = next(line for line in verdict.FORM.splitlines() if line.startswith("{"))
    assert verdict.read(example).verdict == "clean"
