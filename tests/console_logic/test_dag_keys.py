"""Keys and commands on a graph: what they send, what they only ask, and where they lead."""

from __future__ import annotations

import pytest

from harness_tui.console.intents import FetchAttempt, FetchDag, LayDag, LoadDag, Send
from harness_tui.console.stores.dags import Attempt
from harness_tui.domain import events as ev
from harness_tui.domain.dag.spec import Job
from harness_tui.domain.dag.steer import Cancel, Pause
from harness_tui.domain.events import Envelope
from harness_tui.port.commands import CancelJob, CancelRun, PauseDag, ReplanDag, ResumeDag, RetryDag

from .graph_scene import NOW, GraphBench, Story, fan, halfway, replanned
from .scene import Log, busy, request

ME = "1000@pts/3"


def at(bench: GraphBench, job: str) -> GraphBench:
    """The cursor on a job, in pane 3."""
    bench.press("3")
    graph = bench.model.dags.get("r20")
    assert graph is not None
    graph.cursor = job
    bench.draw()
    return bench


def bench_of(story: Story | None = None, job: str = "", **size: int) -> GraphBench:
    return at(GraphBench(story or halfway(), **size), job)


def sent(out: list[object]) -> list[object]:
    return [each.command for each in out if isinstance(each, Send)]


def typed(bench: GraphBench, text: str = "") -> list[object]:
    bench.model.text(text, bench.at)
    bench.wait(0.5)
    return sent(bench.press("enter"))


def said(bench: GraphBench) -> str:
    return bench.model.said[0] if bench.model.said else ""


def text(bench: GraphBench) -> str:
    return "\n".join(bench.screen()[0])


def command(bench: GraphBench, words: str) -> list[object]:
    bench.press("colon")
    bench.model.text(words, bench.at)
    bench.wait(0.5)
    return bench.press("enter")


# -- what is sent -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("job", "key", "words", "wish"),
    [
        ("score-b", "x", "too slow", CancelJob("r20", "score-b", ME, "too slow")),
        ("", "x", "enough", CancelRun("r20", ME, "enough")),
        ("score-b", "p", "lunch", PauseDag("r20", ME, "lunch")),
        ("", "p", "", PauseDag("r20", ME)),
        ("score-b", "P", "lunch", PauseDag("r20", ME, "lunch", "score-b")),
        ("fetch-b", "r", "", RetryDag("r20", ME, "fetch-b")),
        ("fetch-b", "r", "read the changelog too", RetryDag("r20", ME, "fetch-b", "read the changelog too")),
        ("", "r", "", RetryDag("r20", ME)),
    ],
)
def test_what_changes_a_graph_asks_first_and_takes_a_lone_enter(job: str, key: str, words: str, wish: object) -> None:
    bench = bench_of(job=job)
    assert sent(bench.press(key)) == []
    assert bench.model.typing
    assert typed(bench, words) == [wish]
    assert not bench.model.typing
    assert bench.model.overlay is None


@pytest.mark.parametrize("key", ["x", "p", "P", "r"])
def test_escape_and_a_burst_change_nothing(key: str) -> None:
    bench = bench_of(job="score-b")
    bench.press(key)
    assert sent(bench.press("escape")) == []
    assert bench.model.overlay is None
    for burst in (key, "enter", key, "enter"):
        bench.model.key(burst, bench.at)
    bench.model.paste(f"{key}\n{key}\n", bench.at)
    assert sent(bench.wait(2)) == []


def test_what_is_paused_is_resumed_by_the_same_key() -> None:
    story = halfway()
    story.word(Pause("operator:ada", "lunch"), 26.0)
    story.word(Pause("operator:ada", "", "merge"), 27.0)
    bench = bench_of(story)
    bench.press("p")
    assert typed(bench) == [ResumeDag("r20", ME)]
    at(bench, "merge").press("P")
    assert typed(bench) == [ResumeDag("r20", ME, "merge")]
    assert "paused by operator:ada" in text(bench)


def test_a_run_that_is_over_is_neither_paused_nor_cancelled_but_tried_again() -> None:
    story = halfway()
    story.word(Cancel("operator:ada"), 30.0)
    bench = bench_of(story, "score-b")
    for key in ("p", "P"):
        bench.press(key)
        assert "is over" in said(bench)
    bench.press("x")
    assert "score-b is over: cancelled" in said(bench)
    bench.press("r")
    assert typed(bench) == [RetryDag("r20", ME, "score-b")]


def test_a_retry_says_what_runs_again_and_what_stands_before_it_is_sent() -> None:
    bench = bench_of(job="fetch-b")
    bench.press("r")
    shown = text(bench)
    assert "retry from fetch-b" in shown
    assert "runs again" in shown
    assert "score-b" in shown
    assert "stands      2 jobs: fetch-a, score-a, which saves 2,100 tok and $0.02" in shown


def test_what_cannot_be_tried_again_is_said() -> None:
    bench = bench_of(job="score-c")
    bench.press("r")
    assert said(bench) == "score-c needs fetch-c, which is dead lettered."
    fine = Story(Log(), (Job("a", wait=1.0),))
    bench = bench_of(fine)
    bench.press("r")
    assert "Nothing of r20 failed." in said(bench)


def test_a_gate_leads_to_its_request_in_4_and_decides_nothing() -> None:
    bench = bench_of(job="approve-plan")
    bench.press("v")
    out = bench.press("a")
    assert sent(out) == []
    assert bench.model.focus == 4
    assert bench.model.queue.current == "A-31"
    assert sent(bench.press("a", 0.05)) == [], "it is not armed yet"


def test_on_any_job_the_key_goes_to_what_waits_as_the_footer_says_and_decides_nothing() -> None:
    bench = bench_of(job="fetch-a")
    bench.press("a")
    assert bench.model.focus == 4
    row = bench.model.queue.row()
    assert row is not None
    assert row.open


def test_the_request_about_the_plan_is_reached_from_the_line_of_the_run() -> None:
    bench = bench_of(replanned())
    assert "A-40" in text(bench)
    bench.press("a")
    assert bench.model.queue.current == "A-40"


def test_commands_start_fold_and_replan() -> None:
    bench = bench_of(width=120)
    assert LoadDag("plans/compare.toml") in command(bench, "dag plans/compare.toml")
    assert sent(command(bench, "replan there is a fourth tool")) == [
        ReplanDag("r20", ME, reason="there is a fourth tool")
    ]
    command(bench, "fold fetch-*")
    assert "fetch-* x3" in text(bench)
    command(bench, "fold nothing-*")
    assert said(bench) == "No job begins with nothing-."
    command(bench, "unfold other-*")
    assert "is not folded" in said(bench)
    command(bench, "unfold")
    assert "fetch-b" in text(bench)
    command(bench, "fold rank 1")
    assert bench.model.dags.get("r20").folds == {"rank:1"}


def test_what_is_folded_opens_with_enter_and_the_cursor_goes_to_its_first_job() -> None:
    bench = bench_of(width=120)
    command(bench, "fold fetch-*")
    bench.press("j")
    graph = bench.model.dags.get("r20")
    assert graph.cursor not in graph.state.jobs
    bench.press("x")
    assert "folded" in said(bench)
    bench.press("enter")
    assert graph.folds == frozenset()
    assert graph.cursor == "fetch-a"


def test_without_a_graph_its_keys_say_so() -> None:
    bench = GraphBench(Story(busy(), (Job("a", wait=1.0),)))
    bench.press("3")
    bench.model.runs.current = "r17"
    for key in ("v", "r", "p", "P", "a", "d", "h", "l"):
        bench.press(key)
        assert said(bench) == "This run has no graph: 2 picks another one."


# -- where they lead --------------------------------------------------------------------------------------------------


def test_arrows_follow_edges_in_the_layers() -> None:
    bench = bench_of(job="fetch-b", width=120)
    graph = bench.model.dags.get("r20")
    way = []
    for key in ("l", "l", "right", "h", "up", "left"):
        bench.press(key)
        way.append(graph.cursor)
    assert way == ["score-b", "merge", "publish", "merge", "", "fetch-a"]


def test_every_node_is_reached_by_j_alone_and_the_run_by_g() -> None:
    bench = bench_of(width=120)
    graph = bench.model.dags.get("r20")
    bench.press("G")
    assert graph.cursor == "publish"
    bench.press("g")
    assert graph.cursor == ""


def test_a_job_in_full_its_attempts_and_the_trace_of_one() -> None:
    bench = bench_of(job="fetch-c", width=120, height=40)
    out = bench.press("enter")
    assert [each for each in bench.asked if isinstance(each, FetchAttempt)], out
    shown = text(bench)
    for words in ("read the docs of tool c", "dead lettered", "404 Not Found", "3 times, 2 s apart", "an answer"):
        assert words in shown
    graph = bench.model.dags.get("r20")
    children = graph.state.jobs["fetch-c"].children
    assert len(children) == 3
    bench.press("k")
    bench.press("enter")
    assert bench.model.focus == 1
    assert bench.model.world.filter.source == f"run:{children[1]}"
    assert children[1] in text(bench)


def test_an_attempt_without_an_agent_is_shown_with_its_few_events() -> None:
    bench = bench_of(job="score-a", width=120, height=40)
    stream = "r20/score-a#1"
    told = (
        Envelope(1, stream, 1, NOW, ev.TaskResumed("call")),
        Envelope(2, stream, 2, NOW, ev.TaskFinished({"fair": 7})),
    )
    bench.attempts[stream] = Attempt(told, '{"fair":7}')
    bench.press("enter")
    bench.press("enter")
    assert bench.model.overlay.kind == "attempt"
    assert "call done again" in text(bench)
    assert '{"fair":7}' in text(bench)
    bench.press("escape")
    assert bench.model.overlay.kind == "job"
    bench.press("escape")
    assert bench.model.overlay is None


def test_why_and_may_are_about_the_job_under_the_cursor() -> None:
    bench = bench_of(job="merge")
    bench.press("w")
    assert "approve-plan" in text(bench)
    bench.press("escape")
    at(bench, "fetch-a").press("i")
    assert bench.model.overlay.id == bench.model.dags.get("r20").state.jobs["fetch-a"].child
    bench.press("escape")
    at(bench, "").press("w")
    assert bench.model.overlay.id == "r20"


def test_changes_of_the_plan_newest_first() -> None:
    bench = bench_of(replanned(), width=120)
    bench.press("d")
    assert "fetch-e" in text(bench)
    bench.press("d")
    assert "fetch-d" in text(bench)
    assert "score-c" in text(bench)
    bench.press("d")
    assert "was not changed before that" in said(bench)


# -- what is fetched --------------------------------------------------------------------------------------------------


def test_a_graph_is_fetched_once_it_shows_and_not_before() -> None:
    bench = GraphBench(halfway())
    assert not [each for each in bench.asked if isinstance(each, FetchDag)]
    bench.press("3")
    assert len([each for each in bench.asked if isinstance(each, FetchDag)]) == 1
    bench.press("v")
    bench.tick()
    assert len([each for each in bench.asked if isinstance(each, FetchDag)]) == 1


def test_events_are_folded_and_drawn_without_asking_again() -> None:
    bench = bench_of(width=120)
    before = len(bench.story.log.all)
    bench.story.ended("score-b", 40.0)
    bench.tell(*bench.story.log.all[before:])
    assert "+ score-b done" in text(bench)
    bench.tick()
    assert len([each for each in bench.asked if isinstance(each, FetchDag)]) == 1


def test_after_a_gap_it_is_fetched_again() -> None:
    bench = bench_of(width=120)
    before = len(bench.story.log.all)
    bench.story.ended("score-b", 40.0)
    bench.story.word(Pause("operator:ada"), 41.0)
    bench.tell(*bench.story.log.all[before + 1 :])
    assert "o score-b run" in text(bench), "what is shown stays what it was"
    bench.tick()
    assert len([each for each in bench.asked if isinstance(each, FetchDag)]) == 2
    assert "+ score-b done" in text(bench)


def test_a_large_graph_is_laid_out_away_from_the_screen_and_folded_at_first() -> None:
    bench = GraphBench(fan(400), width=120)
    bench.press("3")
    assert [each for each in bench.asked if isinstance(each, LayDag)]
    assert "part-* x400" in text(bench)


def test_what_cannot_be_had_is_said_in_the_pane() -> None:
    bench = GraphBench(halfway())
    bench.carry_out = lambda wanted: None  # type: ignore[method-assign]
    bench.press("3")
    assert "its jobs are on their way" in text(bench)
    bench.model.dags.get("r20").failed("The engine is too old.")
    assert "r20 cannot be shown: The engine is too old." in text(bench)


# -- beside the graph -------------------------------------------------------------------------------------------------


def test_runs_list_the_graph_once_and_of_its_jobs_those_that_wait_for_a_person() -> None:
    story = halfway()
    bench = GraphBench(story, width=120)
    children = [row.id for row in bench.model.world.views.runs.values() if row.job]
    assert len(children) > 3
    assert bench.model.runs.ids == ["r20"]
    assert "3/9 jobs" in text(bench)
    asks = story.log.add(f"{children[0]}/1", 1, request("A-50"))
    bench.tell(*asks)
    bench.press("3")
    bench.press("2")
    assert set(bench.model.runs.ids) == {children[0], "r20"}


def test_budgets_of_jobs_are_in_that_of_their_graph_until_one_is_nearly_spent() -> None:
    story = halfway()
    bench = GraphBench(story, width=120)
    child = story.s.jobs["fetch-a"].child
    bench.press("5")
    assert bench.model.budgets.ids == ["run:r20"]
    story.log.add(child, 1, ev.BudgetWarned(f"run:{child}", 100, 81, "tokens"))
    bench.tell(*story.log.all[-1:])
    bench.draw()
    assert f"run:{child}" in bench.model.budgets.ids


def test_a_graph_that_is_paused_says_so_in_the_list() -> None:
    story = Story(Log(), (Job("a", wait=1.0),))
    story.word(Pause("operator:ada", "lunch"), 2.0)
    bench = GraphBench(story, width=120)
    assert "= paused" in text(bench)
