"""What the operator's keys decide, and above all what they never decide."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tui.console.intents import Send
from harness_tui.domain import events as ev
from harness_tui.domain.events import Fact
from harness_tui.port.commands import CancelRun, Decide, Resolve, StopEngine

from .scene import DIFF, NOW, US, Bench, Log, batch, busy, request, spec


def waiting(*requests: ev.ApprovalRequested, **size: int) -> Bench:
    """A bench with these requests, oldest first."""
    log = Log()
    log.add("r1", 60, ev.RunStarted(spec("one")))
    log.add("r1/1", 59, ev.AttemptStarted("r1", 1))
    for i, each in enumerate(requests):
        log.add("r1/1", 50 - i, each)
    return Bench(log, **size)


MED = request("A-1", risk="med", summary="fill a field")


def sent(out: list[object]) -> list[object]:
    return [intent.command for intent in out if isinstance(intent, Send)]


def test_a_lone_key_approves_what_was_shown() -> None:
    bench = waiting(MED)
    bench.arm()
    assert sent(bench.press("a")) == [Decide("A-1", MED.digest, "approved", "1000@pts/3")]


def test_keys_act_in_pane_4_only() -> None:
    bench = waiting(MED)
    bench.arm()
    for pane in "1235672":
        bench.press(pane)
        bench.draw()
        bench.wait(2)
        bench.draw()
        for key in "adDhnr":
            if key != "a" or pane != "4":
                assert sent(bench.press(key)) == []
            bench.press("escape")


def test_high_risk_needs_two_presses() -> None:
    bench = waiting(request("A-1"))
    bench.arm()
    assert sent(bench.press("a", 0.5)) == []
    assert "press a again" in bench.screen()[0][21]
    assert len(sent(bench.press("a"))) == 1


def test_high_risk_first_press_is_forgotten_after_three_seconds() -> None:
    bench = waiting(request("A-1"))
    bench.arm()
    bench.press("a", 4.0)
    assert sent(bench.press("a")) == []


def test_deny_needs_no_reading_but_approve_needs_every_line() -> None:
    long = request("A-1", risk="med", facts=DIFF)
    bench = waiting(long)
    bench.arm()
    assert "lines not shown yet" in bench.screen()[0][21]
    assert sent(bench.press("a")) == []
    assert sent(bench.press("d"))[0].decision == "denied"  # type: ignore[attr-defined]


def test_approve_works_once_every_page_was_on_screen() -> None:
    bench = waiting(request("A-1", risk="med", facts=DIFF))
    bench.arm()
    for _ in range(4):
        bench.press("space")
    assert len(sent(bench.press("a"))) == 1


def test_going_to_the_end_does_not_mark_skipped_lines_as_seen() -> None:
    long = tuple(Fact("patch", f"line {i}") for i in range(100))
    bench = waiting(request("A-1", risk="med", facts=long))
    bench.arm()
    bench.press("G")
    bench.draw()
    assert sent(bench.press("a")) == []


def test_a_page_that_was_never_acknowledged_is_not_seen() -> None:
    bench = waiting(request("A-1", risk="med", facts=DIFF))
    bench.arm()
    for _ in range(5):
        bench.model.key("space", bench.at)  # pressed, but no frame reached the terminal
        bench.wait(0.5)
    assert sent(bench.press("a")) == []


def test_in_doubt_has_its_own_keys() -> None:
    doubt = request("A-1", kind="in_doubt")
    for keys, resolution in (("h", "happened"), ("n", "did_not"), ("rr", "again")):
        bench = waiting(doubt)
        bench.arm()
        for key in "adD":
            assert sent(bench.press(key)) == []
        out = [command for key in keys for command in sent(bench.press(key))]
        assert out == [Resolve("A-1", doubt.digest, resolution, "1000@pts/3")]  # type: ignore[arg-type]


def test_one_press_of_r_does_not_run_it_again() -> None:
    bench = waiting(request("A-1", kind="in_doubt"))
    bench.arm()
    assert sent(bench.press("r", 5)) == []


def test_an_item_in_action_is_not_decided_by_the_keys_of_doubt() -> None:
    bench = waiting(MED)
    bench.arm()
    assert [c for key in "hnrr" for c in sent(bench.press(key))] == []


def test_deny_with_reason() -> None:
    bench = waiting(MED)
    bench.arm()
    bench.press("D")
    assert bench.model.typing
    bench.model.text("not today", bench.at)
    bench.wait(0.5)
    assert sent(bench.press("enter")) == [Decide("A-1", MED.digest, "denied", "1000@pts/3", "not today")]


def test_a_pasted_reason_does_not_deny() -> None:
    bench = waiting(MED)
    bench.arm()
    bench.press("D")
    bench.model.paste("no\nenter\n", bench.at)
    assert sent(bench.press("enter")) == []
    bench.wait(1)
    assert len(sent(bench.press("enter"))) == 1, "a lone enter does"


def test_a_paste_never_decides() -> None:
    bench = waiting(MED)
    bench.arm()
    bench.model.paste("adDa\n", bench.at)
    assert sent(bench.wait(2)) == []
    assert not bench.model.typing


@given(st.text("aadDhnr \n4jk", min_size=2, max_size=40), st.floats(0.0, 0.1))
@settings(max_examples=60, deadline=None)
def test_no_burst_of_keys_decides(keys: str, gap: float) -> None:
    """Pasted without brackets: the last key of a burst is not alone either."""
    bench = waiting(request("A-1", risk="low"), request("A-2", kind="in_doubt"))
    bench.arm()
    out: list[object] = []
    names = {" ": "space", "\n": "enter"}
    for key in keys:
        out += bench.model.key(names.get(key, key), bench.at)
        bench.at += gap
    out += bench.wait(5)
    assert sent(out) == []


def test_focus_in_resize_resync_and_link_disarm() -> None:
    def resync(bench: Bench) -> None:
        bench.model.attach(bench.log.snapshot())

    def blur(bench: Bench) -> None:
        bench.model.focus_out(bench.at)

    def refocus(bench: Bench) -> None:
        bench.model.focus_out(bench.at)
        bench.model.focus_in(bench.at)

    def lost(bench: Bench) -> None:
        bench.model.set_link("lost")
        bench.model.set_link("live")

    def resize(bench: Bench) -> None:
        bench.model.resized(100, 24, bench.at)

    for disturb in (resync, blur, refocus, lost, resize):
        bench = waiting(MED)
        bench.arm()
        disturb(bench)
        assert sent(bench.press("a")) == [], disturb.__name__
        bench = waiting(MED)
        bench.arm()
        bench.model.key("a", bench.at)
        disturb(bench)
        assert sent(bench.wait(1)) == [], disturb.__name__


@pytest.mark.parametrize("link", ["lost", "starting"])
def test_nothing_is_decided_without_a_link(link: str) -> None:
    bench = waiting(MED)
    bench.model.set_link(link)  # type: ignore[arg-type]
    bench.arm()
    assert sent(bench.press("a")) == sent(bench.press("d")) == []
    assert "keys off" in bench.screen()[0][21]


def test_an_arriving_request_never_takes_the_place_under_the_cursor() -> None:
    bench = waiting(MED)
    bench.arm()
    older = bench.log.add("r1/1", 300, request("A-0", risk="low"))
    bench.model.fold(batch(*older))
    assert bench.model.queue.current == "A-1"
    assert bench.model.queue.order == ["A-1", "A-0"]
    assert bench.model.arming.armed, "and does not disturb it either"


def test_a_changed_digest_disarms_and_forgets_what_was_seen() -> None:
    bench = waiting(MED)
    bench.arm()
    changed = bench.log.add("r1/1", 1, request("A-1", risk="med", digest="f" * 64))
    bench.model.fold(batch(*changed))
    assert not bench.model.arming.says_armed
    assert bench.model.unseen() == len(MED.facts) + 1
    assert sent(bench.press("a")) == []


def test_decided_elsewhere_the_card_stays_with_keys_off_until_the_operator_moves() -> None:
    bench = waiting(MED, request("A-2", risk="low"))
    bench.arm()
    bench.model.key("a", bench.at)
    decided = bench.log.add("r1/1", 0, ev.ApprovalDecided("A-1", "denied", "501@pts/9", MED.digest, "no"))
    bench.model.fold(batch(*decided))
    assert sent(bench.wait(1)) == [], "a press under way about it is void"
    text = "\n".join(bench.screen()[0])
    assert "decided by 501@pts/9" in text
    assert bench.model.queue.current == "A-1"
    bench.arm()
    assert sent(bench.press("d")) == []
    bench.press("j")
    assert bench.model.queue.current == "A-2"
    assert bench.model.queue.order == ["A-2"]


def test_a_decision_is_sent_once() -> None:
    bench = waiting(MED)
    bench.arm()
    assert len(sent(bench.press("a"))) == 1
    bench.arm()
    assert sent(bench.press("a")) == []
    assert "sent" in bench.screen()[0][21]
    bench.model.notice("A-1 was denied by 501@pts/9 before.", bad=True)
    bench.arm()
    assert len(sent(bench.press("a"))) == 1, "refused: it may be tried again, armed anew"


def test_a_window_without_room_for_the_card_decides_nothing() -> None:
    bench = waiting(MED, width=20, height=4)
    bench.arm()
    assert sent(bench.press("a")) == sent(bench.press("d")) == []


def test_stop_asks_for_its_word_and_cancel_for_a_lone_enter() -> None:
    bench = Bench(busy())
    bench.press("colon")
    bench.model.text("stop", bench.at)
    bench.wait(1)
    bench.press("enter")
    bench.model.text("stop", bench.at)
    bench.wait(1)
    assert sent(bench.press("enter")) == [StopEngine()]
    bench.press("x")
    assert sent(bench.press("enter")) == [CancelRun(bench.model.runs.current, "1000@pts/3")]


def test_a_pasted_command_line_starts_nothing() -> None:
    bench = Bench(busy())
    out: list[object] = []
    for key in ["colon", *"run", "space", *"evil", "enter"]:
        out += bench.model.key(key, bench.at)
        bench.at += 0.01
    assert out + bench.wait(2) == []


def test_expiry_is_part_of_what_is_shown() -> None:
    bench = waiting(request("A-1", expires=NOW + 60 * US))
    bench.arm()
    assert any("expires" in row and "+00:00" in row for row in bench.screen()[0])
