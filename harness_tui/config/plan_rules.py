"""What a well-formed plan of jobs must also make sense of: names, numbers, and what belongs to a job of which kind.

Whether the jobs follow each other without a circle is the graph's own question (`Dag.from_jobs`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..domain.dag.spec import AGENT_KINDS, ID_FORM, JOB_ID, KINDS, Job, Kind, Limits, PlannerSpec, Retry, Route
from ..domain.safetext import clip
from ..domain.task import SandboxTable, TaskFile
from . import task_rules
from .task_rules import MOST
from .toml_lines import Step
from .toml_schema import Problem, nearest

MOST_JOBS = 50_000
"""Characters: published graphs of genomics name a task by its whole path and a number of 90 digits."""
MOST_AT_ONCE = 10_000
MOST_TIMES = 1_000
"""Attempts of a job, visits to it, changes of the plan."""
LONGEST = 366 * 86_400.0
"""Seconds anything may last or be waited for."""
DEEPEST = 32
"""Levels of nesting in a job's arguments."""

_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", re.ASCII)
_OWNERS: dict[str, frozenset[str]] = {
    "arguments": frozenset({"tool", "call"}),
    "tools": frozenset({"prompt"}),
    "model": frozenset({"prompt"}),
    "max_iterations": frozenset({"prompt"}),
    "level": AGENT_KINDS,
    "sandbox": AGENT_KINDS,
    "risk": frozenset({"call"}),
    "back": frozenset({"gate"}),
}
"""What only jobs of some kinds may say: to the others it would mean nothing."""
_DEFAULTS = {name: getattr(Job("-", wait=0), name) for name in _OWNERS}


class Known(NamedTuple):
    """What jobs may name.

    Attributes:
        ids: jobs of the plan.
        models: of the plan and of the configuration.
        resources: of each how much there is.
    """

    ids: Collection[str]
    tools: Collection[str]
    models: Collection[str]
    resources: Mapping[str, int]


# -- jobs -----------------------------------------------------------------------------------------------------------


def job_problems(jobs: Sequence[Job], known: Known) -> Iterator[Problem]:
    """Everything wrong with each of these jobs, in order; paths begin with `jobs`."""
    seen: set[str] = set()
    for index, job in enumerate(jobs):
        for problem in _job(job, known):
            yield Problem(("jobs", index, *problem.path), problem.text)
        if job.id in seen:
            yield Problem(("jobs", index, "id"), "another job has this id: give each an id of its own")
        seen.add(job.id)


def _job(job: Job, known: Known) -> Iterator[Problem]:
    if not JOB_ID.fullmatch(job.id):
        text = f'"id" must be {ID_FORM}, not {_quoted(job.id)}'
        yield Problem(("id",), text)
        return
    kind = _kind(job)
    if isinstance(kind, Problem):
        yield kind
        return
    for index, dep in enumerate(job.deps):
        if dep not in known.ids:
            yield Problem(("deps", index), f"it depends on {_quoted(dep)}, which is no job{nearest(dep, known.ids)}")
    for name, owners in _OWNERS.items():
        if kind not in owners and getattr(job, name) != _DEFAULTS[name]:
            yield Problem((name,), f'"{name}" says nothing of a {kind} job')
    yield from _work(job, kind, known)
    if job.retry != Retry():
        yield from _retry(job.retry)
    if job.budget != Limits():
        yield from limits_problems(("budget",), job.budget)
    if job.deadline:
        yield from _seconds(("deadline",), job.deadline)
    if job.uses:
        yield from _uses(job.uses, known.resources)
    if job.sandbox:
        yield from sandbox_problems(job.sandbox)
    if not 1 <= job.visits <= MOST_TIMES:
        yield Problem(("visits",), f'"visits" must be 1 to {MOST_TIMES}, not {job.visits}')
    if job.route or job.router:
        yield from _routes(job, known.ids)
    if job.back and job.back not in known.ids:
        yield Problem(("back",), f"it goes back to {_quoted(job.back)}, which is no job{nearest(job.back, known.ids)}")


def _kind(job: Job) -> Kind | Problem:
    named = job.kinds
    if not named:
        return Problem((), f"it does nothing: give it one of {', '.join(KINDS)}")
    if len(named) > 1:
        return Problem((named[1],), f"it is of two kinds, {named[0]} and {named[1]}: make two jobs of it")
    if job.kind != named[0]:
        return Problem(("kind",), f'"kind" is not what it has, "{named[0]}": leave "kind" out')
    return named[0]


def _work(job: Job, kind: Kind, known: Known) -> Iterator[Problem]:
    """What it does."""
    value: Any = getattr(job, kind)
    match kind:
        case "wait":
            yield from _seconds(("wait",), value)
        case "command" | "verify":
            if not value or not all(word and "\0" not in word for word in value):
                yield Problem((kind,), f'"{kind}" must be a program and its words, none of them empty')
        case "call":
            yield from _function("call", value)
        case "tool":
            if value not in known.tools:
                yield Problem(("tool",), f"there is no tool {_quoted(value)}{nearest(value, known.tools)}")
        case _:
            if not value.strip():
                yield Problem((kind,), f'"{kind}" is empty')
    if job.arguments and not _json(job.arguments, DEEPEST):
        text = f'"arguments" must be JSON, at most {DEEPEST} levels deep, its whole numbers of 64 bits'
        yield Problem(("arguments",), text)
    if job.tools:
        yield from tool_problems(("tools",), job.tools, known.tools)
    if job.model and job.model not in known.models:
        text = f"there is no model {_quoted(job.model)} in this plan or in config.toml"
        yield Problem(("model",), text + nearest(job.model, known.models))
    if not 0 <= job.max_iterations <= MOST_TIMES:
        yield Problem(("max_iterations",), f'"max_iterations" must be 0 to {MOST_TIMES}, not {job.max_iterations}')


def _retry(retry: Retry) -> Iterator[Problem]:
    if not 1 <= retry.attempts <= MOST_TIMES:
        yield Problem(("retry", "attempts"), f'"attempts" must be 1 to {MOST_TIMES}, not {retry.attempts}')
    for name in ("delay", "max"):
        yield from _seconds(("retry", name), getattr(retry, name))
    if not 1 <= retry.factor <= MOST_TIMES:
        yield Problem(("retry", "factor"), f'"factor" must be 1 to {MOST_TIMES}, not {retry.factor:g}')
    if not 0 <= retry.jitter <= 1:
        yield Problem(("retry", "jitter"), f'"jitter" is a share from 0 to 1, not {retry.jitter:g}')


def _uses(uses: Mapping[str, int], resources: Mapping[str, int]) -> Iterator[Problem]:
    for name, amount in uses.items():
        if name not in resources:
            text = f'it uses {_quoted(name)}, which "resources" does not say how much there is of'
            yield Problem(("uses", name), text + nearest(name, resources))
        elif not 1 <= amount <= resources[name]:
            text = f"it uses {amount} of {_quoted(name)}, of which there is {resources[name]}"
            yield Problem(("uses", name), text)


def _routes(job: Job, ids: Collection[str]) -> Iterator[Problem]:
    if job.route and job.router:
        yield Problem(("router",), 'it has a "route" and a "router": give one of them')
    if job.router:
        yield from _function("router", job.router)
    for index, route in enumerate(job.route):
        for problem in _route(route, ids):
            yield Problem(("route", index, *problem.path), problem.text)


def _route(route: Route, ids: Collection[str]) -> Iterator[Problem]:
    if route.goto and route.goto not in ids:
        yield Problem(("goto",), f"a route leads to {_quoted(route.goto)}, which is no job{nearest(route.goto, ids)}")
    if route.goto and route.stop:
        yield Problem(("stop",), 'a route has "goto" and "stop": give one of them')
    try:
        re.compile(route.match)
    except (re.error, RecursionError, OverflowError) as error:
        yield Problem(("match",), f'"match" is no regular expression: {clip(str(error), 120)}')


# -- what several tables have ---------------------------------------------------------------------------------------


def planner_problems(planner: PlannerSpec, known: Known) -> Iterator[Problem]:
    """Everything wrong with `[planner]`."""
    path = ("planner",)
    if bool(planner.prompt.strip()) == bool(planner.call):
        yield Problem(path, '[planner] needs a "prompt" or a "call", and not both')
    if planner.call:
        for problem in _function("call", planner.call):
            yield Problem((*path, *problem.path), problem.text)
    yield from tool_problems((*path, "tools"), planner.tools, known.tools)
    if planner.model and planner.model not in known.models:
        text = f"there is no model {_quoted(planner.model)} in this plan or in config.toml"
        yield Problem((*path, "model"), text + nearest(planner.model, known.models))
    yield from limits_problems((*path, "budget"), planner.budget)


def resource_problems(resources: Mapping[str, int]) -> Iterator[Problem]:
    for name, amount in resources.items():
        if not _NAME.fullmatch(name):
            yield Problem(("resources", name), f"a resource must be called by one word, not {_quoted(name)}")
        elif not 1 <= amount <= MOST:
            yield Problem(("resources", name), f"{_quoted(name)} in [resources] must be 1 or more, not {amount}")


def tool_problems(path: tuple[Step, ...], tools: Sequence[str], known: Collection[str]) -> Iterator[Problem]:
    for index, name in enumerate(tools):
        if name not in known:
            yield Problem((*path, index), f"there is no tool {_quoted(name)}{nearest(name, known)}")
        elif name in tools[:index]:
            yield Problem((*path, index), f"the tool {_quoted(name)} is listed twice")


def limits_problems(path: tuple[Step, ...], limits: Limits) -> Iterator[Problem]:
    for name in ("tokens", "usd"):
        value = getattr(limits, name)
        if value is not None and not 0 <= value <= MOST:
            what = f"at most {MOST}" if value > MOST else "0 or more"  # nan is neither
            yield Problem((*path, name), f'"{name}" of the budget must be {what}, not {value}')


def sandbox_problems(sandbox: SandboxTable) -> Iterator[Problem]:
    return task_rules.problems(TaskFile("-", tools=(), sandbox=sandbox), ())


def count_problems(path: tuple[Step, ...], value: int, least: int, most: int) -> Iterator[Problem]:
    if not least <= value <= most:
        yield Problem(path, f'"{path[-1]}" must be {least} to {most}, not {value}')


def _seconds(path: tuple[Step, ...], value: float) -> Iterator[Problem]:
    if not (math.isfinite(value) and 0 <= value <= LONGEST):
        yield Problem(path, f'"{path[-1]}" must be 0 to {LONGEST:.0f} seconds, not {value:g}')


def _function(key: str, value: str) -> Iterator[Problem]:
    if not _FUNCTION.fullmatch(value):
        yield Problem((key,), f'"{key}" must be module:function, not {_quoted(value)}')


def _json(value: Any, levels: int) -> bool:
    match value:
        case dict():
            return levels > 0 and all(_json(each, levels - 1) for each in value.values())
        case list():
            return levels > 0 and all(_json(each, levels - 1) for each in value)
        case float():
            return math.isfinite(value)
        case _:
            return value is None or isinstance(value, str) or (isinstance(value, int) and abs(value) < 1 << 63)


def _quoted(text: str) -> str:
    return f'"{clip(text, 60)}"'
