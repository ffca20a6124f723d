"""The rows every front end shows: what the fold makes of the log. The journal stores them, the console lists them."""

from __future__ import annotations

from typing import Any

import msgspec

from .events import ApprovalKind, Change, Fact
from .loop.rows import LoopRow, RoundRow, SlotRow, SpecRow
from .messages import Mark, Usage
from .rules import Rule


class Share(msgspec.Struct, omit_defaults=True):
    """What one model took of a run: calls, tokens, nano-dollars."""

    calls: int = 0
    tokens: int = 0
    usd: int = 0
    mark: Mark = "reported"


class RunRow(msgspec.Struct, omit_defaults=True):
    """One run. A root row carries the sums over its attempts; an attempt's row its own share.

    Attributes:
        kind: "agent" (root), "attempt", or "dag" (a graph of jobs).
        parent: of an attempt its root; of a loop's maker or checker the round; of a job's attempt the graph's run.
        job: of a job's attempt, `a#1`.
        state: running | waiting | retrying | in_doubt | succeeded | failed | cancelled.
        started, ended: us; ended 0 = open.
        may: risk class -> acts | asks | cannot.
        sandbox: its kind in force, with what is `enforced` of it; `sandbox_asked` what was asked for, "" = nothing.
        sandbox_notes: why the one is not the other.
        sandboxed: enough is enforced for L3.
        notes: header notes of the environment, for example `browser unsandboxed`.
        waits: id of the approval it waits for, or "".
        last: one plain (unsafe) line: what it did last.
        tools: names of all calls in order, `harness_auto_login` included; of a running attempt the newest 32.
        retry_at: us, while retrying, and while waiting for a model that asked for patience.
        usd: nano-dollars known to be spent; `mark` says how sure the sum is, "unknown" that part of it is missing.
        models: what each model that answered took its share of.
        jobs: of a graph, by the word they ended with, and `all` of them.
    """

    id: str
    kind: str = "agent"
    parent: str = ""
    title: str = ""
    workspace: str = ""
    state: str = "running"
    started: int = 0
    ended: int = 0
    level: str = "L2"
    model: str = ""
    api: str = ""
    sandbox: str = "none"
    sandbox_asked: str = ""
    sandbox_notes: tuple[str, ...] = ()
    enforced: tuple[str, ...] = ()
    sandboxed: bool = False
    may: dict[str, str] = {}
    notes: list[str] = []
    usage: Usage = Usage()
    usd: int = 0
    mark: Mark = "reported"
    models: dict[str, Share] = {}
    budget_tokens: int = 0
    attempts: int = 0
    iterations: int = 0
    ended_tools: list[str] = []
    newest_tools: list[str] = []
    acted: dict[str, int] = {}
    waits: str = ""
    last: str = ""
    retry_at: int = 0
    verified: bool | None = None
    reason: str = ""
    claim: str = ""
    stopped_by: str = ""
    exit: int = 0
    error: str = ""
    stage: int | None = None
    job: str = ""
    jobs: dict[str, int] = {}

    @property
    def open(self) -> bool:
        return self.ended == 0

    @property
    def money(self) -> int | None:
        """Nano-dollars spent; None when the price of a part is unknown: never less than the truth."""
        return None if self.mark == "unknown" else self.usd

    @property
    def tools(self) -> list[str]:
        return self.ended_tools + self.newest_tools

    @property
    def answer(self) -> str:
        """What the run answers: the model's claim, unless it made none or the verdict contradicts it."""
        return self.claim if self.claim and self.verified is not False else self.reason


class ApprovalRow(msgspec.Struct, omit_defaults=True):
    """One request in the approval queue.

    Attributes:
        stream: the attempt, or the round, that asked.
        run: the root run, or the round of a loop.
        state: requested | approved | denied | pushed_back | expired | withdrawn | executing | done | failed | in_doubt.
        kind: "action", "change", "gate", "plan", or "in_doubt" (decided by h / n / r r, never by a / d).
        change: of a loop's change of files; `paper` the text a plan's change is shown by (SHA-256), or "".
        edited: who put what is shown in the place of what was asked for, or "".
        why: what made it a request.
        resolution: of an in-doubt effect: happened | did_not | again.
        by, decided: who decided and when (us).
    """

    id: str
    run: str
    stream: str
    call: str = ""
    tool: str = ""
    risk: str = "high"
    risk_class: str = "destructive"
    state: str = "requested"
    kind: ApprovalKind = "action"
    summary: str = ""
    facts: list[Fact] = []
    digest: str = ""
    action: str = ""
    requested: int = 0
    expires: int = 0
    selector: str = ""
    arguments: dict[str, Any] = {}
    by: str = ""
    decided: int = 0
    reason: str = ""
    resolution: str = ""
    change: Change | None = None
    edited: str = ""
    why: str = ""
    paper: str = ""

    @property
    def open(self) -> bool:
        return self.state == ("in_doubt" if self.kind == "in_doubt" else "requested") and not self.resolution


class BudgetRow(msgspec.Struct, omit_defaults=True):
    """Tokens and money of one scope (`run:r17`, `day:2026-11-21`), or the limits of a kind (`day`).

    Attributes:
        limit: tokens, 0 = none; `usd_limit` nano-dollars, None = none.
        usd, usd_held: nano-dollars known; `mark` says how sure `usd` is.
        by: who set the limit last, "" = it came with the run.
        warned: the operator was told that four fifths are spent.
    """

    scope: str
    limit: int = 0
    held: int = 0
    spent: int = 0
    usd: int = 0
    usd_held: int = 0
    usd_limit: int | None = None
    mark: Mark = "reported"
    by: str = ""
    warned: bool = False
    pace: list[tuple[int, int, int]] = []
    """(at us, tokens, nano-dollars) settled since, a minute an entry, newest last, at most 16: for `forecast`."""

    @property
    def money(self) -> int | None:
        """Nano-dollars spent; None when the price of a part is unknown."""
        return None if self.mark == "unknown" else self.usd


class HoldRow(msgspec.Struct, omit_defaults=True):
    """An open reservation of one model call."""

    run: str
    call: str
    tokens: int
    day: str
    usd: int | None = None
    scopes: tuple[str, ...] = ()


class EndpointRow(msgspec.Struct, omit_defaults=True):
    """What was learned of a model endpoint (`api url model`): parameters it refuses."""

    id: str
    dropped: list[str] = []


class RuleRow(msgspec.Struct, omit_defaults=True):
    """One of the operator's rules.

    Attributes:
        added, revoked: us; revoked 0 = it stands.
        used: calls it allowed.
        revoked_by: who revoked it.
    """

    rule: Rule
    added: int = 0
    used: int = 0
    revoked: int = 0
    revoked_by: str = ""

    @property
    def id(self) -> str:
        return self.rule.id


class TrustRow(msgspec.Struct, omit_defaults=True):
    """A workspace and the content the operator trusts in it (`config.trust`); digest "" = no longer."""

    path: str
    digest: str = ""
    by: str = ""
    at: int = 0


class FrameRow(msgspec.Struct, omit_defaults=True):
    """The newest frame of a root run."""

    run: str
    sha: str
    url: str
    title: str
    caption: str
    at: int
    width: int
    height: int
    snapshot: str = ""


Row = (
    RunRow
    | ApprovalRow
    | BudgetRow
    | HoldRow
    | FrameRow
    | EndpointRow
    | RuleRow
    | TrustRow
    | LoopRow
    | SpecRow
    | RoundRow
    | SlotRow
)
