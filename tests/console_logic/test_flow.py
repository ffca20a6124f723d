"""What a run says meanwhile, in the trace: a row while it lasts, gone when its event comes, never after it."""

from __future__ import annotations

from harness_tui.console.stores.world import World
from harness_tui.domain import events as ev
from harness_tui.domain.events import Flow
from harness_tui.domain.messages import Text, Usage

from .scene import NOW, US, Log, batch

SAYS = Flow("r1/1", "model", "…", 412)
ASKS = ev.ModelRequested("m1", 1, 4000, "2026-11-21")
ANSWER = ev.ModelAnswered("m1", (Text("I will read the list."),), Usage(10, 5))


def texts(world: World) -> list[str]:
    rows = [world.ring.get(seq) for seq in world.matched]
    assert [row.seq for row in world.tail("r1")] == list(world.matched)
    return [row.text for row in rows if row]


def test_an_answer_takes_the_row_of_what_was_heard_of_it() -> None:
    world, log = World(lambda: NOW), Log()
    world.fold(batch(*log.add("r1/1", 3, ASKS), flow=(SAYS,)))
    assert texts(world)[-1] == "answers, 412 chars"
    world.fold(batch(*log.add("r1/1", 2, ANSWER)))
    assert len(texts(world)) == 2
    assert "I will read the list." in texts(world)[-1]


def test_what_an_event_has_overtaken_is_not_shown_behind_it() -> None:
    world, log = World(lambda: NOW), Log()
    world.fold(batch(*log.add("r1/1", 3, ASKS)))
    world.fold(batch(*log.add("r1/1", 2, ANSWER), flow=(SAYS,)))
    assert "I will read the list." in texts(world)[-1]
    assert not world.flow


def test_a_row_that_others_followed_stays_in_its_place_and_turns_grey() -> None:
    world, log = World(lambda: NOW), Log()
    world.fold(batch(*log.add("r1/1", 3, ASKS), flow=(SAYS,)))
    (other,) = log.add("r2/1", 2, ASKS)
    world.fold(batch(other))
    world.fold(batch(*log.add("r1/1", 1, ANSWER)))
    rows = [world.ring.get(seq) for seq in world.matched]
    assert [(row.run, row.state) for row in rows if row] == [
        ("r1", "run"),
        ("r1", "note"),
        ("r2", "run"),
        ("r1", "done"),
    ]


def test_the_expiry_of_another_day_names_the_day() -> None:
    from harness_tui.console.panes.words import moment

    assert moment(NOW + 900 * US, NOW, 3600) == "14:13:00 (+01:00)"
    assert moment(NOW + 86_400 * US, NOW, 3600) == "2026-11-22 13:58:00 (+01:00)"
