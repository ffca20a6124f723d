"""Run the operator's command in the sandbox, over the workspace."""

from __future__ import annotations

import asyncio
import re
import shlex

from ...domain.errors import HarnessError, UsageError
from ...domain.events import Receipt
from ...sandbox.base import Command
from ...tools.shell import executables
from .job import Job, Settled

TAIL = 2_000
"""Characters of its output that the receipt keeps."""
_PLACE = re.compile(r"\{(round|branch|commit)\}")


async def execute(job: Job) -> Receipt:
    """Raises HarnessError when it cannot be started, ends with anything but 0, or does not end in time."""
    words = argv(job)
    shown = shlex.join(words)
    if job.sandbox is None:
        raise HarnessError(f"{shown} was not run: there is no sandbox to run it in.")
    program = await asyncio.to_thread(found, words[0])
    deadline = job.spec.action.deadline
    sandbox = job.sandbox()
    await sandbox.open()
    try:
        done = await sandbox.run(Command(words, program.real, deadline=deadline))
    finally:
        await sandbox.close()
    tail = done.output[-TAIL:].strip()
    said = f": {tail}" if tail else ""
    if done.ended == "deadline":
        raise HarnessError(f"{shown} did not end within {deadline:g} s{said}", "Look at what it has done so far.")
    if done.code != 0:
        how = f"ended with {done.code}" if done.ended == "exit" else f"was stopped ({done.ended})"
        raise HarnessError(f"{shown} {how}{said}", "Look at what it has done so far.")
    return Receipt("command", f"{shown} ended with 0{said}", job.digest)


async def settled(job: Job) -> Settled:
    """Nobody can tell what a command has done."""
    return "unknown"


def argv(job: Job) -> tuple[str, ...]:
    """Its words; what stands for a placeholder never becomes more than the word it is in.

    Raises HarnessError for one that stands for nothing here.
    """
    stands = {"round": job.round, "branch": "", "commit": ""}
    if job.change:
        stands |= {"branch": job.change.branch, "commit": job.change.commit}
    words = job.spec.action.argv
    if not words:
        raise UsageError("[action] argv is empty.", "Name the command.")
    for word in words:
        if lacks := next((name for name in _PLACE.findall(word) if not stands[name]), ""):
            raise HarnessError(f"{{{lacks}}} stands for nothing: the round proposes no change.", "Take it out of argv.")
    return tuple(_PLACE.sub(lambda place: stands[place[1]], word) for word in words)


def found(name: str) -> executables.Executable:
    """The program, from the system's directories alone. Raises HarnessError."""
    program = executables.find(name)
    if program is None:
        raise HarnessError(
            f"{name} is not among the system's programs ({', '.join(executables.DIRECTORIES)}).",
            'Start a script by its interpreter: argv = ["bash", "script.sh"].',
        )
    return program
