"""A loop with a clock that tests move: the keeper's part of slots, on the fold every front end sees."""

from __future__ import annotations

from collections import Counter

from harness_tui.domain import events as ev
from harness_tui.domain.events import Envelope, Event
from harness_tui.domain.fold import Views
from harness_tui.domain.loop import slots
from harness_tui.domain.loop.rows import LoopRow
from harness_tui.domain.loop.spec import LoopSpec, digest

from .made import SECOND


class Kept:
    """Attributes: became: slot -> what was said of it, in order; fired: (slot, trigger) in order."""

    def __init__(self, spec: LoopSpec, now: int, *, missed_fast: bool = False) -> None:
        self.spec, self.now, self.since = spec, now, now
        self.views = Views()
        self.events: list[Event] = []
        self.fired: list[tuple[int, str]] = []
        self.became: dict[int, list[str]] = {}
        self.more = 0
        self.cancelled = 0
        self.pos = 0
        self.add(spec)

    @property
    def row(self) -> LoopRow:
        return self.views.loops["l1"]

    def note(self, *events: Event, run: str = "l1") -> None:
        for event in events:
            self.pos += 1
            self.views.apply(Envelope(self.pos, run, self.pos, self.now, event))
            self.events.append(event)
            match event:
                case ev.SlotFired(slot):
                    self._said(slot, "fired")
                case ev.SlotMissed(missed, _, more):
                    self.more += more
                    for slot in missed:
                        self._said(slot, "missed")
                case ev.SlotSkipped(slot):
                    self._said(slot, "skipped")
                case ev.SlotQueued(slot):
                    self._said(slot, "queued")

    def _said(self, slot: int, word: str) -> None:
        self.became.setdefault(slot, []).append(word)

    def add(self, spec: LoopSpec) -> None:
        self.spec = spec
        self.note(ev.LoopAdded(spec, digest(spec), "f", "d", "L2", "op", fast=True))

    def tick(self) -> int | None:
        """As the keeper does: until nothing more is due at once. Of several rounds the first starts."""
        for _ in range(20):
            due = slots.due(self.row, self.spec, self.now, since=self.since)
            assert due.next is None or due.next >= min(self.now, due.next)
            if due.cancel:
                self.cancelled += 1
                self.note(*due.events)
                self.end("failed")
                continue
            self.note(*due.events)
            if due.fire:
                self.fire(*due.fire[0])
            elif due.next is None or due.next > self.now:
                return due.next
        raise AssertionError("due never ends")

    def fire(self, slot: int, trigger: str) -> None:
        assert not self.row.running, "two rounds at once"
        number = self.row.rounds + 1
        self.fired.append((slot, trigger))
        self.note(ev.SlotFired(slot, number))
        self.note(ev.RoundStarted(number, trigger, "L2", "d", slot), run=f"l1/{number}")  # type: ignore[arg-type]

    def end(self, outcome: str = "reported") -> None:
        if self.row.running:
            self.note(ev.RoundFinished(outcome, "", quiet=True), run=self.row.running)  # type: ignore[arg-type]

    def run(self, until: int, seconds: int = 0) -> None:
        """The engine at work: it wakes when it asked to, and its rounds take no time, or end before the next wake."""
        while (wake := self.tick()) is not None and wake <= until:
            self.now = max(self.now, wake)
            if not seconds:
                self.end()
        self.now = until
        self.tick()

    def pause(self, until: int = 0) -> None:
        self.note(*slots.dropped(self.row, "paused by op"), ev.LoopPaused("op", "holiday", until))

    def resume(self) -> None:
        self.note(*slots.passed(self.row, self.now), ev.LoopResumed("op"))

    def restart(self) -> None:
        self.since = self.now

    def counts(self) -> Counter[str]:
        return Counter(words[-1] for words in self.became.values())

    def check(self) -> None:
        """No slot twice; a queued one may have become something once."""
        for slot, words in self.became.items():
            assert len(words) == 1 or (len(words) == 2 and words[0] == "queued" and words[1] != "queued"), (slot, words)
            assert slot % SECOND == 0
        assert len({slot for slot, _ in self.fired}) == len(self.fired)
