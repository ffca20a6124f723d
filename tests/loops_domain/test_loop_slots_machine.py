"""The whole life of one loop's slots under a clock that jumps: none fires twice, none goes without a row."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from harness_tui.domain import events as ev
from harness_tui.domain import schedule as when

from .made import SECOND, spec
from .made_slots import Kept

HOUR = 3600 * SECOND
MINUTE = 60 * SECOND
T0 = int(datetime(2026, 11, 21, 12, 0, tzinfo=UTC).timestamp()) * SECOND
"""A full hour."""


class Slots(RuleBasedStateMachine):
    """The whole life of one loop's slots under a clock that jumps."""

    @initialize(
        schedule=st.sampled_from(["*/10 * * * *", "every 7m", "0,1,30 * * * *", "every 30s"]),
        missed=st.sampled_from(["skip", "one", "all"]),
        overlap=st.sampled_from(["skip", "queue", "cancel"]),
        limit=st.integers(0, 4),
        odd=st.integers(0, 3 * SECOND),
    )
    def begin(self, schedule: str, missed: str, overlap: str, limit: int, odd: int) -> None:
        self.kept = Kept(spec(schedule=schedule, missed=missed, overlap=overlap, missed_limit=limit), T0 + odd)
        self.begun = self.latest = self.kept.now

    def _to(self, now: int) -> None:
        self.kept.now = now

    @rule(us=st.integers(1, 40 * MINUTE))
    def time_passes_asleep(self, us: int) -> None:
        self._to(self.kept.now + us)
        self._tick()

    @rule(wakes=st.integers(1, 12), ends=st.booleans())
    def time_passes_watched(self, wakes: int, ends: bool) -> None:
        """The engine wakes exactly when it asked to: then nothing is missed."""
        for _ in range(wakes):
            wake = self._tick()
            if wake is None:
                return
            self._to(max(self.kept.now, wake))
            missed = self.kept.counts()["missed"]
            paused = self.kept.row.state == "paused"
            self._tick()
            made_up = self.kept.spec.missed == "all"  # what is to be made up for gives way to a slot on time
            assert paused or made_up or self.kept.counts()["missed"] == missed
            if ends:
                self.kept.end()

    @rule(us=st.integers(1, 3 * HOUR))
    def clock_jumps_back(self, us: int) -> None:
        self._to(max(0, self.kept.now - us))
        self._tick()

    @rule()
    def round_ends(self) -> None:
        self.kept.end()
        self._tick()

    @rule(us=st.integers(0, 5 * HOUR))
    def engine_is_away(self, us: int) -> None:
        self._to(self.kept.now + us)
        self.kept.restart()
        self._tick()

    @rule(us=st.integers(0, HOUR))
    def pause(self, us: int) -> None:
        if self.kept.row.state == "active":
            self._tick()
            self.kept.pause(self.kept.now + us if us else 0)

    @rule()
    def resume(self) -> None:
        if self.kept.row.state == "paused":
            self.kept.resume()
            self._tick()

    @rule()
    def by_hand(self) -> None:
        if not self.kept.row.running:
            number = self.kept.row.rounds + 1
            self.kept.note(ev.RoundStarted(number, "manual", "L2", "d"), run=f"l1/{number}")

    def _tick(self) -> int | None:
        wake = self.kept.tick()
        assert wake is None or wake > self.kept.now
        return wake

    @invariant()
    def each_slot_once_and_none_lost(self) -> None:
        kept = getattr(self, "kept", None)
        if kept is None:
            return
        kept.check()
        self.latest = max(self.latest, kept.now)
        plan = when.parse(kept.spec.schedule, name=kept.spec.name, fast=True)
        start, end = kept.row.added // SECOND, kept.row.slot // SECOND
        due = when.between(plan, when.zone("UTC"), kept.row.added / SECOND, end, anchor=start, limit=50_000)
        assert sorted(kept.became) == [int(each) * SECOND for each in due] or kept.more
        assert kept.row.slot <= self.latest
        assert all(self.begun < slot <= self.latest for slot in kept.became)


TestSlots = Slots.TestCase
# Shrinking a life of thirty steps takes minutes; the steps as they were found tell enough.
TestSlots.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, phases=[Phase.explicit, Phase.generate]
)
