"""What the queue says of a change whose action was in doubt, once the operator has resolved that."""

from __future__ import annotations

import pytest

from harness_tui.domain import events as ev
from harness_tui.domain.events import Envelope, Event
from harness_tui.domain.fold import Views
from harness_tui.domain.loop.spec import digest

from .made import NOW, SPEC


def folded(*of_round: Event) -> Views:
    """Views of a loop whose one round was carrying out what was approved; dirty are the rows of the last event."""
    views = Views()
    views.track = True
    begun: list[tuple[str, Event]] = [
        ("l1", ev.LoopAdded(SPEC, digest(SPEC), "f", "d", "L2", "op")),
        ("l1/1", ev.RoundStarted(1, "manual", "L2", "d")),
        ("l1/1", asked("A-1", "change")),
        ("l1/1", ev.RoundFinished("escalated", "asks")),
        ("l1/1", ev.ApprovalDecided("A-1", "approved", "op", "d" * 64)),
        ("l1/1", ev.ActionStarted("webhook", "a" * 64, "op", "A-1")),
    ]
    for pos, (run, event) in enumerate([*begun, *(("l1/1", each) for each in of_round)], 1):
        views.take_dirty()
        views.apply(Envelope(pos, run, pos, NOW, event))
    return views


def asked(ident: str, kind: ev.ApprovalKind) -> ev.ApprovalRequested:
    return ev.ApprovalRequested(ident, "change", "loop", "med", "destructive", "it", (), "d" * 64, "a" * 64, 0, kind)


AGAIN = (ev.ApprovalResolved("A-2", "again", "op"), ev.ActionStarted("webhook", "a" * 64, "op", "A-1"))


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ((), "in_doubt"),
        ((ev.ApprovalResolved("A-2", "happened", "op"), ev.ActionFinished(True, "said so")), "done"),
        ((ev.ApprovalResolved("A-2", "did_not", "op"), ev.ActionFinished(False, "said so")), "failed"),
        (AGAIN, "executing"),
        ((*AGAIN, ev.ActionFinished(True, "took it")), "done"),
        ((*AGAIN, asked("A-3", "in_doubt")), "in_doubt"),
        (
            (
                *AGAIN,
                asked("A-3", "in_doubt"),
                ev.ApprovalResolved("A-3", "happened", "op"),
                ev.ActionFinished(True, ""),
            ),
            "done",
        ),
    ],
)
def test_what_was_approved_became_what_the_operator_said_of_it(events: tuple[Event, ...], state: str) -> None:
    views = folded(asked("A-2", "in_doubt"), *events)
    assert views.approvals["A-1"].state == state
    assert views.rounds["l1/1"].decided == state
    assert views.take_dirty()["approval", "A-1"] is views.approvals["A-1"]
    resolved = views.approvals["A-2"]
    assert (resolved.state, bool(resolved.resolution)) == ("in_doubt", bool(events)), "the doubt itself stays one"


def test_what_has_a_result_is_as_it_was() -> None:
    assert folded(ev.ActionFinished(True, "took it")).approvals["A-1"].state == "done"
    assert folded(ev.ActionFinished(False, "refused")).approvals["A-1"].state == "failed"
