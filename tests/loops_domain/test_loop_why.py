"""Why a loop does not run: one sentence for each thing that keeps it, in the loop's own time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from harness_tui.domain.loop import why
from harness_tui.domain.loop.rows import LoopRow, SlotRow

from .made import SECOND, proven, round, row, spec

T0 = int(datetime(2026, 11, 21, 12, 0, tzinfo=UTC).timestamp()) * SECOND
HOUR = 3600 * SECOND
BERLIN = spec(schedule="0 * * * *", zone="Europe/Berlin")


def told(loop: LoopRow, now: int = T0 + HOUR // 2, **fields: Any) -> dict[str, str]:
    return dict(why.why(loop, fields.get("of", BERLIN), now, fields.get("rounds", ())))


def loop(**fields: Any) -> LoopRow:
    return row(BERLIN, **{"slot": T0, "added": T0, "level_since": T0, **fields})


def test_an_idle_loop_says_when_it_is_due_in_its_own_zone() -> None:
    said = told(loop())
    assert said["next"] == "2026-11-21 14:00, by 0 * * * * in Europe/Berlin"
    assert why.line(loop(), T0) == "next: 2026-11-21 14:00, by 0 * * * * in Europe/Berlin"


@pytest.mark.parametrize(
    ("fields", "label", "sentence"),
    [
        ({"state": "removed", "by": "op"}, "removed", "by op; it fires no more. To have it back: loop add"),
        ({"schedule": ""}, "next", "by hand only: it has no schedule. Start it with loop run docs"),
        ({"schedule": "0 0 30 2 *"}, "next", '"0 0 30 2 *" never fires: no day 30 in feb.'),
        ({"running": "l3/7"}, "runs", "round 7"),
        (
            {"running": "l3/7", "queued": T0 + HOUR},
            "runs",
            "round 7; the slot of 2026-11-21 14:00 fires once it has ended",
        ),
        (
            {"state": "paused", "paused_by": "op", "paused_why": "holiday", "paused_at": T0},
            "paused",
            "by op since 2026-11-21 13:00: holiday; until loop resume docs",
        ),
        (
            {"state": "paused", "paused_by": "harness", "paused_at": T0, "paused_until": T0 + HOUR + SECOND},
            "paused",
            "by itself since 2026-11-21 13:00; until 2026-11-21 14:00:01",
        ),
        ({"waits": ["A-28", "A-29"]}, "waits", "for your decision on A-28 and 1 more; new rounds run meanwhile"),
        (
            {"source_state": "changed", "source": "/d/l.toml"},
            "file",
            "/d/l.toml changed: add it again; until then the pinned version goes on",
        ),
        ({"source_state": "missing", "source": "/d/l.toml"}, "file", "/d/l.toml is gone; the pinned version goes on"),
        ({"failures": 2}, "failures", "2 rounds in a row failed"),
        ({"last": "exhausted", "last_at": T0}, "budget", "the last round stopped at a limit; see budget show"),
    ],
)
def test_what_keeps_it(fields: dict[str, Any], label: str, sentence: str) -> None:
    assert told(loop(**fields))[label] == sentence


def test_the_most_pressing_comes_first() -> None:
    busy = loop(running="l3/7", waits=["A-1"], state="paused", paused_by="op")
    assert [label for label, _ in why.why(busy, BERLIN, T0)][:3] == ["runs", "paused", "waits"]
    assert why.line(busy, T0) == "runs: round 7"


def test_a_clock_set_back_is_named() -> None:
    said = told(loop(slot=T0 + 5 * HOUR), T0)["next"]
    assert said == (
        "2026-11-21 19:00: the clock is behind the slot of 2026-11-21 18:00, which was dealt with already; "
        "nothing up to it fires again"
    )


@pytest.mark.parametrize(
    ("slot", "sentence"),
    [
        (SlotRow("l3", T0, "fired", "", "l3/9"), "2026-11-21 13:00 started round 9"),
        (
            SlotRow("l3", T0, "missed", "the engine was not running"),
            "2026-11-21 13:00 was missed: the engine was not running",
        ),
        (SlotRow("l3", T0, "skipped", "round 8 still ran"), "2026-11-21 13:00 was skipped: round 8 still ran"),
        (SlotRow("l3", T0, "queued", "waits for l3/8"), "2026-11-21 13:00 is queued: waits for l3/8"),
    ],
)
def test_what_became_of_the_last_slot(slot: SlotRow, sentence: str) -> None:
    assert told(loop(slots=[slot]))["last slot"] == sentence


def test_the_last_round_is_named_by_its_number() -> None:
    seen = loop(last="failed", last_reason="the maker failed: no key", last_at=T0)
    said = told(seen, rounds=[round(4), round(5), round(6, ended=0)])
    assert said["last round"] == "round 5 failed 2026-11-21 13:00: the maker failed: no key"


def test_what_the_next_level_lacks() -> None:
    lacks = told(loop())["for L3"]
    assert "0 of 10 rounds that ended well" in lacks
    assert "a drill of exactly this loop (not passed)" in lacks
    assert "for L3" not in told(loop(level="L3"))
    ready = proven(slot=T0)
    assert (
        dict(why.why(ready, spec(), ready.level_since + 7 * 24 * HOUR))["for L3"] == "all is there: loop promote docs"
    )


def test_a_zone_this_machine_does_not_know_is_a_sentence_and_no_crash() -> None:
    said = told(loop(zone="Europe/Atlantis"))
    assert said["next"].startswith('not known: "Europe/Atlantis" is no time zone.')
