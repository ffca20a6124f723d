"""The rows of loops: what the fold makes of their events, as every front end shows them."""

from __future__ import annotations

import msgspec

from ..events import Change, Receipt, Verdict
from .spec import LoopSpec


class Scorecard(msgspec.Struct, omit_defaults=True):
    """What is on record of a loop's rounds, all counts; usd in nano-dollars.

    Attributes:
        proposals: rounds that proposed something; `verified` of these were.
        approved: as they were; `edited` before they were approved.
        failures: of executors; rounds that failed are `failed`.
    """

    rounds: int = 0
    proposals: int = 0
    verified: int = 0
    reported: int = 0
    proceeded: int = 0
    escalated: int = 0
    exhausted: int = 0
    failed: int = 0
    approved: int = 0
    edited: int = 0
    denied: int = 0
    pushed_back: int = 0
    expired: int = 0
    failures: int = 0
    rolled_back: int = 0
    tokens: int = 0
    usd: int = 0


class SlotRow(msgspec.Struct, omit_defaults=True):
    """One scheduled time of a loop: a row whatever became of it.

    Attributes:
        at: the slot, us.
        state: fired | missed | skipped | queued.
        round: what it started, or "".
    """

    loop: str
    at: int
    state: str
    reason: str = ""
    round: str = ""


class LoopRow(msgspec.Struct, omit_defaults=True):
    """One loop. Times in us.

    Attributes:
        id, name: `l3`, and what the operator calls it.
        state: active | paused | removed.
        does: the executor; `kind` the action's kind, as an allow-list names it.
        source_state: same | changed | missing: the file it was added from, against what is pinned.
        level_since: when the level was set; `since` what is on record from then on, `score` ever.
        slot: the newest slot that was dealt with: none at or before it is dealt with again.
        queued: a slot that waits for the running round, 0 = none.
        running: id of the round that runs, or "".
        marks: outcomes of the newest rounds, one letter each, newest last: r p e x f, a dot for nothing to do.
        failures: failed rounds in a row.
        waits: approvals that wait for a decision.
        recent: ids of the newest rounds; `slots` the newest slots.
        drilled: digest of the spec whose drill was passed last, or "".
    """

    id: str
    name: str
    intent: str = ""
    workspace: str = ""
    level: str = "L1"
    schedule: str = ""
    zone: str = "UTC"
    kind: str = "report"
    does: str = "report"
    pattern: str = ""
    digest: str = ""
    source: str = ""
    source_digest: str = ""
    source_state: str = "same"
    fast: bool = False
    state: str = "active"
    added: int = 0
    by: str = ""
    paused_by: str = ""
    paused_why: str = ""
    paused_at: int = 0
    paused_until: int = 0
    level_since: int = 0
    level_by: str = ""
    level_why: str = ""
    score: Scorecard = msgspec.field(default_factory=Scorecard)
    since: Scorecard = msgspec.field(default_factory=Scorecard)
    slot: int = 0
    queued: int = 0
    running: str = ""
    rounds: int = 0
    last: str = ""
    last_reason: str = ""
    last_at: int = 0
    marks: str = ""
    failures: int = 0
    waits: list[str] = []
    recent: list[str] = []
    slots: list[SlotRow] = []
    drilled: str = ""


class SpecRow(msgspec.Struct, omit_defaults=True):
    """The pinned spec of a loop; apart from its row, which consoles get by the thousand."""

    id: str
    spec: LoopSpec


class RoundRow(msgspec.Struct, omit_defaults=True):
    """One round of a loop. Times in us.

    Attributes:
        trigger: slot | missed | manual | backfill | push_back.
        step: what it is at while it runs: maker | checker | acceptance | gate.
        outcome: reported | proceeded | escalated | exhausted | failed, "" while it runs.
        verified: clean verdict and passed acceptance; None = nothing was to be verified.
        feedback: what the operator said of the change of the round `about`, when that was pushed back.
        approval: the request its change waits by, or waited; `decided` what became of that.
        receipt: what was done in the end.
        spent: the scope whose limit ended it, as `l3:2026-11-21`, or "".
        usd: nano-dollars; None when a part is unknown.
    """

    id: str
    loop: str
    number: int
    trigger: str = "manual"
    level: str = "L1"
    digest: str = ""
    slot: int = 0
    started: int = 0
    ended: int = 0
    step: str = "maker"
    maker: str = ""
    checker: str = ""
    claim: str = ""
    change: Change | None = None
    verdict: Verdict = ""
    reasons: list[str] = []
    accepted: bool | None = None
    acceptance: str = ""
    verified: bool | None = None
    gate: str = ""
    outcome: str = ""
    reason: str = ""
    quiet: bool = False
    report: str = ""
    approval: str = ""
    decided: str = ""
    feedback: str = ""
    about: str = ""
    receipt: Receipt | None = None
    rolled_back: str = ""
    spent: str = ""
    tokens: int = 0
    usd: int | None = 0

    @property
    def live(self) -> bool:
        """It runs, or what it proposed is not yet decided and carried out."""
        return not self.ended or self.decided in ("waiting", "approved", "executing", "in_doubt")
