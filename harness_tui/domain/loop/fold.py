"""The fold of loops and their rounds: rows with a scorecard, out of what the events say. Part of `domain.fold`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import events as ev
from ..events import Envelope, root_of
from ..money import from_usd
from ..views import ApprovalRow, BudgetRow
from .rows import LoopRow, RoundRow, Scorecard, SlotRow, SpecRow

if TYPE_CHECKING:
    from ..fold import Views

RECENT = 20
"""Rounds of a loop that stay in memory, beside those that still wait for something."""
SLOTS = 8
MARKS: dict[str, str] = {"reported": "r", "proceeded": "p", "escalated": "e", "exhausted": "x", "failed": "f"}
QUIET = "."


def _loop(v: Views, e: Envelope) -> LoopRow:
    row = v.loops[root_of(e.run)]
    v.touch("loop", row.id, row)
    return row


def _round(v: Views, e: Envelope) -> RoundRow:
    row = v.rounds[e.run]
    v.touch("round", row.id, row)
    return row


def _both_scores(row: LoopRow) -> tuple[Scorecard, Scorecard]:
    return row.score, row.since


# -- the loop -----------------------------------------------------------------------------------------------------


def _added(v: Views, e: Envelope, x: ev.LoopAdded) -> None:
    spec, known = x.spec, v.loops.get(e.run)
    row = known or LoopRow(e.run, spec.name, added=e.at, slot=e.at)
    if x.anew:
        _level(row, e, x.level, x.by, x.why or "added")
    if (row.schedule, row.zone) != (spec.schedule, spec.zone):
        row.slot = max(row.slot, e.at)  # times of the new schedule before now were never due
    row.intent, row.workspace, row.schedule, row.zone = spec.intent, spec.workspace, spec.schedule, spec.zone
    row.kind, row.does, row.pattern = spec.action.kind, spec.action.do, spec.pattern
    row.digest, row.source, row.source_digest, row.source_state = x.digest, x.source, x.source_digest, "same"
    row.fast, row.by = x.fast, x.by
    if row.state == "removed":
        row.state, row.slot = "active", e.at
    v.loops[row.id] = row
    v.touch("loop", row.id, row)
    v.specs[row.id] = SpecRow(row.id, spec)
    v.touch("loopspec", row.id, v.specs[row.id])
    # The day's limits of a loop are those of a kind of scope: the accounts of its days begin with them.
    tokens, usd = spec.budget.day_tokens, None if spec.budget.day_usd is None else from_usd(spec.budget.day_usd)
    if tokens or usd is not None or row.id in v.budgets:
        limits = v.budgets[row.id] = v.budgets.get(row.id) or BudgetRow(row.id)
        limits.limit, limits.usd_limit, limits.by = tokens, usd, x.by
        v.touch("budget", row.id, limits)


def _removed(v: Views, e: Envelope, x: ev.LoopRemoved) -> None:
    row = _loop(v, e)
    row.state, row.queued, row.by = "removed", 0, x.by


def _paused(v: Views, e: Envelope, x: ev.LoopPaused) -> None:
    row = _loop(v, e)
    row.state, row.paused_by, row.paused_why = "paused", x.by, x.reason
    row.paused_at, row.paused_until, row.queued = e.at, x.until, 0


def _resumed(v: Views, e: Envelope, x: ev.LoopResumed) -> None:
    row = _loop(v, e)
    row.state, row.paused_by, row.paused_why, row.paused_at, row.paused_until = "active", "", "", 0, 0
    row.failures = 0


def _level(row: LoopRow, e: Envelope, level: str, by: str, why: str) -> None:
    row.level, row.level_since, row.level_by, row.level_why = level, e.at, by, why
    row.since = Scorecard()


def _level_set(v: Views, e: Envelope, x: ev.LevelSet) -> None:
    _level(_loop(v, e), e, x.level, x.by, x.reason)


def _drilled(v: Views, e: Envelope, x: ev.DrillRun) -> None:
    _loop(v, e).drilled = x.digest if x.passed else ""


def _source_seen(v: Views, e: Envelope, x: ev.SourceSeen) -> None:
    _loop(v, e).source_state = x.state


# -- slots --------------------------------------------------------------------------------------------------------


def _slot(v: Views, row: LoopRow, at: int, state: str, reason: str = "", number: int = 0) -> None:
    slot = SlotRow(row.id, at, state, reason, f"{row.id}/{number}" if number else "")
    row.slot = max(row.slot, at)
    row.slots = [*(each for each in row.slots if each.at != at), slot][-SLOTS:]
    v.touch("slot", f"{row.id}@{at}", slot)


def _fired(v: Views, e: Envelope, x: ev.SlotFired) -> None:
    row = _loop(v, e)
    _slot(v, row, x.slot, "fired", "", x.number)
    if row.queued == x.slot:
        row.queued = 0


def _missed(v: Views, e: Envelope, x: ev.SlotMissed) -> None:
    row = _loop(v, e)
    for at in x.slots:
        _slot(v, row, at, "missed", x.reason)


def _skipped(v: Views, e: Envelope, x: ev.SlotSkipped) -> None:
    row = _loop(v, e)
    _slot(v, row, x.slot, "skipped", x.reason)
    if row.queued == x.slot:
        row.queued = 0


def _queued(v: Views, e: Envelope, x: ev.SlotQueued) -> None:
    row = _loop(v, e)
    row.queued = x.slot
    _slot(v, row, x.slot, "queued", f"waits for {row.running}")


# -- a round ------------------------------------------------------------------------------------------------------


def _started(v: Views, e: Envelope, x: ev.RoundStarted) -> None:
    loop = _loop(v, e)
    row = RoundRow(e.run, loop.id, x.number, x.trigger, x.level, x.digest, x.slot, e.at)
    row.feedback, row.about = x.feedback, x.about
    v.rounds[row.id] = row
    v.touch("round", row.id, row)
    loop.running, loop.rounds = row.id, max(loop.rounds, x.number)
    loop.recent = [*loop.recent, row.id]
    if len(loop.recent) > RECENT:
        # What said something is remembered longer than rounds that found nothing to do.
        quiet = (each for each in loop.recent[:-1] if each in v.rounds and v.rounds[each].quiet)
        old = next(quiet, loop.recent[0])
        loop.recent = [each for each in loop.recent if each != old]
        _forget(v, old)
    spec = v.specs.get(loop.id)
    if spec:
        limits = v.budget(f"round:{row.id}")
        limits.limit = spec.spec.budget.tokens
        limits.usd_limit = None if spec.spec.budget.usd is None else from_usd(spec.spec.budget.usd)


def _forget(v: Views, old: str) -> None:
    """It is in the table; memory keeps it only while something of it is open."""
    row = v.rounds.get(old)
    if row and not row.live:
        del v.rounds[old]
        v.budgets.pop(f"round:{old}", None)


def _worker_started(v: Views, e: Envelope, x: ev.WorkerStarted) -> None:
    row = _round(v, e)
    row.step = x.role
    if x.role == "maker":
        row.maker = x.run
    else:
        row.checker = x.run


def _worker_ended(v: Views, e: Envelope, x: ev.WorkerEnded) -> None:
    row, loop = _round(v, e), _loop(v, e)
    row.tokens += x.tokens
    row.usd = None if row.usd is None or x.usd is None else row.usd + x.usd
    row.spent = x.spent or row.spent
    if x.role == "maker":
        row.claim = x.claim
    for score in _both_scores(loop):
        score.tokens += x.tokens
        score.usd += x.usd or 0


def _change_taken(v: Views, e: Envelope, x: ev.ChangeTaken) -> None:
    row = _round(v, e)
    row.change, row.step = x.change, "checker"


def _verdict_given(v: Views, e: Envelope, x: ev.VerdictGiven) -> None:
    row = _round(v, e)
    row.verdict, row.reasons, row.step = x.verdict, list(x.reasons) or ([x.note] if x.note else []), "acceptance"


def _acceptance_run(v: Views, e: Envelope, x: ev.AcceptanceRun) -> None:
    row = _round(v, e)
    row.accepted, row.step = x.passed, "gate"
    row.acceptance = x.note or f"exit {x.exit} in {x.seconds:.0f} s"


def _gated(v: Views, e: Envelope, x: ev.Gated) -> None:
    row, loop = _round(v, e), _loop(v, e)
    row.gate, row.verified, row.reason = x.decision, x.verified, x.reason
    if x.decision == "report":
        return
    for score in _both_scores(loop):
        score.proposals += 1
        score.verified += x.verified


def _finished(v: Views, e: Envelope, x: ev.RoundFinished) -> None:
    row, loop = _round(v, e), _loop(v, e)
    row.ended, row.outcome, row.reason, row.report, row.quiet = e.at, x.outcome, x.reason, x.report, x.quiet
    loop.running = "" if loop.running == row.id else loop.running
    loop.last, loop.last_reason, loop.last_at = x.outcome, x.reason, e.at
    loop.marks = (loop.marks + (QUIET if x.quiet else MARKS[x.outcome]))[-RECENT:]
    loop.failures = loop.failures + 1 if x.outcome == "failed" else 0
    for score in _both_scores(loop):
        score.rounds += 1
        setattr(score, x.outcome, getattr(score, x.outcome) + 1)


def _action_started(v: Views, e: Envelope, x: ev.ActionStarted) -> None:
    row = _round(v, e)
    row.decided = "executing"
    request = v.approvals.get(x.approval)
    if request:
        v.execute(request, e.run, request.call)


def _action_finished(v: Views, e: Envelope, x: ev.ActionFinished) -> None:
    row, loop = _round(v, e), _loop(v, e)
    row.receipt, row.decided = x.receipt, "done" if x.ok else "failed"
    row.reason = x.text or row.reason
    if row.approval:
        request = v.approvals.get(row.approval)
        if request:
            v.executed(e.run, request.call, row.decided)
            if request.kind == "in_doubt":
                _resolved(v, row)
    if not x.ok:
        for score in _both_scores(loop):
            score.failures += 1
    _settle(v, loop, row)


def _resolved(v: Views, row: RoundRow) -> None:
    """What the round had asked for is what the operator's word on the doubt made of it."""
    for request in v.approvals.values():
        if request.stream == row.id and request.kind == "change" and request.state == "in_doubt":
            request.state = row.decided
            v.touch("approval", request.id, request)


def _rolled_back(v: Views, e: Envelope, x: ev.RolledBack) -> None:
    row, loop = v.rounds.get(e.run), _loop(v, e)
    if row:
        row.rolled_back = x.reason
        v.touch("round", row.id, row)
    for score in _both_scores(loop):
        score.rolled_back += 1


# -- its approvals, called by `domain.fold` ------------------------------------------------------------------------


def asked(v: Views, e: Envelope, request: ApprovalRow) -> None:
    """A round's change waits, or its action is in doubt."""
    row, loop = v.rounds.get(e.run), v.loops.get(root_of(e.run))
    if row is None or loop is None:
        return
    row.approval, row.decided = request.id, "in_doubt" if request.kind == "in_doubt" else "waiting"
    v.touch("round", row.id, row)
    loop.waits = [*loop.waits, request.id]
    v.touch("loop", loop.id, loop)


def decided(v: Views, e: Envelope, request: ApprovalRow) -> None:
    """A request of a round no longer waits."""
    row, loop = v.rounds.get(e.run), v.loops.get(root_of(e.run))
    if row is None or loop is None:
        return
    row.decided = request.state
    v.touch("round", row.id, row)
    word = "edited" if request.state == "approved" and request.edited else request.state
    if request.kind == "change" and hasattr(loop.score, word):
        for score in _both_scores(loop):
            setattr(score, word, getattr(score, word) + 1)
    loop.waits = [each for each in loop.waits if each != request.id]
    v.touch("loop", loop.id, loop)
    _settle(v, loop, row)


def _settle(v: Views, loop: LoopRow, row: RoundRow) -> None:
    if row.id not in loop.recent:
        _forget(v, row.id)


HANDLERS: dict[type[ev.Event], Callable[[Views, Envelope, Any], None]] = {
    ev.LoopAdded: _added,
    ev.LoopRemoved: _removed,
    ev.LoopPaused: _paused,
    ev.LoopResumed: _resumed,
    ev.LevelSet: _level_set,
    ev.DrillRun: _drilled,
    ev.SourceSeen: _source_seen,
    ev.SlotFired: _fired,
    ev.SlotMissed: _missed,
    ev.SlotSkipped: _skipped,
    ev.SlotQueued: _queued,
    ev.RoundStarted: _started,
    ev.WorkerStarted: _worker_started,
    ev.WorkerEnded: _worker_ended,
    ev.ChangeTaken: _change_taken,
    ev.VerdictGiven: _verdict_given,
    ev.AcceptanceRun: _acceptance_run,
    ev.Gated: _gated,
    ev.RoundFinished: _finished,
    ev.ActionStarted: _action_started,
    ev.ActionFinished: _action_finished,
    ev.RolledBack: _rolled_back,
}
