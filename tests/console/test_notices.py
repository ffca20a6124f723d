"""Notices: when it rings, what it says, and what is written to which terminal."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from harness_tui.console.intents import Ring
from harness_tui.console.notice import INTERVAL, MODES, Notices, digest, sequence
from harness_tui.domain import events as ev
from tests.console_logic.scene import NOW, US, Bench, Log, batch, busy, request

HOSTILE = st.text(st.characters(), max_size=300)


class Rings(RuleBasedStateMachine):
    """Requests come and go at any pace, with ticks at any time: the rules of quiet hold."""

    def __init__(self) -> None:
        super().__init__()
        self.notices, self.at, self.next = Notices(), 100.0, 3
        self.waiting = {"A-1": "r1", "A-2": "r2"}
        self.first = set(self.waiting)
        self.rings: list[tuple[float, str]] = []
        self.told: set[str] = set()
        self.notices.attached(self.waiting)

    @rule(count=st.integers(1, 20))
    def asks(self, count: int) -> None:
        for _ in range(count):
            self.waiting[f"A-{self.next}"] = f"r{self.next}"
            self.next += 1

    @rule(data=st.data())
    def decided(self, data: st.DataObject) -> None:
        if self.waiting:
            self.waiting.pop(data.draw(st.sampled_from(sorted(self.waiting))))

    @rule()
    def attached_again(self) -> None:
        self.notices.attached(self.waiting)

    @rule(seconds=st.floats(0, 45))
    def tick(self, seconds: float) -> None:
        self.at += seconds
        text = self.notices.tick(self.waiting, self.at)
        may = not self.rings or self.at - self.rings[-1][0] >= INTERVAL
        untold = self.waiting.keys() - self.told - self.first
        assert bool(text) == (may and bool(untold)), "it rings for what is new, as soon as it may"
        if text:
            self.rings.append((self.at, text))
            self.told |= self.waiting.keys()

    @invariant()
    def at_most_one_in_the_interval(self) -> None:
        moments = [at for at, _ in self.rings]
        assert all(b - a >= INTERVAL for a, b in pairwise(moments))

    def teardown(self) -> None:
        self.at += INTERVAL
        text = self.notices.tick(self.waiting, self.at)
        assert bool(text) == bool(self.waiting.keys() - self.told - self.first), "nothing that waits stays untold"


TestRings = Rings.TestCase


def test_the_digest_names_the_new_ones_first_and_is_short() -> None:
    assert digest(["A-28"], {"A-28": "changelog-drafter"}) == "A-28 changelog-drafter waits"
    four = {"A-1": "r1", "A-2": "r2", "A-3": "docs", "A-4": "r4"}
    assert digest(["A-3"], four) == "4 wait: A-3 docs, A-1 r1, A-2 r2, ..."


@given(HOSTILE, st.sampled_from(MODES), st.booleans())
def test_no_text_breaks_out_of_a_notice(text: str, mode: str, tmux: bool) -> None:
    said = sequence(text, mode, {"TMUX": "/tmp/x,1,0"} if tmux else {})  # type: ignore[arg-type]
    if mode == "off":
        assert said == ""
    elif mode == "bell":
        assert said == "\a"
    elif tmux:
        body = re.fullmatch(r"\a\x1bPtmux;\x1b\x1b\]9;harness-tui: ([^\x00-\x1f\x7f-\x9f]*)\a\x1b\\", said)
        assert body, said
    else:
        assert re.fullmatch(r"\a\x1b\]9;harness-tui: [^\x00-\x1f\x7f-\x9f]*\a", said), said
    assert "\x1b]9;4" not in said, "that would be a progress bar"


@pytest.mark.parametrize(
    ("environ", "rings"),
    [({}, "\a\x1b]9;"), ({"TMUX": "x"}, "\a"), ({"STY": "x"}, "\a")],
    ids=["plain", "tmux", "screen"],
)
def test_unless_told_otherwise_it_writes_what_is_sure_to_arrive(environ: dict[str, str], rings: str) -> None:
    said = sequence("4 wait: A-1", None, environ)
    assert said.startswith(rings) and (rings != "\a" or said == "\a")


# -- in the console -------------------------------------------------------------------------------------------------


def rung(out: list[object]) -> list[str]:
    return [each.text for each in out if isinstance(each, Ring)]


def test_what_waits_at_the_attach_does_not_ring_and_what_comes_does_once() -> None:
    bench = Bench(busy())
    assert rung(bench.model.tick(bench.at)) == []
    for number in range(40, 60):
        bench.model.fold(batch(*bench.log.add("r17/1", 0, request(f"A-{number}", call=f"c{number}"))))
    assert rung(bench.model.tick(bench.at)) == ["23 wait: A-40 r17, A-41 r17, A-42 r17, ..."]
    assert rung(bench.model.tick(bench.at + INTERVAL - 1)) == []
    bench.model.fold(batch(*bench.log.add("r17/1", 0, request("A-60", call="c60"))))
    assert rung(bench.model.tick(bench.at + INTERVAL - 1)) == [], "half a minute has not passed"
    bench.model.fold(batch(*bench.log.add("r17/1", 0, ev.ApprovalExpired("A-60"))))
    assert rung(bench.model.tick(bench.at + 2 * INTERVAL)) == [], "nobody is needed for it any more"


def test_ends_failures_and_quiet_rounds_do_not_ring() -> None:
    bench = Bench(busy())
    told = bench.log.add("r19", 0, ev.RunFinished("failed", False, "pytest exit 1", "", "verifier", 1))
    bench.model.fold(batch(*told))
    assert rung(bench.model.tick(bench.at)) == []


def test_another_attach_rings_for_what_came_while_the_link_was_lost() -> None:
    bench = Bench(busy())
    bench.model.set_link("lost", since=NOW)
    bench.log.add("r17/1", 0, request("A-44", call="c44"))
    bench.wall += 60 * US
    bench.model.attach(bench.log.snapshot())
    bench.model.set_link("live")
    assert rung(bench.model.tick(bench.at)) == ["4 wait: A-44 r17, A-27 r14, A-28 r18, ..."]


def test_it_can_be_turned_off_and_on() -> None:
    bench = Bench(Log())
    for how in MODES:
        bench.press("colon")
        bench.model.text(f"notify {how}", bench.at)
        bench.press("enter")
        assert bench.model.notices.mode == how
    bench.press("colon")
    bench.model.text("notify loud", bench.at)
    bench.press("enter")
    assert bench.model.notices.mode == "osc9" and bench.model.said and bench.model.said[1]
