"""The closed union of events: past-tense facts, each with a frozen integer kind.

An event lives in the stream of one run (`Envelope.run`, a uid). A root agent run's stream holds the fate of its
attempts; each attempt is a child run with a stream of its own (`r17/1`). The engine's own events are in `engine`.
Adding a kind is a new number in `log.KINDS`; a number is never reused.
"""

from .approval import (
    ApprovalDecided,
    ApprovalExpired,
    ApprovalRequested,
    ApprovalResolved,
    ApprovalWithdrawn,
    Fact,
)
from .attempt import (
    AttemptFinished,
    AttemptStarted,
    BaselineTaken,
    BudgetExhausted,
    BudgetWarned,
    Carried,
    EnvironmentClosed,
    EnvironmentOpened,
    FrameCaptured,
    LoginHandled,
    LoopStopped,
    MessageAdded,
    ModelAnswered,
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
from .engine import (
    BudgetSet,
    EngineRecovered,
    EngineStarted,
    EngineStopped,
)
from .log import HALTED, KINDS, NUMBER_OF, RECORDING, Envelope, Flow, Write, name_of, needs_power, root_of
from .run import (
    AttemptEnded,
    AttemptLaunched,
    CancelRequested,
    RunFinished,
    RunStarted,
)

__all__ = [
    "HALTED",
    "KINDS",
    "NUMBER_OF",
    "RECORDING",
    "ApprovalDecided",
    "ApprovalExpired",
    "ApprovalRequested",
    "ApprovalResolved",
    "ApprovalWithdrawn",
    "AttemptEnded",
    "AttemptFinished",
    "AttemptLaunched",
    "AttemptStarted",
    "BaselineTaken",
    "BudgetExhausted",
    "BudgetSet",
    "BudgetWarned",
    "CancelRequested",
    "Carried",
    "EngineRecovered",
    "EngineStarted",
    "EngineStopped",
    "Envelope",
    "EnvironmentClosed",
    "EnvironmentOpened",
    "Event",
    "Fact",
    "Flow",
    "FrameCaptured",
    "LoginHandled",
    "LoopStopped",
    "MessageAdded",
    "ModelAnswered",
    "ModelFailed",
    "ModelRequested",
    "RunFinished",
    "RunStarted",
    "ToolFinished",
    "ToolNoted",
    "ToolRefused",
    "ToolStarted",
    "TurnEnded",
    "Verified",
    "Write",
    "name_of",
    "needs_power",
    "root_of",
]
