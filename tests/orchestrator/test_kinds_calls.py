"""Functions as jobs and as routers: how they are called, what they may return, and that none of them hurts the loop."""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness_tui.agent import functions
from harness_tui.domain.dag.spec import Job, Route
from harness_tui.domain.errors import HarnessError, UsageError
from harness_tui.orchestrator import calls
from harness_tui.orchestrator.kit import Answer

from .crew_of_kinds import dag_kit

GIVEN = {"a": Answer("a", 1), "b": Answer("b", {"x": 2})}
INPUTS = {"a": 1, "b": {"x": 2}}


async def do(function: Callable[..., Any], given: dict[str, Answer] = GIVEN, deadline: float = 0.0, **said: Any) -> Any:
    job = Job("j", call="f", arguments=said.pop("arguments", {}), deadline=deadline)
    return await calls.perform(job, given, dag_kit({"f": function}), **said)


# -- how it is called --------------------------------------------------------------------------------------------------


def nothing() -> str:
    return "nothing"


def first(found: dict[str, Any]) -> Any:
    return found


def named(other: int = 1, *, inputs: dict[str, Any]) -> Any:
    return [other, inputs]


def only_arguments(path: str, limit: int = 3) -> Any:
    return [path, limit]


def both(found: Any, path: str) -> Any:
    return [found, path]


def defaults(limit: int = 3) -> int:
    return limit


def positional(found: Any, /, path: str = "") -> Any:
    return [found, path]


def starred(*found: Any, **more: Any) -> Any:
    return [list(found), more]


class Object:
    def method(self, found: Any) -> Any:
        return found

    def __call__(self, found: Any) -> Any:
        return found


class NoKey(Object):
    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("function", "arguments", "said"),
    [
        (nothing, {}, "nothing"),
        (first, {}, INPUTS),
        (named, {}, [1, INPUTS]),
        (named, {"other": 2}, [2, INPUTS]),
        (only_arguments, {"path": "p"}, ["p", 3]),
        (only_arguments, {"path": "p", "limit": 4}, ["p", 4]),
        (both, {"path": "p"}, [INPUTS, "p"]),
        (defaults, {}, 3),
        (positional, {"path": "p"}, [INPUTS, "p"]),
        (starred, {"k": 1}, [[INPUTS], {"k": 1}]),
        (Object().method, {}, INPUTS),
        (Object(), {}, INPUTS),
        (NoKey(), {}, INPUTS),
        (functools.partial(both, path="q"), {}, [INPUTS, "q"]),
        (len, {}, 2),
    ],
)
async def test_inputs_go_where_they_fit(function: Any, arguments: dict[str, Any], said: Any) -> None:
    assert await do(function, arguments=arguments) == said


async def test_a_context_is_for_those_who_ask_for_one() -> None:
    def told(found: Any, context: calls.Context) -> Any:
        assert found == INPUTS
        return [context.run, context.job, context.attempt, context.goal, context.feedback, context.answer]

    prior = Answer("j", {"draft": 1}, "")
    said = await do(told, run="r20", attempt=3, goal="ship", feedback="too long", prior=prior)
    assert said == ["r20", "j", 3, "ship", "too long", {"draft": 1}]

    async def alone(context: calls.Context) -> Any:
        return context.answer

    assert await do(alone) is None


async def test_what_does_not_fit_is_an_error_that_names_it() -> None:
    with pytest.raises(HarnessError, match=r"f raised TypeError: .*unexpected keyword argument 'nope'"):
        await do(first, arguments={"nope": 1})


async def test_async_runs_on_the_loop_and_the_rest_on_a_thread() -> None:
    async def on_loop() -> bool:
        return threading.current_thread() is threading.main_thread()

    def elsewhere() -> bool:
        return threading.current_thread().daemon and threading.current_thread() is not threading.main_thread()

    def hands_over() -> Any:
        return on_loop()

    assert await do(on_loop) is True
    assert await do(elsewhere) is True
    assert await do(hands_over) is True


# -- what it returns ---------------------------------------------------------------------------------------------------


class Point(msgspec.Struct):
    x: int


@pytest.mark.parametrize(
    ("value", "given_back"),
    [
        (None, None),
        ("text", "text"),
        (True, True),
        (7, 7),
        (1.5, 1.5),
        (float("nan"), None),
        (2**70, msgspec.json.decode(msgspec.json.encode(2**70))),
        ((1, (2, 3)), [1, [2, 3]]),
        ({"a": Point(3)}, {"a": {"x": 3}}),
        ({1: "one"}, {"1": "one"}),
    ],
)
async def test_an_answer_is_what_the_journal_would_give_back(value: Any, given_back: Any) -> None:
    async def gives() -> Any:
        return value

    said = await do(gives)
    assert (said, type(said)) == (given_back, type(given_back))


async def test_an_answer_is_no_longer_the_functions_to_change() -> None:
    mine: list[int] = [1]

    async def gives() -> Any:
        return mine

    said = await do(gives)
    mine.append(2)
    assert said == [1]


@pytest.mark.parametrize("value", [object(), {"a": object()}, "\ud800", lambda: 1, {(1, 2): 3}])
async def test_what_is_no_json_is_an_error_that_says_so(value: Any) -> None:
    with pytest.raises(HarnessError, match=r"^f returned a \w+ that is no JSON: "):
        await do(lambda: value)


async def test_a_circle_is_no_json() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(HarnessError, match="f returned a list that is no JSON"):
        await do(lambda: circle)


async def test_too_much_is_refused_with_the_way_out() -> None:
    with pytest.raises(HarnessError, match=r"returned 8,388,610 bytes of JSON; 8,388,608 are the most\. Write a file"):
        await do(lambda: "x" * calls.MAX_ANSWER)
    assert len(await do(lambda: "x" * (calls.MAX_ANSWER - 2))) == calls.MAX_ANSWER - 2


# -- how it ends -------------------------------------------------------------------------------------------------------


class Unsayable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("no such page"), "f raised ValueError: no such page"),
        (SystemExit(3), "SystemExit: 3"),
        (StopIteration("x"), "StopIteration"),
        (TimeoutError("its own"), "f raised TimeoutError: its own"),
        (Unsayable(), "f raised Unsayable"),
        (HarnessError("Said well.", "Do this."), r"^Said well\. Do this\.$"),
        (asyncio.CancelledError(), "cancelled from within|raised RuntimeError: CancelledError"),
    ],
)
@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_what_it_raises_is_one_sentence(kind: str, error: BaseException, words: str) -> None:
    def raises() -> None:
        raise error

    async def raises_too() -> None:
        raise error

    if kind == "async" and isinstance(error, StopIteration):
        words = "coroutine raised StopIteration"
    with pytest.raises(HarnessError, match=words):
        await do(raises if kind == "sync" else raises_too, deadline=60)


async def test_a_long_complaint_is_cut() -> None:
    def raises() -> None:
        raise ValueError("x" * 100_000)

    with pytest.raises(HarnessError) as raised:
        await do(raises)
    assert len(str(raised.value)) < calls.SAID + 100


async def test_an_async_function_past_its_deadline_is_stopped() -> None:
    ended = asyncio.Event()

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(HarnessError, match=r"f did not end within 0\.05 s; it was stopped\."):
        await do(hangs, deadline=0.05)
    assert ended.is_set()


async def test_a_thread_past_its_deadline_holds_nobody() -> None:
    free = threading.Event()
    try:
        with pytest.raises(HarnessError, match=r"f did not end within 0\.05 s; it cannot be stopped"):
            await do(lambda: free.wait(60), deadline=0.05)
    finally:
        free.set()


async def test_its_caller_can_cancel_it() -> None:
    async def hangs() -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(do(hangs))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_hundreds_at_once_keep_their_inputs_apart() -> None:
    def own(inputs: dict[str, int]) -> int:
        time.sleep(0)
        return inputs["n"]

    jobs = [do(own, {"n": Answer("n", number)}) for number in range(300)]
    assert await asyncio.gather(*jobs) == list(range(300))


async def test_a_signature_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[object] = []
    real = calls.inspect.signature
    monkeypatch.setattr(calls.inspect, "signature", lambda f: read.append(f) or real(f))

    async def often(inputs: Any) -> int:
        return 1

    for _ in range(5):
        await do(often)
    assert read == [often]


# -- module:function ---------------------------------------------------------------------------------------------------


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to import from: `kinds_planted`, which notes the thread it is imported on."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "kinds_planted.py").write_text(
        "import threading\nWHERE = threading.current_thread() is threading.main_thread()\n"
        "def where(inputs): return [WHERE, inputs]\nBROKEN = 1\n"
    )
    (tmp_path / "kinds_broken.py").write_text("raise RuntimeError('half a module')\n")

    def forget() -> None:
        functions.load.cache_clear()
        calls._loaded.clear()
        for name in ("kinds_planted", "kinds_broken"):
            sys.modules.pop(name, None)

    forget()
    yield tmp_path
    forget()


async def test_a_named_function_is_imported_off_the_loop_once(module: Path) -> None:
    asked: list[str] = []

    def load(named: str) -> Any:
        asked.append(threading.current_thread().name)
        return functions.load(named, Path("/nowhere"))

    kit = dag_kit(load=load)
    job = Job("j", call="kinds_planted:where")
    for _ in range(2):
        assert await calls.perform(job, GIVEN, kit) == [False, INPUTS]
    assert asked[0] == functions.THREAD
    assert asked[1] == threading.main_thread().name


async def test_a_given_function_goes_before_a_module_of_that_name(module: Path) -> None:
    kit = dag_kit({"kinds_planted:where": nothing})
    assert await calls.perform(Job("j", call="kinds_planted:where"), {}, kit) == "nothing"


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("kinds_planted:absent", "no function absent in kinds_planted"),
        ("kinds_planted:BROKEN", "no function BROKEN"),
        ("kinds_absent:x", "no module kinds_absent"),
        ("not a name", "is no module:function"),
        ("kinds_broken:x", "kinds_broken:x cannot be loaded: RuntimeError: half a module"),
    ],
)
async def test_what_cannot_be_loaded_says_why(module: Path, named: str, words: str) -> None:
    kit = dag_kit(load=lambda name: functions.load(name, Path("/nowhere")))
    with pytest.raises(HarnessError, match=words):
        await calls.perform(Job("j", call=named), {}, kit)


async def test_a_module_in_the_workspace_is_refused_before_it_is_imported(module: Path) -> None:
    kit = dag_kit(load=lambda name: functions.load(name, module))
    with pytest.raises(UsageError, match="lies in the workspace"):
        await calls.perform(Job("j", call="kinds_planted:where"), {}, kit)
    assert "kinds_planted" not in sys.modules


# -- routers -----------------------------------------------------------------------------------------------------------


async def routed(said: Any) -> Route | None:
    seen: list[Any] = []

    def router(found: Any) -> Any:
        seen.append(found)
        return said

    job = Job("review", prompt="x", router="f")
    found = await calls.route(job, Answer("review", {"score": 3}, ""), dag_kit({"f": router}))
    assert seen == [{"score": 3}]
    return found


@pytest.mark.parametrize(
    ("said", "route"),
    [
        (None, None),
        ("continue", None),
        ("stop", Route(stop=True)),
        ({"goto": "draft", "feedback": "shorter"}, Route(goto="draft", feedback="shorter")),
        ({"stop": True, "feedback": "enough"}, Route(stop=True, feedback="enough")),
        (Route(goto="draft"), Route(goto="draft")),
    ],
)
async def test_a_router_says_where_to_go(said: Any, route: Route | None) -> None:
    assert await routed(said) == route


@pytest.mark.parametrize("said", ["draft", True, {}, {"feedback": "x"}, {"goto": 3}, {"go": "draft"}, ["stop"], 7])
async def test_what_is_no_route_is_an_error(said: Any) -> None:
    with pytest.raises(HarnessError, match=r"^f answered"):
        await routed(said)
