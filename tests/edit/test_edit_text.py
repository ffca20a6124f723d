"""The text an operator edits: it comes back as it was given, and what cannot be read is refused with its place."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tui.domain.editing import Edit, as_text, assigned, changes, from_text, parsed, same, suffix
from harness_tui.domain.errors import UsageError
from harness_tui.domain.views import ApprovalRow

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
ARGUMENTS = st.dictionaries(TEXT, VALUE, max_size=4)


def row(arguments: dict[str, Any] | None = None, **more: Any) -> ApprovalRow:
    return ApprovalRow("A-1", "r1", "r1/1", tool="shell_exec", arguments=arguments or {}, **more)


@given(ARGUMENTS, TEXT)
def test_what_is_given_comes_back_as_it_was_and_is_no_edit(arguments: dict[str, Any], summary: str) -> None:
    asked = row(arguments, summary=summary)
    text = as_text(asked)
    assert from_text(asked, text) is None
    other = row({"something": "else"})
    made = from_text(other, text)
    assert made is not None and made.arguments is not None and same(made.arguments, arguments)
    assert not [char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Co", "Zl", "Zp") and char != "\n"]


@given(st.text())
def test_any_text_is_read_refused_or_nothing(text: str) -> None:
    try:
        made = from_text(row({"command": "ls"}), text)
    except UsageError:
        return
    assert made is None or isinstance(made.arguments, dict)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('# x\n# y\n{"a": 1\n "b": 2}', "Line 4, column 2: this is not JSON"),
        ('{"a": 1} # after', "Line 1, column 10"),
        ('{"a": 1, "a": 2}', '"a" is given twice'),
        ('{"a": [{"b": 1, "b": 2}]}', '"b" is given twice'),
        ('{"a": NaN}', "NaN is no number"),
        ('{"a": 1e999}', "too large"),
        ('{"a": ' + "9" * 5000 + "}", "too large"),
        ('{"a": "\\ud800"}', "half of a character"),
        ('{"a": ' + "[" * 200 + "]" * 200 + "}", "nested too deep"),
        ("[" * 100_000, "nested too deep"),
        ('["ls"]', "are one JSON object"),
    ],
)
def test_what_has_no_one_meaning_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        from_text(row({"a": 1}), text)


def test_emptied_or_only_comments_is_no_edit() -> None:
    for text in ("", " \n\n", "# nothing\n\n# here\n", "\ufeff\n"):
        assert from_text(row({"a": 1}), text) is None
    assert parsed("\n\n{}\n") == {}


def test_numbers_that_look_alike_are_not_the_same() -> None:
    assert from_text(row({"n": 1}), '{"n": 1.0}') == Edit({"n": 1.0})
    assert from_text(row({"n": 1}), '{"n": true}') == Edit({"n": True})
    assert changes({"n": 1, "gone": "x"}, {"n": True, "new": [1]}) == [
        ("n", "1", "true"),
        ("gone", "x", ""),
        ("new", "", "[1]"),
    ]


def test_a_change_is_its_diff_to_the_byte() -> None:
    change = row(kind="change")
    diff = "diff --git a/f b/f\r\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-# old\n+# new\x0c\n"
    text = as_text(change, diff)
    assert suffix(change) == ".diff" and text.endswith(diff)
    assert from_text(change, text, diff) is None
    assert from_text(change, text.replace("# new", "# newer"), diff) == Edit(diff=diff.replace("# new", "# newer"))
    assert from_text(change, text.rstrip("\n"), diff) is None, "an editor may leave the last line end out"
    assert from_text(change, "# gone\n", diff) is None


def test_what_is_in_doubt_has_no_text() -> None:
    with pytest.raises(UsageError, match="cannot be edited"):
        as_text(row(kind="in_doubt"))


def test_one_argument_is_set_as_text_where_text_stood() -> None:
    asked = row({"command": "ls", "timeout": 5})
    assert assigned(asked, "command", "[1") == Edit({"command": "[1", "timeout": 5})
    assert assigned(asked, "timeout", "7") == Edit({"command": "ls", "timeout": 7})
    assert assigned(asked, "cwd", '"src"') == Edit({"command": "ls", "timeout": 5, "cwd": "src"})
    assert assigned(asked, "timeout", "5") is None
    with pytest.raises(UsageError, match="Line 1, column 1"):
        assigned(asked, "timeout", "soon")
    assert json.loads(json.dumps(asked.arguments)) == {"command": "ls", "timeout": 5}, "the row is as it was"
