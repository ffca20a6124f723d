"""Apply the change to the operator's files: uncommitted, nothing staged, all of it or nothing."""

from __future__ import annotations

import shlex

from ...domain.errors import HarnessError
from ...domain.events import Receipt
from .. import landing
from .job import Job, Settled


async def execute(job: Job) -> Receipt:
    """Raises HarnessError: it does not apply, or the operator is at work on its files."""
    change = job.proposed()
    top = await landing.whole(lambda: landing.apply(job.workspace, change, job.diff))
    git = f"git -C {shlex.quote(str(top))}"
    count = len(change.files)
    return Receipt(
        "patch",
        f"{count} file{'' if count == 1 else 's'} in {top} changed, +{change.added} -{change.removed}, not committed",
        job.digest,
        undo=f"{git} diff-tree -p --binary --full-index {change.base} {change.commit} | {git} apply -R",
    )


async def settled(job: Job) -> Settled:
    try:
        change = job.proposed()
        held = await landing.whole(lambda: landing.applied(job.workspace, change, job.diff))
    except HarnessError:
        return "unknown"
    return "unknown" if held is None else "done" if held else "not_done"
