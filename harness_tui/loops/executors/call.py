"""Call a function of an installed package: `module:function(job)`."""

from __future__ import annotations

import asyncio

from ...agent.functions import apart, load
from ...domain.errors import HarnessError
from ...domain.events import Receipt
from .job import Job, Settled


async def execute(job: Job) -> Receipt:
    """What it returns is the receipt, or its text. Raises HarnessError for what it raises, and when it is late."""
    named, deadline = job.spec.action.call, job.spec.action.deadline
    try:
        async with asyncio.timeout(deadline):
            said = await apart(lambda: load(named, job.workspace)(job))
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
