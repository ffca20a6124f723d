"""Read a plan of jobs (TOML or JSON), or a change of one. What is wrong is refused here, with file, line and job,
before anything is spent.

An operator who runs a plan file approves what is in it: it counts as it is read now, and nothing looks at it again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace

from ..domain.dag.graph import Dag
from ..domain.dag.spec import CONCURRENCY, MAX_REPLANS, DagSpec, Job, Limits, PlannerSpec
from ..domain.errors import UsageError
from ..domain.safetext import clip
from ..domain.task import Level, ModelSpec, ModelTable, SandboxTable
from . import json_lines, plan_lines
from . import plan_rules as rules
from .model_rules import model_problems
from .toml_schema import Fault, Problem, explained, nearest, tables, text_of

T = TypeVar("T")
MAX_BYTES = 64 * 1024 * 1024
STDIN = Path("-")
MAIN = "main"

Models = Callable[[Mapping[str, ModelTable | None], Collection[str]], dict[str, ModelSpec]]
"""Settles the models: name -> its table in the plan (`main`: None where none is given), and every name that is used.
Asked last, and only where an agent's model is needed; may ask a server."""


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file: an unknown key is refused, never ignored."""


class PlanFile(_Table, frozen=True):
    """A plan file (`dag run FILE`). Of the keys see `DagSpec` and `Job`.

    Attributes:
        model: of every prompt that names none; `models`: those that jobs and planner name.
        workspace: where jobs work, relative to the file; "" = the working directory.
    """

    jobs: tuple[Job, ...]
    goal: str = ""
    title: str = ""
    concurrency: int = CONCURRENCY
    resources: dict[str, int] = {}
    budget: Limits = Limits()
    tools: tuple[str, ...] = ()
    level: Level = "L2"
    sandbox: SandboxTable = SandboxTable()
    model: ModelTable | None = None
    models: dict[str, ModelTable] = {}
    planner: PlannerSpec | None = None
    max_replans: int = MAX_REPLANS
    workspace: str = ""


class PatchFile(_Table, frozen=True):
    """A change of a running plan (`dag replan RUN FILE`): jobs to add, or to replace where the id is there."""

    jobs: tuple[Job, ...] = ()
    drop: tuple[str, ...] = ()
    reason: str = ""


class Given(NamedTuple):
    """What the command line says over the file; None = nothing."""

    level: Level | None = None
    concurrency: int | None = None
    tokens: int | None = None
    usd: float | None = None


def load_plan(
    path: Path,
    *,
    known_tools: Collection[str],
    models: Models,
    known_models: Collection[str] = (),
    workspace: Path | None = None,
    usd: float | None = None,
    given: Given = Given(),  # noqa: B008 - frozen
) -> tuple[DagSpec, tuple[Job, ...]]:
    """The plan in `path` (`-`: on stdin), settled.

    Args:
        known_models: names of the configuration.
        workspace: for a plan that names none; by default the working directory.
        usd: what a run may spend as configured, for a plan that does not say it.

    Raises UsageError (exit 2) with file, line and job, `plan.toml:12: job a: unknown key "promt"; did you mean
    "prompt"?`, and what `models` raises.
    """
    text = _Text(path)
    try:
        file = text.read(PlanFile)
        file = _over(file, given)
        known = rules.Known(
            dict.fromkeys(job.id for job in file.jobs),
            known_tools,
            dict.fromkeys((MAIN, *file.models, *known_models)),
            file.resources,
        )
        for problem in _problems(file, known):
            raise text.fault(problem)
        _check_graph(text, file.jobs, {})
        place = _workspace(text, file.workspace, workspace)
    except Fault as error:
        raise UsageError(error.at(text.name)) from None
    named = _used_models(file)
    budget = file.budget if file.budget.usd is not None else replace(file.budget, usd=usd)
    spec = DagSpec(
        goal=file.goal.strip(),
        concurrency=file.concurrency,
        resources=file.resources,
        budget=budget,
        tools=file.tools,
        level=file.level,
        sandbox=file.sandbox,
        models=models({MAIN: file.model, **file.models}, named) if named else {},
        planner=file.planner,
        max_replans=file.max_replans,
        workspace=str(place),
        title=file.title.strip() or file.goal.strip()[:80] or text.title,
        source=text.source,
    )
    return spec, file.jobs


def load_patch(
    path: Path, *, known_tools: Collection[str], models: Collection[str], resources: Mapping[str, int], jobs: Dag
) -> PatchFile:
    """The change in `path` of a plan that consists of `jobs` now. Raises UsageError as `load_plan` does."""
    text = _Text(path)
    try:
        file = text.read(PatchFile)
        for index, ident in enumerate(file.drop):
            if ident not in jobs.jobs:
                near = nearest(ident, jobs.jobs)
                raise text.fault(Problem(("drop", index), f'there is no job "{clip(ident, 60)}" to drop{near}'))
        kept = {ident: job for ident, job in jobs.jobs.items() if ident not in file.drop}
        ids = kept | dict.fromkeys(job.id for job in file.jobs)
        known = rules.Known(ids, known_tools, models, resources)
        for problem in rules.job_problems(file.jobs, known):
            raise text.fault(problem)
        _check_graph(text, file.jobs, kept)
    except Fault as error:
        raise UsageError(error.at(text.name)) from None
    if not file.jobs and not file.drop:
        raise UsageError(f"{text.name} changes nothing.", "Give jobs to add or replace, or ids to drop.")
    return file


def _over(file: PlanFile, given: Given) -> PlanFile:
    """The plan as flags change it."""
    budget = {name: getattr(given, name) for name in ("tokens", "usd") if getattr(given, name) is not None}
    own = {name: getattr(given, name) for name in ("level", "concurrency") if getattr(given, name) is not None}
    return replace(file, budget=replace(file.budget, **budget), **own)


def _problems(file: PlanFile, known: rules.Known) -> Iterator[Problem]:
    """Everything wrong with the plan, what concerns the whole first."""
    if not file.jobs and file.planner is None:
        yield Problem(("jobs",), '"jobs" is empty, and there is no [planner] to fill it')
    if len(file.jobs) > rules.MOST_JOBS:
        yield Problem(("jobs",), f"{len(file.jobs)} jobs are more than the {rules.MOST_JOBS} one run may have")
    yield from rules.count_problems(("concurrency",), file.concurrency, 1, rules.MOST_AT_ONCE)
    yield from rules.count_problems(("max_replans",), file.max_replans, 0, rules.MOST_TIMES)
    yield from rules.resource_problems(file.resources)
    yield from rules.limits_problems(("budget",), file.budget)
    yield from rules.tool_problems(("tools",), file.tools, known.tools)
    yield from rules.sandbox_problems(file.sandbox)
    if file.model:
        yield from model_problems(("model",), file.model)
    for name, table in file.models.items():
        yield from model_problems(("models", name), table)
        if name == MAIN:
            yield Problem(("models", name), f'"{MAIN}" is the model of [model]: give this one another name')
    if file.planner:
        yield from rules.planner_problems(file.planner, known)
    yield from rules.job_problems(file.jobs, known)


def _check_graph(text: _Text, jobs: tuple[Job, ...], kept: dict[str, Job]) -> None:
    """What is left to be refused of the graph as a whole: a circle. Raises Fault at a job of this file in it."""
    try:
        Dag.from_jobs((kept | {job.id: job for job in jobs}).values())
    except UsageError as error:
        circle = error.what.rstrip(".").rpartition(": ")[2].split(" -> ")
        index = next((index for index, job in enumerate(jobs) if job.id in circle), 0)
        what = error.what.rstrip(".")
        raise Fault(text.line(("jobs", index)), what[:1].lower() + what[1:]) from None


def _used_models(file: PlanFile) -> set[str]:
    """Names of the models that are asked; none, and the plan needs no model at all."""
    used = {job.model or MAIN for job in file.jobs if job.kind == "prompt"}
    if file.planner and file.planner.prompt:
        used.add(file.planner.model or MAIN)
    return used


def _workspace(text: _Text, said: str, default: Path | None) -> Path:
    """A real directory. Raises Fault."""
    if not said:
        return (default or Path.cwd()).resolve()
    try:
        found = (text.folder / Path(said).expanduser()).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        found = None
    if found is None or not found.is_dir():
        raise text.fault(Problem(("workspace",), f'"workspace": there is no directory "{clip(said, 200)}"'))
    if found == Path("/"):
        raise text.fault(Problem(("workspace",), '"workspace" must be a directory of its own, not /'))
    return found


class _Text:
    """A file's text, and how a place in it is named. Raises UsageError when it cannot be read."""

    def __init__(self, path: Path) -> None:
        piped = path == STDIN
        self.name = "stdin" if piped else clip(str(path), 200)
        self.title = "" if piped else path.stem[:80]
        self.source = "" if piped else str(path.expanduser().absolute())
        self.folder = Path.cwd() if piped else path.expanduser().absolute().parent
        self._raw = _stdin() if piped else _bytes(path)
        self._suffix = "" if piped else path.suffix.lower()
        self._json = False
        self._source = ""
        self._data: Any = {}

    def read(self, schema: type[T]) -> T:
        """What stands in it. Raises Fault."""
        self._source = text_of(self._raw)
        self._raw = b""
        self._json = self._suffix == ".json" or (self._suffix != ".toml" and self._source.lstrip()[:1] == "{")
        try:
            self._data = json_lines.read(self._source) if self._json else tables(self._source)
            if not isinstance(self._data, dict):
                raise Fault(1, 'this is no object with "jobs"')
            return msgspec.convert(self._data, schema)
        except msgspec.ValidationError as error:
            raise self.fault(explained(error, self._data, schema)) from None
        except RecursionError:
            raise Fault(1, "this is nested too deeply") from None

    def line(self, path: tuple[Any, ...]) -> int:
        return json_lines.line_of(self._source, path) if self._json else plan_lines.line_of(self._source, path)

    def fault(self, problem: Problem) -> Fault:
        """The problem with its line and the job it is about."""
        text = problem.text
        if problem.path[:1] == ("jobs",) and len(problem.path) > 1:
            index: Any = problem.path[1]
            job = self._data["jobs"][index]
            ident = job.get("id") if isinstance(job, dict) else None
            name = clip(ident, 60) if isinstance(ident, str) and ident else index + 1
            text = f"job {name}: {text.replace(' in [jobs]', '', 1)}"
        return Fault(self.line(problem.path), text)


def _bytes(path: Path) -> bytes:
    shown = clip(str(path), 200)
    try:
        with path.expanduser().open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise UsageError(
            f"There is no plan file {shown}.", "Check the path, or give - to read it from stdin."
        ) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "the path is none"
        raise UsageError(f"Cannot read {shown}: {why}.") from None
    return _fitting(raw, shown)


def _stdin() -> bytes:
    return _fitting(sys.stdin.buffer.read(MAX_BYTES + 1), "What came on stdin")


def _fitting(raw: bytes, shown: str) -> bytes:
    if len(raw) > MAX_BYTES:
        raise UsageError(f"{shown} is larger than {MAX_BYTES // 1024**2} MiB: no plan is.")
    return raw
