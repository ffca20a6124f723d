"""`@tool`: name, description and schema come from the function, and the function stays what it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tui.domain.errors import UsageError
from harness_tui.domain.messages import Risk
from harness_tui.tools.tool import Tool, tool


@tool
def search(query: str, limit: int = 10, tags: list[str] = ["a"], *, exact: bool = False) -> str:  # noqa: B006
    """Search the notes.

    Finds whole words.

    Args:
        query: what to look for,
            in any language.
        limit (int): how many to return: at most 50.
        tags: labels.

    Returns:
        limit: not a parameter description.
    """
    tags.append("seen")
    return f"{query} {limit} {tags} {exact}"


def test_the_spec_is_read_from_the_function() -> None:
    spec = search.spec
    assert (spec.name, spec.risk, spec.deadline) == ("search", "destructive", 120.0)
    assert spec.description == "Search the notes.\n\nFinds whole words."
    assert spec.schema == {
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "what to look for, in any language."},
            "limit": {"type": "integer", "default": 10, "description": "how many to return: at most 50."},
            "tags": {"type": "array", "items": {"type": "string"}, "description": "labels."},
            "exact": {"type": "boolean", "default": False},
        },
        "required": ["query"],
        "additionalProperties": False,
    }


def test_it_is_still_the_plain_function() -> None:
    assert search("x", 1, ["b"], exact=True) == "x 1 ['b', 'seen'] True"
    assert search.__name__ == "search"
    assert search.__doc__ is not None


def test_a_model_calls_it_with_an_object_and_defaults_are_never_shared() -> None:
    assert search.call({"query": "x"}) == search.call({"query": "x"}) == "x 10 ['a', 'seen'] False"


async def test_an_async_tool_gives_its_coroutine() -> None:
    @tool(risk="read_only", deadline=5)
    async def wait(seconds: float) -> float:
        return seconds

    assert wait.is_async
    assert (wait.spec.risk, wait.spec.deadline) == ("read_only", 5)
    assert await wait.call({"seconds": 2}) == 2.0
    assert await wait(3.0) == 3.0


def test_rich_types_have_a_schema_and_are_converted() -> None:
    @dataclass
    class Point:
        x: int
        y: int = 0

    def place(at: Point, mode: Literal["a", "b"] | None = None, extra: dict[str, int] | None = None) -> Any:
        return at

    place.__annotations__ |= {"at": Point}
    made: Tool[..., Any] = tool(place)
    assert made.spec.schema["properties"]["at"] == {"$ref": "#/$defs/Point"}
    assert made.spec.schema["$defs"]["Point"]["required"] == ["x"]
    assert made.call({"at": {"x": 1}}) == Point(1)


def test_without_hints_and_docstring_anything_goes() -> None:
    @tool
    def anything(value):  # type: ignore[no-untyped-def]
        return value

    assert anything.spec.description == ""
    assert anything.spec.schema["properties"] == {"value": {}}
    assert anything.call({"value": [1]}) == [1]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "missing required field `query`"),
        ({"query": 1}, "Expected `str`, got `int` - at `$.query`"),
        ({"query": "x", "limit": "5"}, "Expected `int`, got `str`"),
        ({"query": "x", "quary": 1}, "unknown field `quary`"),
    ],
)
def test_wrong_arguments_are_named_and_never_reach_the_function(arguments: dict[str, Any], problem: str) -> None:
    assert problem in search.problem(arguments)
    with pytest.raises(msgspec.ValidationError):
        search.call(arguments)


def test_what_cannot_be_a_tool_is_refused_with_its_reason() -> None:
    def spread(*args: int) -> None: ...

    def complicated(value: complex | bytes | int) -> None: ...

    with pytest.raises(UsageError, match="spread cannot be a tool"):
        tool(spread)
    with pytest.raises(UsageError, match="complicated cannot be a tool"):
        tool(complicated)
    with pytest.raises(UsageError, match="needs a name"):
        tool(lambda: None)
    with pytest.raises(UsageError, match='risk "harmless" is not known'):
        tool(risk="harmless")  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="deadline must be more than 0"):
        tool(deadline=0)


@given(st.sampled_from(["read_only", "idempotent", "destructive", "network"]), st.text(), st.integers(), st.booleans())
def test_arguments_go_through_json_unchanged(risk: Risk, text: str, number: int, flag: bool) -> None:
    @tool(risk=risk)
    def echo(text: str, number: int, flag: bool) -> tuple[str, int, bool]:
        return text, number, flag

    assert echo.call({"text": text, "number": number, "flag": flag}) == (text, number, flag)
