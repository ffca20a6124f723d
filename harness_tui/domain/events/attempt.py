"""Events of an attempt: its world, its model calls, its tool calls, its verdict."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from ..ledger import Unit
from ..messages import Dropped, Mark, Message, Part, Risk, Stop, Usage
from .base import Event


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
    """A model call begins; its worst case is reserved in `scopes`, on `day` (ISO date).

    Attributes:
        hold: tokens; `hold_usd` nano-dollars, None when the price is unknown.
    """

    call: str
    iteration: int
    hold: int
    day: str
    messages: int = 0
    max_output: int | None = None
    hold_usd: int | None = None
    scopes: tuple[str, ...] = ()


class ModelAnswered(Event, frozen=True):
    """The whole answer; settles the call's hold with `usage` and `usd`.

    Attributes:
        usd: nano-dollars, None = unknown; `mark` tells where the figure comes from.
        model: who answered, when that is not the run's own model (a router's other leg).
        notes: what the operator should know of the call, a sentence each.
    """

    call: str
    parts: tuple[Part, ...]
    usage: Usage
    stop: Stop = "end"
    reported: bool = True
    usd: int | None = None
    mark: Mark = "unknown"
    model: str = ""
    notes: tuple[str, ...] = ()
    dropped: tuple[Dropped, ...] = ()


class ModelFailed(Event, frozen=True):
    """A model call failed; settles its hold with `spent` tokens and `usd`. `retry_at` (us): it will be tried again.

    kind: retry | broken | auth | refused | spent | context (the conversation is too long) | interrupted.
    """

    call: str
    error: str
    kind: str
    spent: int = 0
    retry_at: int | None = None
    usd: int | None = None


class ModelConsulted(Event, frozen=True):
    """A model call beside the conversation, on behalf of a tool (a web search by the model's own vendor), and its cost.

    Attributes:
        usd: nano-dollars, None = unknown; `mark` tells where the figure comes from.
    """

    purpose: str
    model: str
    usage: Usage
    scopes: tuple[str, ...]
    usd: int | None = None
    mark: Mark = "unknown"


class ToolStarted(Event, frozen=True):
    """Durable before the effect.

    Attributes:
        digest: names what runs.
        approval: id of the request it was spent on, or "".
        rule: ids of the operator's rules that allowed it, separated by a space; or a word of `policy`, or "".
    """

    call: str
    tool: str
    risk: Risk
    digest: str
    summary: str
    arguments: dict[str, Any] | None = None
    approval: str = ""
    rule: str = ""


class ToolFinished(Event, frozen=True):
    """The effect's result as the model reads it. `blob` holds the whole text, of `size` bytes, when it was spilled."""

    call: str
    tool: str
    ok: bool
    text: str
    took_ms: int = 0
    blob: str = ""
    size: int = 0


class ToolRefused(Event, frozen=True):
    """A call that did not run. why: unknown_tool | malformed | level | policy | rule | denied | expired | repeated."""

    call: str
    tool: str
    why: str
    text: str


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
    """A reservation was refused; amounts in `unit` ("price": no price is known to hold the limit by)."""

    scope: str
    limit: int
    spent: int
    asked: int
    unit: Unit = "tokens"


class BudgetWarned(Event, frozen=True):
    """Four fifths of a limit are spent; told once for a scope. Amounts in `unit`."""

    scope: str
    limit: int
    spent: int
    unit: Unit = "tokens"


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


class ToolNoted(Event, frozen=True):
    """Something a person should see that is neither a result nor a failure (a dialog answered, a popup closed)."""

    text: str
