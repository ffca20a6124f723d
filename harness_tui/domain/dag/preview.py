"""What trying again would cost and what it would not, told before anybody says so."""

from __future__ import annotations

import msgspec

from .. import events as ev
from .state import DagState
from .steer import Retry, steer


class Preview(msgspec.Struct, frozen=True):
    """What `RetryDag` would do.

    Attributes:
        again: ids that would run again at most, in the plan's order; `sure` those that would in any case: where it
            begins, and what has no answer yet. The others do only if they are then given something else.
        reused: ids whose answers stand; `tokens` and `usd` (nano-dollars, None = partly unknown) what these cost.
    """

    again: tuple[str, ...]
    sure: tuple[str, ...]
    reused: tuple[str, ...]
    tokens: int
    usd: int | None


def preview(s: DagState, job: str = "") -> Preview:
    """What trying again from `job` on would do ("" = everything that failed). Raises UsageError as doing it would."""
    resets = [event for event in steer(s, Retry("operator", job), s.t) if isinstance(event, ev.JobsReset)]
    targets = {event.target for event in resets}
    anew = {ident for event in resets for ident in event.jobs}
    again = tuple(ident for ident in s.jobs if ident in anew)
    sure = tuple(ident for ident in again if ident in targets or s.jobs[ident].good is None)
    stands = [state for ident, state in s.jobs.items() if ident not in anew and state.state == "succeeded"]
    costs = [state.usd for state in stands]
    usd = None if None in costs else sum(cost for cost in costs if cost is not None)
    reused = tuple(state.spec.id for state in stands)
    return Preview(again, sure, reused, sum(state.tokens for state in stands), usd)
