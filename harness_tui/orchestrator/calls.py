"""Jobs that are functions: how one is called, what it may return, and routers, which are functions too.

A function is called with
- what its dependencies answered, a mapping of job id -> value, as its parameter called `inputs`, or else as its first
  positional parameter that has no default and is not among the job's `arguments`;
- the job's `arguments`, as keywords;
- a `Context`, if it has a parameter called `context`.
It needs none of these parameters. An async function is awaited on the loop and must not block it; any other runs on a
thread. What it returns must be JSON, and the jobs behind it get it as JSON gives it back: a tuple comes as a list, a
struct as a dict. Values are shared between the jobs they are given to, so nobody changes them.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from ..agent.functions import apart
from ..domain.dag.spec import Job, Route
from ..domain.errors import HarnessError
from .kit import Answer, DagKit, Function

MAX_ANSWER = 8 * 1024 * 1024
"""Bytes of JSON a function may return."""
ROUTER_DEADLINE = 60.0
"""Seconds a router has."""
SAID = 500
"""Characters of what a function raised."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_loaded: set[str] = set()


class Context(msgspec.Struct, frozen=True):
    """What a function may know beside its inputs.

    Attributes:
        attempt: from 1, over all visits.
        goal: of the whole.
        feedback: why the job came back, "" = it did not; `answer` what it answered last, or None.
    """

    run: str
    job: str
    attempt: int
    goal: str = ""
    feedback: str = ""
    answer: Any = None


async def perform(
    job: Job,
    given: Mapping[str, Answer],
    kit: DagKit,
    *,
    run: str = "",
    attempt: int = 1,
    goal: str = "",
    feedback: str = "",
    prior: Answer | None = None,
) -> Any:
    """Call the function of a `call` job; its answer, as JSON gives it back.

    Args:
        given: answers of its dependencies, by job.
        prior: its own last answer, where it was sent back.

    Raises HarnessError, one sentence: it raised, was late, returned what is no JSON or too much; UsageError where there
    is no such function.
    """
    named = job.call or ""
    function = kit.functions.get(named) or await _load(named, kit)
    shape = _shape_of(function)
    more: dict[str, Any] = dict(job.arguments) if job.arguments else {}
    args: tuple[Any, ...] = ()
    if shape.context:
        more["context"] = Context(run, job.id, attempt, goal, feedback, prior.value if prior else None)
    if shape.inputs and (place := _place(shape, job.arguments)) is not None:
        inputs = {ident: answer.value for ident, answer in given.items()}
        if place:
            more[place] = inputs
        else:
            args = (inputs,)
    return _json(named, await _call(named, function, shape, args, more, job.deadline))


async def route(job: Job, answer: Answer, kit: DagKit) -> Route | None:
    """Where the job's router sends its answer; None = on with the dependents.

    The router gets the answer's value, and returns None or "continue", "stop", {"goto": JOB, "feedback": TEXT} (or
    any other fields of a route), or a `Route`. Raises HarnessError for anything else.
    """
    named = job.router
    function = kit.functions.get(named) or await _load(named, kit)
    said = await _call(named, function, _shape_of(function), (answer.value,), {}, ROUTER_DEADLINE)
    if isinstance(said, Route):
        return said
    if said is None or said == "continue":
        return None
    if said == "stop":
        return Route(stop=True)
    try:
        found = msgspec.convert(said, Route) if isinstance(said, dict) else Route()
    except msgspec.ValidationError as wrong:
        raise HarnessError(f"{named} answered no route: {wrong}.") from None
    if not found.goto and not found.stop:
        shown = repr(said)[:60]
        raise HarnessError(f"{named} answered {shown}.", 'A router says "continue", "stop" or {"goto": JOB}.')
    return found


async def ask(named: str, context: Any, kit: DagKit, deadline: float) -> Any:
    """Call a function that is no job (a planner) with one argument. Raises HarnessError, UsageError."""
    function = kit.functions.get(named) or await _load(named, kit)
    return await _call(named, function, _shape_of(function), (context,), {}, deadline)


async def _load(named: str, kit: DagKit) -> Function:
    """The function behind `module:function`; the first time on a thread, since its module may take a while."""
    if named in _loaded:
        return kit.load(named)
    try:
        found = await apart(lambda: kit.load(named))
    except HarnessError:
        raise
    except Exception as error:
        raise HarnessError(f"{named} cannot be loaded: {_told(error)}", "Look at its module.") from error
    _loaded.add(named)
    return found


# -- the call --------------------------------------------------------------------------------------------------------


class _Shape(NamedTuple):
    """How a function is called; read from its signature once.

    Attributes:
        inputs: it can be given what its dependencies answered.
        names: parameters that may take it, in order; "" = by position alone.
        context: it has a parameter of that name.
        is_async: it is awaited on the loop.
    """

    inputs: bool
    names: tuple[str, ...]
    context: bool
    is_async: bool


@lru_cache(maxsize=4096)
def _shape(function: Function) -> _Shape:
    call = function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004
    is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # of some that are written in C nobody knows
        return _Shape(False, (), False, is_async)
    context = any(each.name == "context" and each.kind is not each.POSITIONAL_ONLY for each in parameters)
    names: list[str] = []
    for each in parameters:
        if each.name == "context":
            continue
        if each.name == "inputs" and each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY):
            names.insert(0, each.name)
        elif each.kind is each.VAR_POSITIONAL or (each.kind is each.POSITIONAL_ONLY and each.default is each.empty):
            names.append("")
        elif each.kind is each.POSITIONAL_OR_KEYWORD and each.default is each.empty:
            names.append(each.name)
    return _Shape(bool(names), tuple(names), context, is_async)


def _shape_of(function: Function) -> _Shape:
    try:
        return _shape(function)
    except TypeError:  # an object that cannot be a key
        return _shape.__wrapped__(function)


def _place(shape: _Shape, arguments: Mapping[str, Any]) -> str | None:
    """The parameter that takes the inputs, "" = the first by position, None = none is free."""
    if not arguments:
        return shape.names[0]
    for each in shape.names:
        if each not in arguments:
            return each
    return None


async def _call(
    named: str, function: Function, shape: _Shape, args: tuple[Any, ...], more: dict[str, Any], deadline: float
) -> Any:
    """What it returns, whatever it is. deadline: seconds, 0 = none. Raises HarnessError."""
    try:
        if deadline:
            return await _in_time(named, function, shape, args, more, deadline)
        if shape.is_async:
            return await function(*args, **more)
        return await _threaded(function, args, more)
    except HarnessError:
        raise
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task and task.cancelling():
            raise
        raise HarnessError(f"{named} was cancelled from within.") from None
    except (Exception, SystemExit) as error:
        raise HarnessError(f"{named} raised {_told(error)}") from error


async def _in_time(
    named: str, function: Function, shape: _Shape, args: tuple[Any, ...], more: dict[str, Any], deadline: float
) -> Any:
    try:
        async with asyncio.timeout(deadline) as limit:
            return await (function(*args, **more) if shape.is_async else _threaded(function, args, more))
    except TimeoutError:
        if not limit.expired():
            raise
        stopped = "it was stopped" if shape.is_async else "it cannot be stopped, and may still be at work"
        raise HarnessError(f"{named} did not end within {deadline:g} s; {stopped}.") from None


async def _threaded(function: Function, args: tuple[Any, ...], more: dict[str, Any]) -> Any:
    said = await apart(lambda: function(*args, **more))
    return await said if inspect.isawaitable(said) else said


def _told(error: BaseException) -> str:
    try:
        said = str(error)
    except Exception:
        said = ""
    return f"{type(error).__name__}: {said[:SAID]}".rstrip(": ")


def _json(named: str, value: Any) -> Any:
    """The value as the journal will give it back. Raises HarnessError for what is no JSON, or too long."""
    try:
        raw = _encode(value)
    except Exception as error:
        kind = type(value).__name__
        raise HarnessError(f"{named} returned a {kind} that is no JSON: {_told(error)}", "Return plain data.") from None
    if len(raw) > MAX_ANSWER:
        much = f"{len(raw):,} bytes of JSON; {MAX_ANSWER:,} are the most"
        raise HarnessError(f"{named} returned {much}.", "Write a file, and return its path.")
    return value if value is None or type(value) in (str, bool) else _decode(raw)
