"""Rules of arming, as rules: whatever the order of keys, frames and time, only a deliberate press decides."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tui.console.arming import AGAIN_FROM, AGAIN_UNTIL, ISOLATION, SETTLE, Arming, Subject

ITEM = Subject("A-1", "d" * 64)
OTHER = Subject("A-1", "e" * 64)
NONE: frozenset[str] = frozenset()


def armed(at: float = 0.0) -> tuple[Arming, float]:
    """An armed machine, and the moment it became so."""
    arming = Arming()
    arming.watch(ITEM, NONE, "view")
    arming.acknowledged(at, arming.stamp)
    at += SETTLE
    arming.tick(at)
    arming.acknowledged(at, arming.stamp)
    assert arming.armed
    return arming, at + 1


def press(arming: Arming, action: str, at: float) -> object:
    """One lone press; what it came to."""
    arming.press(action, at, arming.key(at))
    return arming.tick(at + ISOLATION)


def test_armed_needs_two_frames_the_terminal_has_shown_and_half_a_second_between() -> None:
    arming = Arming()
    arming.watch(ITEM, NONE, "view")
    assert arming.due() is None, "time alone does not arm"
    assert press(arming, "deny", 5.0) is None
    arming.acknowledged(6.0, arming.stamp)
    assert not arming.says_armed
    assert press(arming, "deny", 6.3) is None
    arming.tick(6.0 + SETTLE)
    assert arming.says_armed
    assert not arming.armed, "the word is drawn, but nobody has seen it"
    assert press(arming, "deny", 7.0) is None
    arming.acknowledged(7.5, arming.stamp)
    decision = press(arming, "deny", 8.0)
    assert decision is not None
    assert decision.subject == ITEM  # type: ignore[attr-defined]


def test_a_stale_acknowledgement_does_not_arm() -> None:
    arming = Arming()
    arming.watch(ITEM, NONE, "view")
    old = arming.stamp
    arming.watch(OTHER, NONE, "view")
    arming.acknowledged(1.0, old)
    arming.tick(9.0)
    assert not arming.says_armed


def test_high_risk_takes_two_presses_in_their_window() -> None:
    for gap, decides in (
        (0.15, False),
        (AGAIN_FROM, True),
        (1.0, True),
        (AGAIN_UNTIL, True),
        (AGAIN_UNTIL + 0.1, False),
    ):
        arming, at = armed()
        assert press(arming, "approve_high", at) is None
        assert (press(arming, "approve_high", at + gap) is not None) == decides, gap


def test_any_other_key_cancels_the_first_press_of_two() -> None:
    arming, at = armed()
    press(arming, "approve_high", at)
    arming.key(at + 0.5)
    arming.cancel()
    assert press(arming, "approve_high", at + 1) is None


def test_another_decision_key_cancels_too_and_does_not_decide_by_accident() -> None:
    arming, at = armed()
    press(arming, "again", at)
    assert press(arming, "happened", at + 0.5) is None
    assert press(arming, "again", at + 1.0) is None


@given(st.lists(st.floats(0.0, ISOLATION * 0.99), min_size=2, max_size=30), st.booleans())
@settings(deadline=None)
def test_no_burst_ever_decides(gaps: list[float], twice: bool) -> None:
    """A paste without brackets and a held key: many keys, none of them alone."""
    arming, at = armed()
    for gap in gaps:
        at += gap
        assert arming.tick(at) is None
        arming.press("approve_high" if twice else "approve", at, arming.key(at))
    while (due := arming.due()) is not None:
        assert arming.tick(due) is None


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["a", "r", "x", "ack", "old_ack", "item", "blur", "view", "rearm", "tick"]),
        st.floats(0.0, 4.0),
    ),
    max_size=60,
)


@given(EVENTS)
@settings(deadline=None)
def test_every_decision_was_armed_alone_and_about_what_is_shown(steps: list[tuple[str, float]]) -> None:
    """Kept beside the machine: when it was last disturbed and which keys came when."""
    arming, at = Arming(), 0.0
    subject, blocked, disturbed, shown = ITEM, NONE, 0.0, None
    keys: list[float] = []
    arming.watch(subject, blocked, 0)
    for step, gap in steps:
        at += gap
        decision = arming.tick(at)
        if decision:
            others = [k for k in keys if k != decision.at and abs(k - decision.at) < ISOLATION]
            assert not others, "another key came too close"
            assert not blocked
            assert decision.subject == subject
            assert shown is not None
            assert decision.at - shown >= SETTLE - 1e-9, "half a second after the frame that shows it"
            assert decision.at >= disturbed
        match step:
            case "a" | "r":
                alone = arming.key(at)
                keys.append(at)
                arming.press("approve" if step == "a" else "again", at, alone)
            case "x":
                arming.key(at)
                arming.cancel()
                keys.append(at)
            case "ack":
                if shown is None and not blocked:
                    shown = at
                arming.acknowledged(at, arming.stamp)
            case "old_ack":
                arming.acknowledged(at, arming.stamp - 1)
            case "item":
                subject, shown, disturbed = (OTHER if subject == ITEM else ITEM), None, at
                arming.watch(subject, blocked, 0)
            case "blur":
                blocked, shown, disturbed = (NONE if blocked else frozenset({"blur"})), None, at
                arming.watch(subject, blocked, 0)
            case "view":
                arming.watch(subject, blocked, at)
            case "rearm":
                shown, disturbed = None, at
                arming.rearm()


def test_a_late_timer_decides_nothing_before_waiting_keys_were_heard() -> None:
    """The loop was blocked for a second: the key that came 10 ms after the first is handled after the timer."""
    arming, at = armed()
    arming.press("deny", at, arming.key(at))
    assert arming.tick(at + 1) is None
    arming.key(at + 0.01)
    assert arming.pending is None
    arming.press("deny", at + 5, arming.key(at + 5))
    assert arming.tick(at + 6) is None
    due = arming.due()
    assert due is not None
    assert arming.tick(due) is not None, "nothing came: it counts after all"


def test_due_always_leads_somewhere() -> None:
    arming, at = armed()
    press(arming, "approve_high", at)
    due = arming.due()
    assert due is not None
    arming.tick(due)
    assert arming.first is None
    assert arming.due() is None
