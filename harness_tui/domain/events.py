"""The closed union of events: past-tense facts, each with a frozen integer kind.

An event lives in the stream of one run (`Envelope.run`, a uid). A root agent run's stream holds the fate of its
attempts; each attempt is a child run with a stream of its own (`r17/1`). The engine's own events are in `engine`.
Adding a kind is a new number at the end of `KINDS`; a number is never reused.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from .messages import Message, Part, Risk, Stop, Usage
from .task import RunSpec


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """Base of all events."""


# -- a root run ------------------------------------------------------------------------------------------------


class RunStarted(Event, frozen=True):
    """A root run exists. `may` maps each risk class to acts | asks | cannot."""

    spec: RunSpec
    may: dict[str, str] = {}
    sandbox: str = "none"


class AttemptLaunched(Event, frozen=True):
    """Attempt `number` was started as child run `child`."""

    number: int
    child: str


class AttemptEnded(Event, frozen=True):
    """The child's outcome as the root keeps it.

    Attributes:
        passed: the verifier's verdict; None when nothing verified the claim.
        fatal: another attempt cannot help.
        interrupted: the world died under it; it does not count against the limit.
        acted: it performed at least one destructive or network call.
        tools: names of its calls in order, `harness_auto_login` included.
    """

    number: int
    passed: bool | None
    reason: str
    stopped_by: str = ""
    claim: str = ""
    exit: int = 0
    fatal: bool = False
    interrupted: bool = False
    acted: bool = False
    tools: tuple[str, ...] = ()


class CancelRequested(Event, frozen=True):
    by: str
    reason: str = ""


class RunFinished(Event, frozen=True):
    """The run is over.

    Attributes:
        verified: the verifier's verdict; None when nothing was to be verified.
        reason: the verifier's or the stopping reason, in words.
        claim: what the model said of its own success, beside the verdict and never instead of it.
        stopped_by: model | guardrail | goal | budget | denied | expired | cancelled | error | verifier.
        exit: process exit code of `run`.
    """

    state: Literal["succeeded", "failed", "cancelled"]
    verified: bool | None
    reason: str
    claim: str
    stopped_by: str
    exit: int
    error: str = ""


# -- an attempt --------------------------------------------------------------------------------------------------


class Carried(msgspec.Struct, frozen=True, omit_defaults=True):
    """An approval or an in-doubt effect of an earlier attempt, handed to the next.

    Attributes:
        action: digest of the proposal but for session and expiry; the approval is spent on an equal one only.
        happened: the operator said the effect happened; the call counts as done for trace conditions.
    """

    approval: str
    tool: str
    action: str = ""
    arguments: dict[str, Any] = {}
    happened: bool = False


class AttemptStarted(Event, frozen=True):
    """An attempt (kind of run: `attempt`) of `parent` begins with fresh goal state."""

    parent: str
    number: int
    baseline: dict[str, Any] | None = None
    carried: tuple[Carried, ...] = ()


class EnvironmentOpened(Event, frozen=True):
    """The world the tools are bound to. `notes` are shown in the run's header, for example `browser unsandboxed`."""

    kind: str
    session: str
    notes: tuple[str, ...] = ()


class EnvironmentClosed(Event, frozen=True):
    reason: str


class MessageAdded(Event, frozen=True):
    """A message the harness put into the context. source: system | task | retry | login | sensor | recovery."""

    message: Message
    source: str


class BaselineTaken(Event, frozen=True):
    """How the page looked when the *run* began; later attempts inherit it."""

    baseline: dict[str, Any]


class ModelRequested(Event, frozen=True):
    """A model call begins; `hold` tokens are reserved on `day` (ISO date) in every scope of the run."""

    call: str
    iteration: int
    hold: int
    day: str
    messages: int = 0
    max_output: int | None = None


class ModelAnswered(Event, frozen=True):
    """The whole answer; settles the call's hold with `usage`."""

    call: str
    parts: tuple[Part, ...]
    usage: Usage
    stop: Stop = "end"
    reported: bool = True


class ModelFailed(Event, frozen=True):
    """A model call failed; settles its hold with `spent` tokens. `retry_at` (us) when it will be tried again."""

    call: str
    error: str
    kind: str
    spent: int = 0
    retry_at: int | None = None


class ToolStarted(Event, frozen=True):
    """Durable before the effect. `digest` names what runs; `approval` the request it was spent on."""

    call: str
    tool: str
    risk: Risk
    digest: str
    summary: str
    arguments: dict[str, Any] | None = None
    approval: str = ""


class ToolFinished(Event, frozen=True):
    """The effect's result as the model reads it. `blob` holds the whole text when it was spilled."""

    call: str
    tool: str
    ok: bool
    text: str
    took_ms: int = 0
    blob: str = ""


class ToolRefused(Event, frozen=True):
    """A call that did not run. why: unknown_tool | malformed | level | policy | denied | expired."""

    call: str
    tool: str
    why: str
    text: str


class Fact(msgspec.Struct, frozen=True, array_like=True):
    """One line of an approval card; what is shown is what is digested."""

    label: str
    value: str


class ApprovalRequested(Event, frozen=True):
    """A call waits for a decision.

    Attributes:
        kind: "action", or "in_doubt" for an effect that started and has no result on record.
        digest: over everything that will run, session and expiry included (64 hex).
        action: the same without session and expiry.
        expires: us; 0 = never.
        selector: what `[approve]` rules are matched against, or "".
    """

    id: str
    call: str
    tool: str
    risk: Literal["low", "med", "high"]
    risk_class: Risk
    summary: str
    facts: tuple[Fact, ...]
    digest: str
    action: str
    expires: int
    kind: Literal["action", "in_doubt"] = "action"
    session: str = ""
    arguments: dict[str, Any] = {}
    selector: str = ""


class ApprovalDecided(Event, frozen=True):
    id: str
    decision: Literal["approved", "denied"]
    by: str
    digest: str
    reason: str = ""


class ApprovalExpired(Event, frozen=True):
    id: str


class ApprovalWithdrawn(Event, frozen=True):
    id: str
    reason: str


class ApprovalResolved(Event, frozen=True):
    """The operator's word on an in-doubt effect."""

    id: str
    resolution: Literal["happened", "did_not", "again"]
    by: str
    reason: str = ""


class FrameCaptured(Event, frozen=True):
    """A screenshot: `sha` names the blob (JPEG). `snapshot` is the page's accessibility text, capped."""

    sha: str
    url: str
    title: str
    caption: str
    width: int
    height: int
    bytes: int
    snapshot: str = ""


class LoginHandled(Event, frozen=True):
    """`harness_auto_login`: the harness met a login page and acted by its rule."""

    ok: bool
    origin: str
    detail: str


class TurnEnded(Event, frozen=True):
    """One iteration is in the trace."""

    iteration: int


class BudgetExhausted(Event, frozen=True):
    """A reservation was refused; amounts in tokens."""

    scope: str
    limit: int
    spent: int
    asked: int


class LoopStopped(Event, frozen=True):
    """The 8-step loop ended, stopped_by as in `RunFinished`.

    Attributes:
        claim: the model's last text.
        exit: the process exit code this stop forces, or 0 when the verdict decides.
    """

    stopped_by: str
    reason: str
    claim: str = ""
    exit: int = 0


class Verified(Event, frozen=True):
    """The verifier's verdict. passed = None: nothing verified the claim. fatal: another attempt cannot help."""

    passed: bool | None
    reason: str
    fatal: bool = False
    checks: tuple[str, ...] = ()


class AttemptFinished(Event, frozen=True):
    """The attempt's stream is closed."""

    state: Literal["succeeded", "failed", "interrupted", "cancelled"]
    reason: str
    exit: int = 0


# -- the engine ---------------------------------------------------------------------------------------------------


class EngineStarted(Event, frozen=True):
    pid: int
    version: str
    epoch: int


class EngineRecovered(Event, frozen=True):
    runs: int
    in_doubt: int


class EngineStopped(Event, frozen=True):
    reason: str


class ToolNoted(Event, frozen=True):
    """Something a person should see that is neither a result nor a failure (a dialog answered, a popup closed)."""

    text: str


KINDS: dict[int, type[Event]] = {
    1: RunStarted,
    2: AttemptLaunched,
    3: AttemptEnded,
    4: CancelRequested,
    5: RunFinished,
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
    40: EngineStarted,
    41: EngineRecovered,
    42: EngineStopped,
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


def root_of(uid: str) -> str:
    """`r17/1` -> `r17`: children are named `<parent uid>/<via>`."""
    return uid.partition("/")[0]


def needs_power(event: Event) -> bool:
    """Whether the event must survive power loss before anything follows from it."""
    if isinstance(event, ApprovalDecided | ApprovalResolved):
        return True
    return isinstance(event, ToolStarted) and event.risk in ("destructive", "network")
