"""Graphs as the console keeps them: what is folded is what the engine has, whatever order things arrive in."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tui.console.graph.shape import Shape
from harness_tui.console.stores.dags import KEPT, REST, SMALL, Dags, Graph, frozen, own
from harness_tui.domain import events as ev
from harness_tui.domain.dag.evolve import evolve
from harness_tui.domain.dag.picture import DagPicture, picture, restore
from harness_tui.domain.dag.state import DagState
from harness_tui.domain.dag.steer import Cancel
from harness_tui.domain.events import Envelope

from .graph_scene import NOW, US, fan, halfway, replanned

EVENTS = [each for each in replanned().log.all if each.run == "r20"]


def state_at(count: int) -> DagState:
    """The engine's state after so many events of the stream."""
    s = DagState("r20")
    for envelope in EVENTS[:count]:
        evolve(s, envelope.event)
    return s


def same(s: DagState) -> DagPicture:
    """Everything of a state that crosses the wire, as it arrives."""
    return msgspec.json.decode(msgspec.json.encode(picture(s, 0)), type=DagPicture)


def fetched(graph: Graph, count: int) -> None:
    sent = msgspec.json.decode(msgspec.json.encode(picture(state_at(count), 7)), type=DagPicture)
    graph.take(restore(sent), sent.started)


@settings(max_examples=60, deadline=None)
@given(asked=st.integers(2, len(EVENTS)), answered=st.integers(0, 40), told=st.integers(0, 40))
def test_whenever_the_picture_was_taken_and_comes_the_state_is_the_engines(asked, answered, told):
    """Asked for after `asked` events, taken `answered` later, arriving when `told` more were received."""
    graph = Graph("r20")
    graph.asked = 1
    seen = min(len(EVENTS), asked + told)
    for envelope in EVENTS[asked:seen]:
        graph.fold(envelope)
    at = min(seen, asked + answered)  # the engine tells no event before it has it
    fetched(graph, at)
    for envelope in EVENTS[seen:]:
        graph.fold(envelope)
    assert not graph.stale
    assert same(graph.state) == same(state_at(len(EVENTS)))


def test_events_told_twice_count_once():
    graph = Graph("r20")
    fetched(graph, 10)
    for envelope in [*EVENTS[:14], *EVENTS[8:14]]:
        graph.fold(envelope)
    assert same(graph.state) == same(state_at(14))


def test_a_gap_is_noticed_and_the_graph_is_asked_for_again_once():
    dags = Dags()
    graph = dags.open("r20")
    number = dags.ask(graph)
    assert dags.asking("r20", number) is graph
    assert dags.ask(graph) == 0
    fetched(graph, 10)
    assert dags.ask(graph) == 0
    dags.fold(EVENTS[12])
    assert graph.stale
    assert same(graph.state) == same(state_at(10)), "what is shown is a state that was"
    again = dags.ask(graph)
    assert again not in (0, number)
    assert dags.asking("r20", number) is None, "the answer of the first one is not heard any more"


def test_an_event_that_does_not_fit_is_a_gap_not_a_crash():
    graph = Graph("r20")
    fetched(graph, 10)
    graph.fold(msgspec.structs.replace(EVENTS[10], event=ev.JobDue("nobody", 5)))
    assert graph.stale


def test_a_link_that_came_back_means_asking_again_and_hearing_no_old_answer():
    dags = Dags()
    graph = dags.open("r20")
    number = dags.ask(graph)
    dags.attached()
    assert dags.asking("r20", number) is None
    assert dags.ask(graph) == number + 1
    graph.failed("no link")
    assert dags.ask(graph) == 0, "what cannot be had is not asked for over and over"
    dags.attached()
    assert dags.ask(graph)


def test_only_a_few_are_kept_and_the_one_looked_at_last_stays():
    dags = Dags()
    for number in range(KEPT):
        dags.open(f"r{number}")
    first = dags.open("r0")
    dags.open("r9")
    assert dags.get("r0") is first
    assert dags.get("r1") is None
    assert dags.get("r9") is not None


def test_jobs_of_an_engine_in_this_process_are_not_folded_twice():
    s = state_at(12)
    graph = Graph("r20")
    shared = picture(s, 7)
    graph.take(restore(own(shared)), 7)
    before = same(graph.state)
    for envelope in EVENTS[12:]:
        evolve(s, envelope.event)
    assert same(graph.state) == before
    for envelope in EVENTS[12:]:
        graph.fold(envelope)
    assert same(graph.state) == same(s)


def test_time_goes_on_from_the_newest_event_whatever_the_wall_clock_did_before():
    graph = Graph("r20")
    fetched(graph, 2)
    later = next(i for i, each in enumerate(EVENTS) if getattr(each.event, "t", 0) == int(9 * US))
    jump = 3600 * US
    for envelope in EVENTS[2 : later + 1]:
        graph.fold(msgspec.structs.replace(envelope, at=envelope.at + jump))
    assert graph.now(EVENTS[later].at + jump + 2 * US) == 11 * US
    assert graph.now(0) == 9 * US, "it never goes back"


def test_a_run_that_is_over_stands_still():
    it = halfway()
    it.word(Cancel("operator:ada"), 50.0)
    assert it.s.finished
    graph = Graph("r20")
    graph.take(restore(it.picture()), 0)
    assert graph.now(NOW) == graph.now(NOW + 99 * US) == it.s.t


def test_a_large_graph_is_analysed_from_a_copy_and_not_over_and_over():
    it = fan(SMALL)
    graph = Graph("r20")
    started = it.picture().started
    graph.take(restore(it.picture()), started)
    assert graph.analysis(NOW) is None
    work = graph.to_analyse(NOW)
    assert work is not None
    assert graph.to_analyse(NOW) is None, "one at a time"
    it.ended("split", 2.0)
    for envelope in it.log.all:
        graph.fold(envelope)
    graph.analysed(work())
    assert graph.analysis(NOW) is not None
    assert graph.to_analyse(NOW + REST // 2) is None
    assert graph.to_analyse(NOW + REST) is not None


def test_a_frozen_state_does_not_move():
    it = halfway()
    still = frozen(it.s)
    it.word(Cancel("ada", job="score-b"), 40.0)
    assert still.jobs["score-b"].state == "running"
    assert it.s.jobs["score-b"].state == "cancelled"


@pytest.mark.parametrize("run", ["r21", "r20/fetch-a#1", "r2"])
def test_events_of_other_streams_change_nothing(run):
    dags = Dags()
    graph = dags.open("r20")
    fetched(graph, 10)
    dags.fold(Envelope(99, run, 11, NOW, EVENTS[10].event))
    assert graph.state.seq == 10
    assert not graph.stale


def test_a_layout_that_is_no_longer_wanted_is_not_taken():
    graph = Graph("r20")
    fetched(graph, len(EVENTS))
    assert graph.to_lay() is None, "it is not known yet what is folded"
    graph.folds = frozenset()
    first = graph.to_lay()
    assert first is not None
    assert graph.to_lay() is None
    graph.folds = frozenset({"fetch-*"})
    second = graph.to_lay()
    assert second is not None
    assert second != first
    graph.lay(first, Shape())
    assert graph.shape is None
    wanted = Shape()
    graph.lay(second, wanted)
    assert graph.shape is wanted
