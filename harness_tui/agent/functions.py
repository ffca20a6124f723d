"""Functions of installed packages, named `module:function`: how one is found, and called without holding the loop."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import os
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from ..domain.errors import UsageError
from ..tools import threads

T = TypeVar("T")
INSTALL = "Install the package beside this program, and name it as module:function."
THREAD = "harness-call"
"""Name of a thread while it calls one."""


@lru_cache(maxsize=1024)
def load(named: str, workspace: Path) -> Callable[..., Any]:
    """The function behind `module:function`. Imports its module, the first time in a process.

    Raises UsageError unless it is one, and for a module that lies in the workspace: an agent may have written it.
    """
    module, _, attribute = named.partition(":")
    top = module.partition(".")[0]
    if not top or not all(part.isidentifier() for part in (*module.split("."), attribute)):
        raise UsageError(f"{named!r} is no module:function.", INSTALL)
    found = importlib.util.find_spec(top)  # of the top alone: of what is below, it would be imported
    if found is None:
        raise UsageError(f"There is no module {top}.", INSTALL)
    places = [found.origin or "", *(found.submodule_search_locations or ())]
    inside = os.path.realpath(workspace)
    if any(Path(os.path.realpath(place)).is_relative_to(inside) for place in places if os.path.isabs(place)):
        raise UsageError(f"The module {top} lies in the workspace, where an agent may write it.", INSTALL)
    function = getattr(importlib.import_module(module), attribute, None)
    if not callable(function):
        raise UsageError(f"There is no function {attribute} in {module}.", INSTALL)
    called: Callable[..., Any] = function
    return called


async def apart(work: Callable[[], T]) -> T:
    """On a thread of its own: one that does not end keeps neither a pool's place nor this program from ending.

    Whatever it raises comes out as an Exception, so that no SystemExit of somebody's code ends this program.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[T] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if ended.done():
            return
        if error:
            ended.set_exception(error)
        else:
            ended.set_result(result)

    def run() -> Callable[[], object]:
        threading.current_thread().name = THREAD
        result: Any = None
        error: Exception | None = None
        try:
            result = work()
        except StopIteration:
            error = RuntimeError("StopIteration")
        except Exception as raised:
            error = raised
        except BaseException as raised:
            error = RuntimeError(f"{type(raised).__name__}: {raised}")
        return lambda: loop.call_soon_threadsafe(settle, result, error)

    threads.lend(run)
    return await ended
