"""Functions that graphs call in tests: each leaves a line in a file that the dead cannot take back."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from typing import Any

from harness_tui.orchestrator.calls import Context
from harness_tui.orchestrator.planning import Situation

FILE = "HARNESS_TESTS_EFFECTS"


def leave(line: str) -> None:
    """One write, so that lines of several processes do not mix."""
    handle = os.open(os.environ[FILE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(handle, f"{line}\n".encode())
    os.close(handle)


def note(inputs: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """It was done, by which attempt."""
    leave(f"{context.job}#{context.attempt}")
    return {"did": context.job, "after": sorted(inputs)}


def deadly(context: Context) -> str:
    """The first time it is done its process dies of it."""
    first = not os.path.exists(os.environ[FILE])
    leave(f"{context.job}#{context.attempt}")
    if first:
        os.kill(os.getpid(), signal.SIGKILL)
    return "paid"


def flaky(context: Context) -> str:
    """Its first attempt fails."""
    leave(f"{context.job}#{context.attempt}")
    if context.attempt == 1:
        raise RuntimeError("the server was busy")
    return "ok"


def broken(context: Context) -> None:
    leave(f"{context.job}#{context.attempt}")
    raise RuntimeError("never")


async def slow(context: Context) -> str:
    """It lasts until somebody ends it."""
    leave(f"{context.job}#{context.attempt}")
    await asyncio.sleep(3600)
    return "never seen"


def draft(context: Context) -> str:
    """A text, and a better one when it comes back."""
    leave(f"{context.job}#{context.attempt}")
    return f"better: {context.feedback}" if context.feedback else "raw"


def review(inputs: Mapping[str, Any], context: Context) -> Any:
    leave(f"{context.job}#{context.attempt}")
    return inputs["draft"]


def verdict(answer: Any) -> Any:
    """A router: what is raw goes back."""
    return {"goto": "draft", "feedback": "not so raw"} if answer == "raw" else "continue"


def plans(situation: Situation) -> dict[str, Any] | None:
    """A planner that adds a job the first time, whatever it finds, and then is content."""
    leave(f"planner#{situation.replans}")
    if situation.replans == 7:
        call = f"{__name__}:note"
        return {"add": [{"id": "added", "call": call, "risk": "idempotent", "deps": ["gate"]}], "reason": "one more"}
    return None


def content(situation: Situation) -> None:
    """A planner that never wants anything."""


def wants_more(situation: Situation) -> dict[str, Any] | None:
    """A planner that wants, once, what nobody approved."""
    if "wider" in situation.jobs or situation.replans < 7:
        return None
    return {"add": [{"id": "wider", "call": f"{__name__}:draft"}], "reason": "it may be of use"}


def never_content(situation: Situation) -> dict[str, Any]:
    """A planner that always adds one more of what is there."""
    job = {"id": f"more{situation.replans}", "call": f"{__name__}:note", "risk": "idempotent"}
    return {"add": [job]}


def meddles(situation: Situation) -> dict[str, Any] | None:
    """A planner that would replace what the operator has put there."""
    if situation.replans < 7:
        return None
    call = f"{__name__}:note"
    return {"replace": [{"id": "mine", "call": call, "risk": "idempotent", "title": "changed", "deps": ["gate"]}]}


async def work(context: Context, fails: int, seconds: float) -> int:
    """It fails the first `fails` times it is tried."""
    leave(f"{context.job}#{context.attempt}")
    await asyncio.sleep(seconds)
    if context.attempt <= fails:
        raise RuntimeError("not yet")
    return context.attempt
