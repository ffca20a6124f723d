"""A root run as a state machine: attempts are child runs, and the verdict decides whether there is another."""

from __future__ import annotations

import msgspec

from . import events as ev
from .attempt import AttemptState
from .task import RunSpec

MAX_INTERRUPTIONS = 5
"""Attempts that may lose their world before the run gives up."""

UNVERIFIED = "nothing verified the claim"
OF_A_ROUND = "done; its round judges it"
OF_A_GRAPH = "done; its graph judges it"


class RunState(msgspec.Struct):
    """Folded from the root's own stream. `ended` holds the outcome of each finished attempt."""

    uid: str
    spec: RunSpec
    seq: int = 0
    number: int = 0
    child: str = ""
    ended: list[ev.AttemptEnded] = []
    cancel: ev.CancelRequested | None = None
    finished: ev.RunFinished | None = None

    @property
    def launches(self) -> bool:
        """Whether the next thing to do is another attempt."""
        return self.finished is None and len(self.ended) == self.number


def evolve(s: RunState, event: ev.Event) -> None:
    """Fold one event of the root's stream into its state, in place."""
    s.seq += 1
    match event:
        case ev.AttemptLaunched(number, child):
            s.number, s.child = number, child
        case ev.AttemptEnded():
            s.ended.append(event)
        case ev.CancelRequested():
            s.cancel = event
        case ev.RunFinished():
            s.finished = event
        case _:
            pass


def launch(s: RunState) -> list[ev.Event]:
    """The event of the next attempt; its child stream begins in the same append."""
    return [ev.AttemptLaunched(s.number + 1, f"{s.uid}/{s.number + 1}")]


def outcome(a: AttemptState, state: str) -> ev.AttemptEnded:
    """What the root keeps of an attempt that is over; `state` as in `AttemptFinished`."""
    stop, verdict = a.stop, a.verdict
    refused = a.refusal in ("denied", "expired") and (verdict is None or verdict.passed is not True)
    stopped_by = a.refusal if refused else (stop.stopped_by if stop else "error")
    code = 4 if refused else (stop.exit if stop else 0)
    passed = verdict.passed if verdict else (None if state == "interrupted" else False)
    judged = verdict is not None and verdict.passed is not None and not code
    reason = verdict.reason if verdict and judged else (stop.reason if stop else a.lost)
    if passed is None and state == "ended" and (a.done or a.refused) and not any(call.ok for call in a.done):
        # No verifier is needed to see that nothing came of it.
        tried = f"nothing it tried worked: {a.last_result[:200]}"
        passed, reason = False, f"{reason}; {tried}" if stopped_by == "guardrail" else tried
    if refused:
        reason = f"the operator {a.refusal} it" if a.refusal == "denied" else "nobody decided in time"
    fatal = bool(code) or bool(verdict and verdict.fatal)
    return ev.AttemptEnded(
        number=a.number,
        passed=passed,
        reason=reason,
        stopped_by=stopped_by,
        claim=stop.claim if stop else a.claim,
        exit=code,
        fatal=fatal,
        interrupted=state == "interrupted",
        acted=a.acted,
        tools=tuple(a.tools),
    )


def conclude(s: RunState, last: ev.AttemptEnded) -> ev.RunFinished | None:
    """How the run ends after `last`, or None when another attempt is due."""
    # What a loop's maker did in its own worktree is a proposal, and a graph has jobs that verify: others judge it.
    judged = s.spec.proposes or s.spec.dag
    acted = not judged and (last.acted or any(e.acted for e in s.ended))
    if s.cancel or last.stopped_by == "cancelled":
        why = f"cancelled by {s.cancel.by}" if s.cancel else last.reason
        return ev.RunFinished("cancelled", None, why, last.claim, "cancelled", 8)
    if last.interrupted:
        lost = sum(e.interrupted for e in s.ended) + 1
        if lost < MAX_INTERRUPTIONS:
            return None
        why = f"the environment was lost {lost} times; the last time: {last.reason}"
        return ev.RunFinished("failed", False, why, last.claim, "error", 1, why)
    if last.exit:
        error = last.reason if last.stopped_by == "error" else ""
        return ev.RunFinished("failed", False, last.reason, last.claim, last.stopped_by, last.exit, error)
    if last.passed:
        return ev.RunFinished("succeeded", True, last.reason, last.claim, last.stopped_by, 0)
    if last.passed is None:
        before = [each for each in s.ended if each.passed is False and not each.interrupted]
        if before and not last.tools:  # it claims what an earlier attempt failed at, and did nothing itself
            return ev.RunFinished("failed", False, before[-1].reason, last.claim, last.stopped_by, 1)
        limited = last.stopped_by == "guardrail"
        if acted or limited:
            why = last.reason if limited else UNVERIFIED
            return ev.RunFinished("failed", False, why, last.claim, last.stopped_by, 3 if limited else 1)
        why = OF_A_ROUND if s.spec.parent else OF_A_GRAPH if s.spec.dag else UNVERIFIED
        return ev.RunFinished("succeeded", None, why, last.claim, last.stopped_by, 0)
    counted = sum(not e.interrupted for e in s.ended) + 1
    if last.fatal or counted >= s.spec.attempts:
        code = 3 if last.stopped_by == "guardrail" else 1
        return ev.RunFinished("failed", False, last.reason, last.claim, last.stopped_by, code)
    return None
