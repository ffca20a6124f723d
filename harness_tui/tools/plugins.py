"""Tools of others: installed packages name them as entry points, trusted workspaces hold them in `.harness-tui/tools`.

A plug-in that is broken is a problem to be shown, never a reason for anything else to fail.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from ..domain.errors import HarnessError, UsageError
from ..domain.task import BUILT_IN_TOOLS
from .box import failure
from .tool import Tool

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "harness_tui.tools"
"""Entry points: each loads to a Tool, to several, or to a module that holds some."""
FOLDER = ".harness-tui/tools/"


class Plugged(NamedTuple):
    """A tool and where it is from, for people: `entry point notes (notes 1.2)`, `.harness-tui/tools/notes.py`."""

    tool: Tool[..., Any]
    origin: str


class Problem(NamedTuple):
    """Why a plug-in, or one tool of it, is not there."""

    origin: str
    text: str


class Found(NamedTuple):
    tools: tuple[Plugged, ...] = ()
    problems: tuple[Problem, ...] = ()


def installed() -> Found:
    """Tools of installed packages. Imports them: off the event loop, and only where tools are listed or run."""
    from importlib.metadata import entry_points

    found = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    return _gathered((_named(entry), entry.load) for entry in found)


def of_project(files: Mapping[str, bytes]) -> Found:
    """Tools of a workspace the operator trusts: `files` are the very bytes that were hashed, by relative path."""
    found = sorted(path for path in files if is_plugin(path))
    return _gathered((path, partial(_module, path, files[path])) for path in found)


def together(*found: Found) -> Found:
    """All of them; of two tools with one name the first."""
    tools: dict[str, Plugged] = {}
    problems = [problem for some in found for problem in some.problems]
    for each in (plugged for some in found for plugged in some.tools):
        first = tools.setdefault(each.tool.spec.name, each)
        if first is not each:
            problems.append(Problem(each.origin, f'"{each.tool.spec.name}" is there already, from {first.origin}'))
    return Found(tuple(tools.values()), tuple(problems))


def is_plugin(path: str) -> bool:
    """Whether the file is a project plug-in: a `.py` right in the folder, its name not beginning with `_`."""
    name = path.removeprefix(FOLDER)
    return name != path and "/" not in name and name.endswith(".py") and not name.startswith("_")


def _gathered(parts: Iterable[tuple[str, Callable[[], Any]]]) -> Found:
    tools: list[Plugged] = []
    problems: list[Problem] = []
    for origin, load in parts:
        try:
            loaded = _tools_in(load())
        except (Exception, SystemExit) as error:
            problems.append(Problem(origin, str(error) if isinstance(error, HarnessError) else failure(error)))
            continue
        for each in loaded:
            if each.spec.name in BUILT_IN_TOOLS:
                problems.append(Problem(origin, f'"{each.spec.name}" is the name of a built-in tool'))
            else:
                tools.append(Plugged(each, origin))
        if not loaded:
            problems.append(Problem(origin, "it holds no tool: mark functions with @tool"))
    return together(Found(tuple(tools), tuple(problems)))


def _tools_in(loaded: Any) -> list[Tool[..., Any]]:
    """Of a tool itself, some of them, or a module: what it made, not what it imported from elsewhere."""
    if isinstance(loaded, Tool):
        return [loaded]
    if isinstance(loaded, ModuleType):
        made = [each for each in vars(loaded).values() if isinstance(each, Tool)]
        return [each for each in made if getattr(each, "__module__", "") == loaded.__name__]
    listed = list(loaded)
    if wrong := [each for each in listed if not isinstance(each, Tool)]:
        raise UsageError(f"It must load to tools, not to {type(wrong[0]).__name__}.")
    return listed


def _named(entry: EntryPoint) -> str:
    return f"entry point {entry.name}" + (f" ({entry.dist.name} {entry.dist.version})" if entry.dist else "")


@lru_cache(maxsize=256)
def _module(path: str, source: bytes) -> ModuleType:
    """The module of exactly this source; run once, however many runs of the workspace use it."""
    digest = hashlib.sha256(path.encode("utf-8", "surrogateescape") + b"\0" + source).hexdigest()
    name = f"harness_tui_project_{digest[:16]}"
    module = ModuleType(name)
    module.__file__ = path
    code = compile(source, path, "exec", dont_inherit=True)
    sys.modules[name] = module  # type hints and dataclasses look their module up there
    try:
        exec(code, module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    return module
