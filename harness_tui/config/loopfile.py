"""Read a loop file and pin it. Whatever is wrong is refused here, with file, line and key, before anything is sent.

Nothing watches a folder for loop files: one counts from the moment an operator adds it, as it was then. What was pinned
goes on when the file changes, until it is added again.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tomllib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from msgspec.structs import replace

from ..domain.errors import SandboxError, UsageError
from ..domain.loop.spec import CHANGE_LIFE, LoopFile, LoopSpec, Worker
from ..domain.safetext import clip
from ..domain.task import Budget, ModelSpec, ModelTable, SandboxTable, TaskFile
from . import task_rules
from .loop_rules import READERS, WRITERS, kind_of, life, problems, sandbox_problems, tool_problems
from .taskfile import load_task
from .toml_schema import Fault, Problem, fault, parsed, text_of

MAX_BYTES = 256 * 1024
PATTERN = "pattern:"
"""How the source of a loop begins that was made of a template."""

Models = Callable[[Mapping[str, ModelTable | None]], dict[str, ModelSpec]]
"""Settles the models: role (`maker`, `checker`) -> its `[model]` table, None where none is given. May ask a server."""
SourceState = Literal["same", "changed", "missing"]


class Loaded(NamedTuple):
    """A loop as it is to be pinned.

    Attributes:
        source: absolute path of its file, or `pattern:NAME`.
        source_digest: SHA-256 (64 hex) of that file and the task files it names, for `source_state`.
    """

    spec: LoopSpec
    source: str
    source_digest: str


class Given(NamedTuple):
    """What a loop is read with, and what holds where its file says nothing.

    Attributes:
        known_tools: names that a worker may list.
        models: asked last, once everything else is right.
        host_zone: IANA name, for a loop that names no zone.
        workspace: for a loop that names none; by default the working directory. A relative one that it does name is
            looked for beside the loop file.
        budget: of a run, as configured: what one call may spend, and the money of a round that names none.
        fast: it may fire more often than once a minute.
    """

    known_tools: Collection[str]
    models: Models
    host_zone: str
    workspace: Path | None = None
    budget: Budget = Budget()
    fast: bool = False


def load_loop(path: Path, given: Given) -> Loaded:
    """The loop in `path`, whole: its task files inlined, its models settled.

    Raises UsageError (exit 2) with file, line and key, `nightly.toml:4: unknown key "shedule"; did you mean
    "schedule"?`, and what `given.models` raises.
    """
    path = path.expanduser().absolute()
    raw = _read(path)
    try:
        spec, names = _pinned(text_of(raw), given, path.parent)
    except Fault as error:
        raise UsageError(error.at(str(path))) from None
    return Loaded(spec, str(path), _digest(raw, [_bytes(path.parent / name) for name in names]))


def load_pattern(name: str, text: str, given: Given) -> Loaded:
    """The loop that the template `name` makes, `text` being it filled in. As `load_loop`."""
    try:
        spec, _ = _pinned(text, given, None)
    except Fault as error:
        raise UsageError(error.at(f"{PATTERN}{name}")) from None
    return Loaded(replace(spec, pattern=name), f"{PATTERN}{name}", _digest(text.encode(), []))


def source_state(source: str, source_digest: str) -> SourceState:
    """Whether what a loop was added from is still what is pinned. Never raises; reads at most three files.

    A template is always the same: what it made was pinned, and no operator edits it.
    """
    if source.startswith(PATTERN):
        return "same"
    path = Path(source)
    raw = _bytes(path)
    if raw is None:
        return "missing"
    try:
        tasks = [_bytes(path.parent / name) for name in _task_names(raw)]
    except (ValueError, RecursionError):
        return "changed"
    return "same" if _digest(raw, tasks) == source_digest else "changed"


# -- pinning ---------------------------------------------------------------------------------------------------------


def _pinned(source: str, given: Given, folder: Path | None) -> tuple[LoopSpec, list[str]]:
    """The spec, and the task files it names, in `folder`; None = it can have none. Raises Fault and UsageError."""
    file, data = parsed(source, LoopFile)
    found = next(problems(file, data, fast=given.fast), None)
    if found:
        raise fault(source, found)
    for problem in task_rules.problems(TaskFile("-", tools=(), sandbox=file.sandbox), ()):
        raise fault(source, problem)
    workspace = _workspace(source, file, given, folder)
    workers = {"maker": file.maker, **({"checker": file.checker} if file.checker else {})}
    tasks: dict[str, TaskFile] = {}
    for role, worker in workers.items():
        task = _task(source, role, worker, file, data, given, folder)
        for problem in tool_problems(role, task.tools, level=file.level):
            raise fault(source, problem)
        tasks[role] = task
    kind = _kind(file, data, tasks["maker"])
    for problem in sandbox_problems(kind, tasks["maker"].tools, file):
        raise fault(source, problem)
    if kind == "worktree" and (wrong := _no_checkout(workspace)):
        path = ("workspace",) if file.workspace else ("sandbox",) if "sandbox" in data else ("action",)
        raise fault(source, Problem(path, wrong))
    sandbox = replace(file.sandbox, kind=kind)
    tasks = {role: replace(task, sandbox=sandbox, level=file.level) for role, task in tasks.items()}
    spec = LoopSpec(
        name=file.name,
        intent=file.intent.strip(),
        maker=tasks["maker"],
        models=given.models({role: task.model for role, task in tasks.items()}),
        workspace=str(workspace),
        level=file.level,
        schedule=file.schedule,
        zone=file.zone or given.host_zone,
        overlap=file.overlap,
        missed=file.missed,
        missed_limit=file.missed_limit,
        pause_after=file.pause_after,
        approval_life=life(file.approval_life) or CHANGE_LIFE,
        budget=file.budget,
        checker=tasks.get("checker"),
        action=replace(file.action, kind=kind_of(file)),
        gate=file.gate,
        accept=file.accept,
        promote=file.promote,
    )
    return spec, [worker.task for worker in workers.values() if worker.task]


def _task(
    source: str,
    role: str,
    worker: Worker,
    file: LoopFile,
    data: dict[str, Any],
    given: Given,
    folder: Path | None,
) -> TaskFile:
    """A worker as a whole task. Raises Fault, and UsageError with the task file's own line."""
    caps = file.budget
    usd = caps.usd if caps.usd is not None else given.budget.usd
    budget = replace(given.budget, tokens=caps.tokens, usd=usd)
    if worker.task:
        if folder is None:
            raise fault(source, Problem((role, "task"), f'a template has no folder for the "task" of [{role}]'))
        if _bytes(folder / worker.task) is None:
            text = f'there is no task file "{clip(worker.task, 120)}" beside the loop file'
            raise fault(source, Problem((role, "task"), text))
        task = load_task(folder / worker.task, given.known_tools, budget=budget)
        if task.sandbox != SandboxTable():
            text = f"the task file of [{role}] has a [sandbox]: maker and checker share that of the loop file"
            raise fault(source, Problem((role, "task"), text))
        return task
    turns = worker.max_iterations or file.guardrails.max_iterations
    task = TaskFile(
        prompt=worker.prompt,
        tools=worker.tools if "tools" in data[role] else _usual(role, file),
        model=worker.model,
        budget=budget,
        guardrails=replace(file.guardrails, max_iterations=turns),
    )
    for problem in task_rules.problems(task, given.known_tools):
        within = problem.path[:1] == ("tools",)
        raise fault(source, Problem((role, *problem.path) if within else problem.path, problem.text))
    return task


def _usual(role: str, file: LoopFile) -> tuple[str, ...]:
    return READERS if role == "checker" or file.level == "L1" else (*READERS, *WRITERS)


def _kind(file: LoopFile, data: dict[str, Any], maker: TaskFile) -> Any:
    """Of the sandbox: as said; else a worktree for whoever may change files, and no checkout for who only looks."""
    if "kind" in data.get("sandbox", {}):
        return file.sandbox.kind
    writes = file.action.do in ("patch", "commit") or any(name in WRITERS for name in maker.tools)
    return "worktree" if writes else "auto"


def _workspace(source: str, file: LoopFile, given: Given, folder: Path | None) -> Path:
    """A real directory. Raises Fault."""
    here = given.workspace or Path.cwd()
    said = Path(file.workspace).expanduser() if file.workspace else here
    shown = clip(file.workspace or str(said), 200)
    try:
        found = ((folder or here) / said).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        raise fault(source, Problem(("workspace",), f'"workspace": there is no directory "{shown}"')) from None
    if not found.is_dir():
        raise fault(source, Problem(("workspace",), f'"workspace" must be a directory, and "{shown}" is none'))
    if found == Path("/"):
        raise fault(source, Problem(("workspace",), '"workspace" must be a directory of its own, not /'))
    return found


def _no_checkout(workspace: Path) -> str:
    """Why a worktree cannot be made of it; "" when one can."""
    from ..sandbox import git

    shown = clip(str(workspace), 200)
    try:
        code, said, wrong = git.call(workspace, "rev-parse", "--is-inside-work-tree")
        if code or said.strip() != "true":
            reason = "" if not code or "not a git repository" in wrong else f" ({clip(git.explain(wrong), 200)})"
            return f"{shown} is no git checkout{reason}, and the maker works in a worktree of one: `git init` it first"
        if git.call(workspace, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")[0]:
            return f"{shown} has no commit yet, and the maker works in a worktree of the newest one: make one first"
    except SandboxError as error:
        return clip(error.what.rstrip("."), 300)
    return ""


# -- bytes -----------------------------------------------------------------------------------------------------------


def _read(path: Path) -> bytes:
    shown = clip(str(path), 200)
    if not path.exists():
        raise UsageError(
            f"There is no loop file {shown}.", "Check the path, or make one: harness-tui loop add --pattern"
        )
    raw = _bytes(path)
    if raw is None:
        raise UsageError(f"Cannot read {shown}: no file, or not yours to read.", "Check the path given to loop add.")
    if len(raw) > MAX_BYTES:
        raise UsageError(f"{shown} is larger than {MAX_BYTES // 1024} KiB: no loop file is.")
    return raw


def _bytes(path: Path) -> bytes | None:
    """What stands in it, a byte more than any loop file holds at most; None when it is no readable file."""
    try:
        # Not to wait for the other end of a named pipe.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as file:
            return file.read(MAX_BYTES + 1) if stat.S_ISREG(os.fstat(handle).st_mode) else None
    except (OSError, ValueError):
        return None


def _task_names(raw: bytes) -> list[str]:
    """The task files a loop file names. Raises ValueError when it is none."""
    if b"task" not in raw:  # thousands are looked at when an engine starts
        return []
    try:
        data = tomllib.loads(text_of(raw))
    except Fault as error:
        raise ValueError(error.text) from None
    tables = [data.get(role) for role in ("maker", "checker")]
    names = [table.get("task") for table in tables if isinstance(table, dict)]
    return [name for name in names if isinstance(name, str) and name]


def _digest(raw: bytes, tasks: list[bytes | None]) -> str:
    """Over each file's own digest, so that no byte can move from one into the next."""
    whole = hashlib.sha256(hashlib.sha256(raw).digest())
    for task in tasks:
        whole.update(b"-" if task is None else hashlib.sha256(task).digest())
    return whole.hexdigest()
