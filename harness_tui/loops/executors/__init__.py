"""Executors: what a round does once the gate or the operator has said yes, by `Action.do`.

Each is one module with two functions. `execute` does it and returns its receipt, or raises HarnessError with cause and
next step, having done nothing that can be undone by itself. `settled` looks, after a crash between intent and result,
whether it was done; "not_done" means that executing again comes to the same as executing once.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from ...domain.events import Receipt
from ...domain.loop.spec import Does
from .. import landing
from .job import Job, Settled

__all__ = ["EXECUTORS", "Job", "Settled", "execute", "hindrance", "settled"]

EXECUTORS: dict[Does, str] = {
    "report": "report",
    "patch": "patch",
    "commit": "commit",
    "command": "command",
    "webhook": "webhook",
    "call": "call",
}
"""Modules of this package; each is imported when it is needed."""


async def execute(job: Job) -> Receipt:
    """Do it, while nobody else acts on the workspace. Raises HarnessError."""
    async with landing.lock(job.workspace, job.home):
        receipt: Receipt = await _module(job).execute(job)
        return receipt


async def settled(job: Job) -> Settled:
    """What became of it; waits for whoever acts on the workspace now."""
    async with landing.lock(job.workspace, job.home):
        found: Settled = await _module(job).settled(job)
        return found


async def hindrance(job: Job) -> str:
    """Why a change could not be carried out now (the operator is at work on its files), and what to do; "" = it can.

    To be asked before a yes is spent on it.
    """
    change, action = job.change, job.spec.action
    if change is None:
        return ""
    return await landing.whole(lambda: landing.hindrance(job.workspace, change, job.diff, action.do, action.branch))


def _module(job: Job) -> ModuleType:
    return import_module(f"{__name__}.{EXECUTORS[job.spec.action.do]}")
