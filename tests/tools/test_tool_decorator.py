"""`@tool`: name, description and schema come from the function, and the function stays what it was."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Required, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, Field

from harness_tui.domain.errors import UsageError
from harness_tui.domain.messages import Risk
from harness_tui.tools.arguments import BadArguments
from harness_tui.tools.tool import Tool, tool


class Item(BaseModel):
    title: str
    n: int = 3


class Size(enum.Enum):
    small = "small"
    large = "large"


class Way(TypedDict, total=False):
    to: Required[str]
    by: str


class Point(BaseModel):
    x: int


@tool
def typed(
    count: int = 0, share: float = 0, sure: bool = False, when: datetime.date | None = None, point: Point | None = None
) -> dict[str, Any]:
    return locals()


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
            "tags": {"type": "array", "items": {"type": "string"}, "default": ["a"], "description": "labels."},
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
        ({}, "query is missing"),
        ({"query": 1}, "query: input should be a valid string"),
        ({"query": "x", "limit": "five"}, "limit: input should be a valid integer"),
        ({"query": "x", "limit": None}, "limit: input should be a valid integer"),
        ({"query": "x", "quary": 1}, "quary is no argument; did you mean query?"),
        ({"query": "x", "a0": 1}, "a0 is no argument"),
        ({"query": "x", "tags": ["a", 1]}, "tags.1: input should be a valid string"),
    ],
)
def test_wrong_arguments_are_named_and_never_reach_the_function(arguments: dict[str, Any], problem: str) -> None:
    assert problem in search.problem(arguments)
    with pytest.raises(BadArguments):
        search.call(arguments)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"count": "5"}, 5),
        ({"count": 5.0}, 5),
        ({"share": 1}, 1.0),
        ({"share": "0.5"}, 0.5),
        ({"sure": "true"}, True),
        ({"when": "2026-11-21"}, datetime.date(2026, 11, 21)),
    ],
)
def test_a_sloppy_value_that_reads_the_same_is_taken(given: dict[str, Any], read: Any) -> None:
    assert typed.problem(given) == ""
    value = typed.call(given)[next(iter(given))]
    assert (value, type(value)) == (read, type(read))


@pytest.mark.parametrize(
    "given",
    [
        {"count": True},
        {"count": "1_000"},
        {"count": 5.5},
        {"share": 2**53 + 1},
        {"sure": 1},
        {"sure": "yes"},
        {"when": 5},
        {"point": {"x": True}},
        {"point": {"x": 1, "z": 2}},
    ],
    ids=str,
)
def test_no_value_becomes_another_than_was_shown(given: dict[str, Any]) -> None:
    assert typed.problem(given).startswith(next(iter(given)))


def test_a_parameter_may_be_called_anything(recwarn: pytest.WarningsRecorder) -> None:
    @tool
    def odd(schema: str, json: int, copy: bool, model_config: str, model_fields: str = "f", a0: str = "a") -> Any:
        return schema, json, copy, model_config, model_fields, a0

    given = {"schema": "s", "json": 1, "copy": True, "model_config": "c", "a0": "b"}
    assert list(odd.spec.schema["properties"]) == ["schema", "json", "copy", "model_config", "model_fields", "a0"]
    assert odd.call(given) == ("s", 1, True, "c", "f", "b")
    assert not recwarn.list


def test_constraints_and_every_kind_of_record_are_part_of_the_schema() -> None:
    @tool
    def order(count: Annotated[int, Field(ge=1)], item: Item, size: Size = Size.small, way: Way | None = None) -> Any:
        return count, item, size, way

    schema = order.spec.schema
    assert schema["properties"]["count"]["minimum"] == 1
    assert schema["$defs"]["Size"] == {"enum": ["small", "large"], "type": "string"}
    assert schema["$defs"]["Item"]["properties"]["title"] == {"type": "string"}
    assert schema["$defs"]["Way"]["required"] == ["to"]
    assert order.call({"count": 1, "item": {"title": "t"}, "size": "large", "way": {"to": "me"}}) == (
        1,
        Item(title="t"),
        Size.large,
        {"to": "me"},
    )
    assert "count: input should be greater than or equal to 1" in order.problem({"count": 0, "item": {"title": "t"}})
    assert "size" in order.problem({"count": 1, "item": {"title": "t"}, "size": "huge"})


def test_a_method_of_a_box_is_bound_like_any_method() -> None:
    class Box:
        name = "mine"

        @tool(risk="read_only")
        def look(self, at: str) -> str:
            """Look."""
            return f"{self.name}: {at}"

    assert list(Box.look.spec.schema["properties"]) == ["at"]
    assert Box().look.call({"at": "x"}) == Box().look("x") == "mine: x"


def test_a_validator_that_fails_in_its_own_way_is_a_problem_of_the_arguments() -> None:
    def strange(value: int) -> None: ...

    def broken(value: int) -> int:
        raise KeyError("inside")

    strange.__annotations__["value"] = Annotated[int, AfterValidator(broken)]

    assert "KeyError" in tool(strange).problem({"value": 1})


def test_what_cannot_be_a_tool_is_refused_with_its_reason() -> None:
    def spread(*args: int) -> None: ...

    def complicated(value: complex | bytes | int) -> None: ...

    def called(back: Callable[[], int] | None = None) -> None: ...

    def counted() -> Iterator[int]:
        yield 1

    with pytest.raises(UsageError, match="spread cannot be a tool: its parameter"):
        tool(spread)
    with pytest.raises(UsageError, match="complicated cannot be a tool: JSON has no"):
        tool(complicated)
    with pytest.raises(UsageError, match="called cannot be a tool: JSON has nothing like it"):
        tool(called)
    with pytest.raises(UsageError, match="counted cannot be a tool: it yields"):
        tool(counted)
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
