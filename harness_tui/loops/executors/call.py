"""Call a function of an installed package: `module:function(job)`."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...domain.errors import HarnessError, UsageError
from ...domain.events import Receipt
from .job import Job, Settled

INSTALL = "Install the package beside this program, and name it as module:function."


async def execute(job: Job) -> Receipt:
    """What it returns is the receipt, or its text. Raises HarnessError for what it raises, and when it is late."""
    named, deadline = job.spec.action.call, job.spec.action.deadline
    try:
        async with asyncio.timeout(deadline):
            said = await _apart(lambda: load(named, job.workspace)(job))
    except TimeoutError:
        raise HarnessError(
            f"{named} did not end within {deadline:g} s, and cannot be stopped.", "Look at what it has done so far."
        ) from None
    except HarnessError:
        raise
    except Exception as error:
        raise HarnessError(
            f"{named} raised {type(error).__name__}: {error}", "Look at what it has done so far."
        ) from error
    if isinstance(said, Receipt):
        return said
    return Receipt("call", str(said) if said else f"{named} has ended", job.digest)


async def settled(job: Job) -> Settled:
    """Nobody can tell what a function has done."""
    return "unknown"


def load(named: str, workspace: Path) -> Callable[..., Any]:
    """The function behind `module:function`.

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
    if any(Path(os.path.realpath(place)).is_relative_to(inside) for place in places if place):
        raise UsageError(f"The module {top} lies in the workspace, where an agent may write it.", INSTALL)
    function = getattr(importlib.import_module(module), attribute, None)
    if not callable(function):
        raise UsageError(f"There is no function {attribute} in {module}.", INSTALL)
    called: Callable[..., Any] = function
    return called


async def _apart(work: Callable[[], Any]) -> Any:
    """On a thread of its own: one that does not end keeps neither a pool's place nor this program from ending."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Any] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if ended.done():
            return
        if error:
            ended.set_exception(error)
        else:
            ended.set_result(result)

    def run() -> None:
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
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="harness-call", daemon=True).start()
    return await ended
