"""Events of loops. A loop's own stream (`l3`) holds what it is and its slots, each round's (`l3/214`) what it did."""

from __future__ import annotations

from typing import Literal

import msgspec

from ..loop.spec import LoopSpec
from ..task import Level
from .base import Event

Verdict = Literal["clean", "concerns", "failed", ""]
"""A checker's; "" = it gave none that can be read."""
Outcome = Literal["reported", "proceeded", "escalated", "exhausted", "failed"]
Trigger = Literal["slot", "missed", "manual", "backfill", "push_back"]


class LoopAdded(Event, frozen=True):
    """An operator registered it, or again with other content.

    Attributes:
        digest: of the spec, what is pinned.
        source: path of the file, or `pattern:NAME`; `source_digest` of its bytes, with those of its task files.
        level: where it stands from now on; `why` it is not what the spec says, or not what it was.
        anew: what is on record speaks for it no longer: it is to do something else than before.
        fast: it may fire more than once a minute.
    """

    spec: LoopSpec
    digest: str
    source: str
    source_digest: str
    level: Level
    by: str
    why: str = ""
    fast: bool = False
    anew: bool = True


class LoopRemoved(Event, frozen=True):
    by: str


class LoopPaused(Event, frozen=True):
    """Attributes: until: us, 0 = until somebody resumes it; by: "harness" when it paused itself."""

    by: str
    reason: str
    until: int = 0


class LoopResumed(Event, frozen=True):
    by: str
    reason: str = ""


class LevelSet(Event, frozen=True):
    """Promoted or demoted. by "harness": a bad signal.

    Attributes:
        evidence: lines of the scorecard it was decided on.
    """

    level: Level
    by: str
    reason: str
    evidence: tuple[str, ...] = ()


class DrillRun(Event, frozen=True):
    """Deliberately bad proposals were put before the gate. Attributes: checks: a line each; digest: of the spec."""

    passed: bool
    checks: tuple[str, ...]
    digest: str


class SourceSeen(Event, frozen=True):
    """The file it was added from is not (or again) what was pinned."""

    state: Literal["same", "changed", "missing"]


class SlotFired(Event, frozen=True):
    """Attributes: slot: us; number: of the round it starts in the same append."""

    slot: int
    number: int


class SlotMissed(Event, frozen=True):
    """Slots (us) that came and went without a round. Attributes: more: older ones beyond those named."""

    slots: tuple[int, ...]
    reason: str
    more: int = 0


class SlotSkipped(Event, frozen=True):
    """The overlap policy, a pause or a budget said no."""

    slot: int
    reason: str


class SlotQueued(Event, frozen=True):
    """It fires once the running round has ended."""

    slot: int


# -- a round's stream ---------------------------------------------------------------------------------------------


class RoundStarted(Event, frozen=True):
    """A round exists.

    Attributes:
        slot: us, 0 = none.
        digest: of the spec it follows.
        recall: what earlier rounds left, as the maker reads it.
        feedback: what the operator said when a change was pushed back, and `about` the round it was of.
    """

    number: int
    trigger: Trigger
    level: Level
    digest: str
    slot: int = 0
    by: str = ""
    recall: str = ""
    feedback: str = ""
    about: str = ""


class WorkerStarted(Event, frozen=True):
    """Maker or checker is run `run` from now on."""

    role: Literal["maker", "checker"]
    run: str


class WorkerEnded(Event, frozen=True):
    """A maker or a checker is over.

    Attributes:
        state, exit: of the run; claim: what it answered.
        stopped_by: "budget" = a limit was reached: that of the scope `spent`, as `l3:2026-11-21` or `round:l3/214`.
    """

    role: Literal["maker", "checker"]
    run: str
    state: str
    claim: str
    stopped_by: str = ""
    reason: str = ""
    exit: int = 0
    tokens: int = 0
    usd: int | None = None
    sandboxed: bool = False
    spent: str = ""


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """A proposed change of files, held by a branch.

    Attributes:
        base: commit it was made on; `onto` the branch that stood there, "" = none (a detached head).
        branch: holds it, as `commit`, the only one above `base`.
        tree: git's id of the resulting tree.
        diff: sha of the blob with the whole diff (git's own format, binary patches included).
        files: paths, sorted; added, removed: lines.
    """

    base: str
    onto: str
    branch: str
    commit: str
    tree: str
    diff: str
    files: tuple[str, ...]
    added: int = 0
    removed: int = 0


class ChangeTaken(Event, frozen=True):
    """What the maker left in its worktree.

    Attributes:
        change: None = it changed nothing, or nothing that can be offered; `note` says why.
        flags: sentences, each a reason why it must not be carried out unseen.
    """

    change: Change | None
    note: str = ""
    flags: tuple[str, ...] = ()


class VerdictGiven(Event, frozen=True):
    """Attributes: reasons: the checker's; note: why there is no verdict, when there is none."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    note: str = ""


class AcceptanceRun(Event, frozen=True):
    """Attributes: exit: None = it did not end by itself, or was not run at all; output: its tail."""

    argv: tuple[str, ...]
    exit: int | None
    output: str = ""
    note: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return self.exit == 0


class Gated(Event, frozen=True):
    """What the gate said of the proposal."""

    decision: Literal["report", "proceed", "escalate"]
    reason: str
    verified: bool


class RoundFinished(Event, frozen=True):
    """Attributes: report: the whole text; quiet: there was nothing to do, so nobody needs to look."""

    outcome: Outcome
    reason: str
    report: str = ""
    quiet: bool = False


class ActionStarted(Event, frozen=True):
    """The executor begins: durable before its effect. Attributes: digest: of what was decided on."""

    do: str
    digest: str
    by: str
    approval: str = ""


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was done. Attributes: ref, before, after: of a branch that moved; undo: the command that takes it back."""

    do: str
    summary: str
    digest: str
    ref: str = ""
    before: str = ""
    after: str = ""
    undo: str = ""


class ActionFinished(Event, frozen=True):
    ok: bool
    text: str
    receipt: Receipt | None = None


class RolledBack(Event, frozen=True):
    """What a round had done was taken back by somebody."""

    reason: str
