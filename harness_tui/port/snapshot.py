"""What a console gets when it attaches: bounded rows and one cursor; everything after it comes as batches."""

from __future__ import annotations

import msgspec

from ..domain.codec import WireEvent
from ..domain.events import Flow
from ..domain.loop.rows import LoopRow, RoundRow
from ..domain.views import ApprovalRow, BudgetRow, FrameRow, HoldRow, RunRow

TRACE_ROWS = 500
MAX_BYTES = 256 * 1024


class EngineInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who answers. `utc_offset_s` is the engine host's zone, in which times are shown."""

    pid: int
    version: str
    home: str
    host: str
    started: int
    socket: str = ""
    utc_offset_s: int = 0
    workspaces: tuple[str, ...] = ()


class Snapshot(msgspec.Struct, frozen=True, omit_defaults=True):
    """Open runs and the newest ended ones, waiting approvals, budgets, loops with their newest rounds, the last trace
    events; `pos` is the cursor. `more_loops`: how many loops did not fit."""

    engine: EngineInfo
    pos: int
    at: int
    runs: tuple[RunRow, ...] = ()
    approvals: tuple[ApprovalRow, ...] = ()
    budgets: tuple[BudgetRow, ...] = ()
    holds: tuple[HoldRow, ...] = ()
    frames: tuple[FrameRow, ...] = ()
    loops: tuple[LoopRow, ...] = ()
    rounds: tuple[RoundRow, ...] = ()
    more_loops: int = 0
    trace: tuple[WireEvent, ...] = ()


class Batch(msgspec.Struct, frozen=True, omit_defaults=True):
    """What happened since the last batch.

    Attributes:
        events: state events in commit order; never dropped.
        flow: last value per (run, key).
        dropped: flow items that were sampled away.
        gap: the engine could not keep the cursor; attach again.
    """

    events: tuple[WireEvent, ...] = ()
    flow: tuple[Flow, ...] = ()
    dropped: int = 0
    gap: bool = False
