"""Put the change's commit on a branch: a fast-forward or nothing."""

from __future__ import annotations

import shlex

from ...domain.errors import HarnessError
from ...domain.events import Receipt
from .. import landing
from .job import Job, Settled


async def execute(job: Job) -> Receipt:
    """Raises HarnessError: the branch has moved, is checked out elsewhere, or the operator is at work on its files."""
    change, target = job.proposed(), job.spec.action.branch
    done = await landing.whole(lambda: landing.commit(job.workspace, change, job.diff, target))
    name = done.ref.removeprefix("refs/heads/")
    git = f"git -C {shlex.quote(str(done.top))}"
    if not done.before:
        said, undo = f"{name} was made, with {done.after[:12]}", f"{git} branch -D {shlex.quote(name)}"
    elif done.here:
        said, undo = f"{name} is at {done.after[:12]}, and so are the files", f"{git} revert --no-edit {done.after}"
    else:
        said = f"{name} is at {done.after[:12]}"
        undo = f"{git} update-ref {shlex.quote(done.ref)} {done.before} {done.after}"
    return Receipt("commit", said, job.digest, done.ref, done.before, done.after, undo)


async def settled(job: Job) -> Settled:
    try:
        change, target = job.proposed(), job.spec.action.branch
        held = await landing.whole(lambda: landing.landed(job.workspace, change, target))
    except HarnessError:
        return "unknown"
    return "done" if held else "not_done"
