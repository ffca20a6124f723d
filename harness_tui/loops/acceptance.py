"""The operator's command that says whether a change will do, run where the change is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ..domain.errors import HarnessError
from ..domain.events import AcceptanceRun
from ..domain.seams import Clock
from ..sandbox.base import FULL, Command, Sandbox
from ..tools.shell import executables

TAIL = 8 * 1024
"""Bytes of its output that are kept."""


async def run(argv: Sequence[str], deadline: float, sandbox: Sandbox, clock: Clock) -> AcceptanceRun:
    """Run it in the round's worktree, whose change is committed already: what it leaves there never gets into it.

    It runs what a maker wrote, so not at all where the sandbox does not hold it in, unless the operator asked for none.

    Args:
        sandbox: open.

    Never raises: what keeps it from running is the note.
    """
    words = tuple(argv)
    if lacking := sorted(FULL - sandbox.enforced) if sandbox.asked != "none" else []:
        why = f"not run: the sandbox {sandbox.kind} does not enforce {', '.join(lacking)}"
        return AcceptanceRun(words, None, note=why)
    program = await asyncio.to_thread(executables.find, words[0]) if words else None
    if program is None:
        named = words[0] if words else "nothing"
        return AcceptanceRun(words, None, note=f"not run: {named} is not among the system's programs")
    began = clock.now()
    try:
        done = await sandbox.run(Command(words, program.real, deadline=deadline))
    except HarnessError as error:
        return AcceptanceRun(words, None, note=f"not run: {error}")
    seconds = max(0, clock.now() - began) / 1_000_000
    output = done.output.encode("utf-8", "replace")[-TAIL:].decode("utf-8", "ignore")
    note = {"deadline": f"stopped after {deadline:g} s", "flood": "stopped: too much output", "killed": "was killed"}
    return AcceptanceRun(words, done.code, output, note.get(done.ended, ""), seconds)
