"""A graph in a console over the engine double: fetched through the port, folded from batches, steered by keys."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from harness_tui.domain import events as ev
from harness_tui.domain.codec import WireEvent
from harness_tui.domain.dag.picture import DagPicture
from harness_tui.domain.dag.spec import Job
from harness_tui.domain.dag.steer import Pause
from harness_tui.domain.errors import UsageError
from harness_tui.domain.events import Envelope
from harness_tui.domain.fold import Views
from harness_tui.port.commands import CancelJob, RetryDag
from harness_tui.port.snapshot import Batch, Snapshot
from tests.console_logic.graph_scene import Story, fan, halfway
from tests.console_logic.scene import Log

from .conftest import Console
from .fake_port import FakeEngine, FakePort
from .test_pictures import Scene


class GraphEngine(FakeEngine):
    """The double with one graph in it. `asked`: what of it was fetched."""

    def __init__(self, story: Story) -> None:
        super().__init__(busy=False)
        self.story = story
        self.asked: list[tuple[str, str]] = []
        self.refuse: UsageError | None = None
        self.streams: dict[str, list[Envelope]] = {}
        self.shown = len(story.log.all)

    def snapshot(self) -> Snapshot:
        views = Views()
        for envelope in self.story.log.all[: self.shown]:
            views.apply(envelope)
        self.log = self.story.log.all[: self.shown]
        self.rows = {
            "runs": tuple(views.runs.values()),
            "approvals": tuple(row for row in views.approvals.values() if row.open),
            "budgets": tuple(views.budgets.values()),
        }
        return super().snapshot()

    def told(self, *, lose: int = 0) -> None:
        """What the story says since, as one batch; the first `lose` events of it are never sent."""
        fresh = self.story.log.all[self.shown + lose :]
        self.shown = len(self.story.log.all)
        self.push(Batch(tuple(WireEvent.of(each) for each in fresh)))

    async def connect(self) -> FakePort:
        await super().connect()
        self.ports[-1] = GraphPort(self)
        return self.ports[-1]


class GraphPort(FakePort):
    engine: GraphEngine

    async def dag(self, run: str) -> DagPicture:
        self.engine.asked.append(("dag", run))
        if self.engine.refuse:
            raise self.engine.refuse
        return msgspec.json.decode(msgspec.json.encode(self.engine.story.picture()), type=DagPicture)

    async def stream(self, uid: str, after: int = 0, limit: int = 500) -> list[Envelope]:
        self.engine.asked.append(("stream", uid))
        return [each for each in self.engine.streams.get(uid, []) if each.seq > after][:limit]


async def until(it: Console, words: str) -> None:
    """Until the screen shows it; what is worked out in a thread takes as long as it takes."""
    async with asyncio.timeout(60):
        while words not in it.text:
            await it.after(1)


async def go_to(it: Console, job: str) -> None:
    await it.press("3")
    await until(it, "critical path")
    graph = it.app.model.dags.get("r20")
    assert graph is not None
    graph.cursor = job
    await it.settle()


async def test_a_graph_is_fetched_drawn_and_follows_what_the_engine_says(console):
    engine = GraphEngine(halfway())
    async with console(engine, size=(120, 40)) as it:
        await it.press("3", "3")
        await until(it, "score-b run")
        assert "3/9 jobs" in it.text
        engine.story.ended("score-b", 40.0)
        engine.told()
        await it.settle()
        assert "score-b done" in it.text
        assert "4/9 jobs" in it.text
        assert engine.asked == [("dag", "r20")]


async def test_lost_events_are_made_good_by_asking_again(console):
    engine = GraphEngine(halfway())
    async with console(engine, size=(120, 40)) as it:
        await it.press("3", "3")
        await until(it, "score-b run")
        engine.story.ended("score-b", 40.0)
        engine.story.word(Pause("operator:ada"), 41.0)
        engine.told(lose=1)
        await until(it, "score-b done")
        assert engine.asked == [("dag", "r20")] * 2


async def test_nothing_of_a_graph_is_fetched_while_it_is_not_on_the_screen(console):
    engine = GraphEngine(halfway())
    async with console(engine) as it:
        await it.after(5)
        assert "3/9 jobs" in it.text
        assert engine.asked == []


async def test_a_refusal_is_said_in_the_pane_and_asked_again_with_the_next_link(console):
    engine = GraphEngine(halfway())
    engine.refuse = UsageError("This engine knows no graphs.", "Update it.")
    async with console(engine) as it:
        await it.press("3")
        await until(it, "cannot be shown")
        await it.after(5)
        assert engine.asked == [("dag", "r20")]
        engine.refuse = None
        await it.press("R")
        await until(it, "critical path")


async def test_cancelling_a_branch_and_trying_again_are_sent_after_they_were_asked(console):
    engine = GraphEngine(halfway())
    async with console(engine) as it:
        await go_to(it, "score-b")
        await it.press("x")
        assert "cancel score-b and 2 after it" in it.text
        await it.press("enter")
        assert engine.sent == [CancelJob("r20", "score-b", "1000@pts/1")]
        await go_to(it, "fetch-c")
        await it.press("r")
        assert "retry from fetch-c" in it.text
        assert "runs again  2 jobs: fetch-c, score-c" in it.text
        await it.press("enter")
        assert engine.sent[1:] == [RetryDag("r20", "1000@pts/1", "fetch-c")]


async def test_a_burst_and_a_paste_do_nothing_to_a_graph(console):
    engine = GraphEngine(halfway())
    async with console(engine) as it:
        await go_to(it, "score-b")
        for key in ("x", "enter", "r", "enter", "p", "enter", "P", "enter"):
            await it.pilot.press(key)
        it.app.model.paste("x\nr\n:replan\n", it.seconds)
        await it.after(1)
        assert engine.sent == []


async def test_an_attempts_answer_and_events_are_fetched_with_its_card(console):
    engine = GraphEngine(halfway())
    stream = "r20/score-a#1"
    engine.streams[stream] = [
        Envelope(900, stream, 1, 5, ev.TaskResumed("call")),
        Envelope(901, stream, 2, 6, ev.TaskFinished(None, "ab" * 32)),
    ]
    long = ("a fair answer " * 2000).encode()
    import hashlib

    sha = hashlib.sha256(long).hexdigest()
    engine.streams[stream][1] = Envelope(901, stream, 2, 6, ev.TaskFinished(None, sha))
    engine.blobs[sha] = long
    async with console(engine, size=(120, 40)) as it:
        await go_to(it, "score-a")
        await it.press("enter")
        await until(it, "a fair answer a fair answer")
        assert engine.asked.count(("stream", stream)) == 1
        await it.press("enter")
        assert "call done again" in it.text
        await it.press("escape", "escape")
        assert engine.asked.count(("stream", stream)) == 1


async def test_an_answer_with_other_bytes_than_on_record_is_not_shown(console):
    engine = GraphEngine(halfway())
    stream = "r20/score-a#1"
    engine.streams[stream] = [Envelope(901, stream, 1, 6, ev.TaskFinished(None, "cd" * 32))]
    engine.blobs["cd" * 32] = b"something else"
    async with console(engine, size=(120, 40)) as it:
        await go_to(it, "score-a")
        await it.press("enter")
        await until(it, "do not match the digest")
        assert "something else" not in it.text


async def test_a_large_graph_is_laid_out_in_a_thread_and_folded(console):
    engine = GraphEngine(fan(500))
    async with console(engine, size=(120, 40)) as it:
        await it.press("3", "3")
        await until(it, "part-* x500")
        await it.press("j", "j", "enter")
        await until(it, "part-0001")


HOSTILE = tuple(
    Job(name, wait=1.0, title="\x1b]52;c;ZXZpbA==\x07 \u202eevil")
    for name in ("a\x1b[31mred", "b\u202egnp.exe", "c" * 300, "名前" * 30, "[bold]d[/bold]", "e\nf\tg")
)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_hostile_names_steer_no_terminal(console, size):
    engine = GraphEngine(Story(Log(), HOSTILE, goal="\x1b[2J", title="\x1b[31m\u202etitle"))
    async with console(engine, size=size) as it:
        await it.press("3")
        await until(it, "critical path")
        for key in ("v", "v", "v", "j", "j", "enter", "escape", "w", "escape", "r", "escape", "G", "P"):
            await it.press(key)
            assert not [char for char in it.text if char in "\x1b\x07\u202e\t"]
            widths = {strip.cell_length for strip in it.app.surface._strips}
            assert widths == {size[0]}


@pytest.mark.parametrize("theme", ["dark", "mono"])
@pytest.mark.parametrize("view", ["outline", "layers", "gantt"])
def test_pictures_of_a_graph(snap_compare, view: str, theme: str) -> None:
    scene = Scene("", theme, engine=GraphEngine(halfway()))

    async def play(pilot: Any) -> None:
        await scene.play(pilot)
        scene.app.model.dags.view = view  # type: ignore[assignment]
        for key in ("3", "3"):
            await pilot.press(key)
            for _ in range(20):
                scene.seconds += 0.5
                scene.app.performer.perform(scene.app.model.tick(scene.seconds))
                await pilot.pause(0.02)
        graph = scene.app.model.dags.get("r20")
        assert graph is not None
        graph.cursor = "score-b"
        scene.app.paint()
        await pilot.pause()

    assert snap_compare(scene.app, terminal_size=(120, 24), run_before=play)
