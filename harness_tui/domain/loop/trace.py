"""The lines of a loop's events in the trace; part of `domain.trace`. Plain (unsafe) text."""

from __future__ import annotations

from datetime import UTC, datetime

from .. import events as ev

_OUTCOMES = {"reported": "done", "proceeded": "done", "escalated": "ask", "exhausted": "fail", "failed": "fail"}
_VERDICTS = {"clean": "done", "concerns": "wait", "failed": "fail", "": "fail"}


def draw(event: ev.Event) -> tuple[str, str, str] | None:
    """(state, kind, text), or None for an event of something else."""
    drawn = _of_round(event) or _of_loop(event)
    return (drawn[0], "loop", drawn[1]) if drawn else None


def _of_round(event: ev.Event) -> tuple[str, str] | None:
    match event:
        case ev.RoundStarted(number=number, trigger=trigger, level=level):
            return "run", f"round {number} began at {level} ({trigger.replace('_', ' ')})"
        case ev.WorkerStarted(role=role, run=run):
            return "run", f"{role} is {run or 'nobody'}"
        case ev.WorkerEnded(role=role, state=state, reason=reason):
            return "done" if state == "succeeded" else "fail", f"{role} {state}: {reason}"
        case ev.ChangeTaken(change=None, note=note):
            return "note", note or "nothing was changed"
        case ev.ChangeTaken(change=ev.Change() as change, flags=flags):
            heed = "".join(f"  HEED: {flag}" for flag in flags)
            return "done", f"{change.branch}: {len(change.files)} files +{change.added} -{change.removed}{heed}"
        case ev.VerdictGiven(verdict=verdict, reasons=reasons, note=note):
            return _VERDICTS[verdict], f"verdict {verdict or 'none'}: {note or '; '.join(reasons)}"
        case ev.AcceptanceRun(argv=argv, exit=code, note=note):
            return "done" if event.passed else "fail", f"acceptance {note or f'exit {code}'}: {' '.join(argv)}"
        case ev.Gated(decision=decision, reason=reason):
            return {"proceed": "done", "report": "note", "escalate": "ask"}[decision], f"gate: {decision}: {reason}"
        case ev.RoundFinished(outcome=outcome, reason=reason, quiet=quiet):
            return "note" if quiet else _OUTCOMES[outcome], f"{outcome}: {reason}"
        case ev.ActionStarted(do=do, by=by):
            return "run", f"{do}, allowed by {by}"
        case ev.ActionFinished(ok=ok, text=text):
            return "done" if ok else "fail", text
        case ev.RolledBack(reason=reason):
            return "fail", f"rolled back: {reason}"
        case _:
            return None


def _of_loop(event: ev.Event) -> tuple[str, str] | None:
    match event:
        case ev.LoopAdded(spec=spec, level=level, by=by, why=why):
            return "note", f"{spec.name} added at {level} by {by}{f': {why}' if why else ''}"
        case ev.LoopRemoved(by=by):
            return "note", f"removed by {by}"
        case ev.LoopPaused(by=by, reason=reason):
            return "wait", f"paused by {by}{f': {reason}' if reason else ''}"
        case ev.LoopResumed(by=by):
            return "note", f"goes on, by {by}"
        case ev.LevelSet(level=level, by=by, reason=reason):
            return "wait" if by == "harness" else "note", f"{level}, set by {by}: {reason}"
        case ev.DrillRun(passed=passed, checks=checks):
            return "done" if passed else "fail", f"drill {'passed' if passed else 'failed'}: {len(checks)} proposals"
        case ev.SourceSeen(state=state):
            return "note", {"same": "its file is as it was pinned", "changed": "changed: add it again"}.get(
                state, "its file is gone; the pinned version goes on"
            )
        case ev.SlotMissed(slots=missed, reason=reason, more=more):
            return "note", f"{len(missed) + more} missed: {reason}"
        case ev.SlotSkipped(slot=slot, reason=reason):
            return "note", f"{_clock(slot)} skipped: {reason}"
        case ev.SlotQueued(slot=slot):
            return "wait", f"{_clock(slot)} waits for the running round"
        case _:
            return None


def _clock(us: int) -> str:
    return f"{datetime.fromtimestamp(us / 1_000_000, UTC):%Y-%m-%d %H:%M:%S} UTC"
