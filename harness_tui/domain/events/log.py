"""The registry of kinds, and the envelope an event travels in."""

from __future__ import annotations

import msgspec

from .approval import (
    ApprovalDecided,
    ApprovalEdited,
    ApprovalExpired,
    ApprovalRequested,
    ApprovalResolved,
    ApprovalWithdrawn,
)
from .attempt import (
    AttemptFinished,
    AttemptStarted,
    BaselineTaken,
    BudgetExhausted,
    BudgetWarned,
    EnvironmentClosed,
    EnvironmentOpened,
    FrameCaptured,
    LoginHandled,
    LoopStopped,
    MessageAdded,
    ModelAnswered,
    ModelConsulted,
    ModelFailed,
    ModelRequested,
    ToolFinished,
    ToolNoted,
    ToolRefused,
    ToolStarted,
    TurnEnded,
    Verified,
)
from .base import Event
from .dag import (
    DagPaused,
    DagResumed,
    DagStarted,
    JobBound,
    JobDeadLettered,
    JobDue,
    JobFailed,
    JobReused,
    JobsCancelled,
    JobsPlanned,
    JobsReset,
    JobStarted,
    JobSucceeded,
    JobWaits,
    JobWent,
    PatchProposed,
    PlanApplied,
    PlannerBound,
    PlannerEnded,
    PlannerStarted,
    PlanRefused,
    RunStopped,
    TaskFinished,
    TaskResumed,
)
from .engine import (
    BudgetSet,
    EngineRecovered,
    EngineStarted,
    EngineStopped,
    RuleAdded,
    RuleRevoked,
    WorkspaceDistrusted,
    WorkspaceTrusted,
)
from .loop import (
    AcceptanceRun,
    ActionFinished,
    ActionStarted,
    ChangeTaken,
    DrillRun,
    Gated,
    LevelSet,
    LoopAdded,
    LoopPaused,
    LoopRemoved,
    LoopResumed,
    RolledBack,
    RoundFinished,
    RoundStarted,
    SlotFired,
    SlotMissed,
    SlotQueued,
    SlotSkipped,
    SourceSeen,
    VerdictGiven,
    WorkerEnded,
    WorkerStarted,
)
from .run import (
    AttemptEnded,
    AttemptLaunched,
    CancelRequested,
    RunFinished,
    RunReopened,
    RunStarted,
)

KINDS: dict[int, type[Event]] = {
    1: RunStarted,
    2: AttemptLaunched,
    3: AttemptEnded,
    4: CancelRequested,
    5: RunFinished,
    6: RunReopened,
    10: AttemptStarted,
    11: EnvironmentOpened,
    12: EnvironmentClosed,
    13: MessageAdded,
    14: BaselineTaken,
    15: ModelRequested,
    16: ModelAnswered,
    17: ModelFailed,
    18: ToolStarted,
    19: ToolFinished,
    20: ToolRefused,
    21: ApprovalRequested,
    22: ApprovalDecided,
    23: ApprovalExpired,
    24: ApprovalWithdrawn,
    25: ApprovalResolved,
    26: FrameCaptured,
    27: LoginHandled,
    28: TurnEnded,
    29: BudgetExhausted,
    30: LoopStopped,
    31: Verified,
    32: AttemptFinished,
    33: ToolNoted,
    34: BudgetWarned,
    35: ModelConsulted,
    40: EngineStarted,
    41: EngineRecovered,
    42: EngineStopped,
    43: BudgetSet,
    44: RuleAdded,
    45: RuleRevoked,
    46: WorkspaceTrusted,
    47: WorkspaceDistrusted,
    48: ApprovalEdited,
    60: LoopAdded,
    61: LoopRemoved,
    62: LoopPaused,
    63: LoopResumed,
    64: LevelSet,
    65: DrillRun,
    66: SourceSeen,
    67: SlotFired,
    68: SlotMissed,
    69: SlotSkipped,
    70: SlotQueued,
    80: RoundStarted,
    81: WorkerStarted,
    82: WorkerEnded,
    83: ChangeTaken,
    84: VerdictGiven,
    85: AcceptanceRun,
    86: Gated,
    87: RoundFinished,
    88: ActionStarted,
    89: ActionFinished,
    90: RolledBack,
    100: DagStarted,
    101: PatchProposed,
    102: JobsPlanned,
    103: PlanApplied,
    104: PlanRefused,
    105: PlannerStarted,
    106: PlannerBound,
    107: PlannerEnded,
    108: JobStarted,
    109: JobBound,
    110: JobWaits,
    111: JobWent,
    112: JobSucceeded,
    113: JobFailed,
    114: JobDue,
    115: JobDeadLettered,
    116: JobsCancelled,
    117: JobReused,
    118: JobsReset,
    119: RunStopped,
    120: DagPaused,
    121: DagResumed,
    122: TaskResumed,
    123: TaskFinished,
}
"""Frozen registry: the journal stores the number, the wire and exports the name."""

NUMBER_OF: dict[type[Event], int] = {cls: number for number, cls in KINDS.items()}


def name_of(event: Event) -> str:
    """The snake_case name used on the wire and in exports: `ToolFinished` -> `tool_finished`."""
    return _NAMES[type(event)]


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


_NAMES = {cls: _snake(cls.__name__) for cls in NUMBER_OF}


class Envelope(msgspec.Struct, frozen=True):
    """An event with its place in the log.

    Attributes:
        pos: global commit order; a console's cursor.
        run: uid of the stream.
        seq: place within the stream, from 1; the fencing key.
        at: microseconds since the epoch.
    """

    pos: int
    run: str
    seq: int
    at: int
    event: Event


class Write(msgspec.Struct, frozen=True):
    """Events for one run, valid only if its head is `expected` (0 for a new run)."""

    run: str
    expected: int
    events: tuple[Event, ...]


class Flow(msgspec.Struct, frozen=True):
    """What is only worth watching: token deltas and progress. Never journalled; last value wins per (run, key)."""

    run: str
    key: str
    text: str
    count: int = 0


HALTED = "halted"
"""Flow key under which a run that cannot go on for now says why; `count` is the exit code of who only waits for it."""

RECORDING = "recording"
"""Flow key under which a run says that its recording ended early, and why."""


_POWER = frozenset(
    (
        ApprovalDecided,
        ApprovalEdited,
        ApprovalResolved,
        RuleAdded,
        RuleRevoked,
        WorkspaceTrusted,
        WorkspaceDistrusted,
        LoopAdded,
        LoopRemoved,
        LoopPaused,
        LoopResumed,
        LevelSet,
        ActionStarted,
        PlanApplied,
    )
)
"""What an operator decided, and intents that carry it out."""


def root_of(uid: str) -> str:
    """`r17/1` -> `r17`: children are named `<parent uid>/<via>`."""
    return uid.partition("/")[0]


def needs_power(event: Event) -> bool:
    """Whether the event must survive power loss before anything follows from it."""
    kind = type(event)
    return kind in _POWER or (kind is ToolStarted and event.risk in ("destructive", "network"))  # type: ignore[attr-defined]
