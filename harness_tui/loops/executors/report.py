"""Write the round's report into a file of the workspace, or leave it in the journal, where it is anyway."""

from __future__ import annotations

import asyncio
import shlex

from ...domain.errors import HarnessError
from ...domain.events import Receipt
from ...domain.safetext import safe
from ...sandbox.tree import Tree
from .job import Job, Settled


async def execute(job: Job) -> Receipt:
    """Raises HarnessError for a path that leaves the workspace, or that tools may not write."""
    path = _path(job)
    if not path:
        return Receipt("report", "The report is in the journal.", job.digest)
    return await asyncio.to_thread(_write, job, path)


async def settled(job: Job) -> Settled:
    path = _path(job)
    if not path:
        return "done"
    try:
        return "done" if await asyncio.to_thread(_read, job, path) == _text(job) else "not_done"
    except (HarnessError, OSError):
        return "not_done"


def _write(job: Job, path: str) -> Receipt:
    tree = Tree(job.workspace, [job.home])
    try:
        new = tree.present(path, 1 << 26).data is None
        tree.replace(path, _text(job))
    except OSError as error:
        raise HarnessError(
            f"The report cannot be written to {path}: {error.strerror}.", "Set another [action] path."
        ) from None
    finally:
        tree.close()
    undo = f"rm -- {shlex.quote(str(job.workspace / path))}" if new else ""
    return Receipt(
        "report", f"The report is in {path}{'' if new else ', in place of the last one'}.", job.digest, undo=undo
    )


def _read(job: Job, path: str) -> bytes:
    tree = Tree(job.workspace, [job.home])
    try:
        with tree.open(path) as file:
            return file.read(1 << 26)
    finally:
        tree.close()


def _path(job: Job) -> str:
    return job.spec.action.path.replace("{date}", job.date).replace("{round}", job.name)


def _text(job: Job) -> bytes:
    """Somebody will `cat` it: what would steer a terminal is shown as an escape."""
    lines = (safe(line) for line in job.report.replace("\t", "    ").split("\n"))
    return ("\n".join(lines).rstrip("\n") + "\n").encode("utf-8", "replace")
