"""What a graph's run does, case by case: order, tries, routes, gates, budgets, answers that stand."""

from __future__ import annotations

import pytest

from harness_tui.domain import events as ev
from harness_tui.domain.dag.decide import Waits, delay
from harness_tui.domain.dag.graph import Dag
from harness_tui.domain.dag.spec import Retry, Route
from harness_tui.domain.dag.steer import Propose
from harness_tui.domain.errors import UsageError
from harness_tui.domain.inputs import Decided, Resolved

from .rig import DIAMOND, SECOND, Rig, job, recounted, seen

# -- shape and order ------------------------------------------------------------------------------------------------


def test_a_circle_is_named_with_its_path() -> None:
    with pytest.raises(UsageError, match=r"in a circle: (a -> b -> c -> a|b -> c -> a -> b|c -> a -> b -> c)"):
        Dag.from_jobs([job("x"), job("a", "x", "c"), job("b", "a"), job("c", "b"), job("behind", "c")])
    with pytest.raises(UsageError, match="in a circle: a -> a"):
        Dag.from_jobs([job("a", "a")])


def test_unknown_and_doubled_names_are_refused() -> None:
    with pytest.raises(UsageError, match=r"depends on fetch-b, which does not exist\. Did you mean fetch-a\?"):
        Dag.from_jobs([job("fetch-a"), job("x", "fetch-b")])
    with pytest.raises(UsageError, match="Two jobs are called a"):
        Dag.from_jobs([job("a"), job("a")])
    with pytest.raises(UsageError, match="may go back to nowhere"):
        Dag.from_jobs([job("a", route=(Route(goto="nowhere"),))])


def test_a_diamond_runs_in_order() -> None:
    rig = Rig(DIAMOND)
    assert rig.at_work() == ["a"]
    rig.ok("a")
    assert rig.at_work() == ["b", "c"]
    rig.ok("c")
    assert rig.words()["d"] == "pending"
    rig.ok("b")
    assert rig.at_work() == ["d"]
    rig.ok("d")
    assert rig.state.finished == ev.RunFinished("succeeded", None, "all 4 jobs succeeded", "", "model", 0)


def test_a_dependency_named_twice_is_one() -> None:
    rig = Rig([job("a"), job("b", "a", "a")])
    rig.ok("a")
    assert rig.at_work() == ["b"]


def test_the_longest_way_goes_first() -> None:
    rig = Rig([job("short"), job("long"), job("l2", "long"), job("l3", "l2")], concurrency=1)
    assert rig.at_work() == ["long"]


def test_the_longest_way_is_that_of_the_plan_as_it_is_now() -> None:
    rig = Rig([job("busy"), job("x"), job("y")], concurrency=1)
    more = [job("y1", "y"), job("y2", "y1")]
    rig.propose(Propose("operator:ada", tuple(more)))
    rig.ok("busy")
    assert rig.at_work() == ["y"]


def test_a_dead_letter_cancels_everything_behind_it_and_nothing_else() -> None:
    rig = Rig([*DIAMOND, job("e", "d"), job("other")])
    rig.ok("a")
    rig.fail("b")
    assert rig.words() == {
        **{"a": "succeeded", "b": "dead_lettered", "c": "running", "d": "cancelled", "e": "cancelled"},
        "other": "running",
    }
    assert rig.state.jobs["e"].error == "b is dead"
    rig.drain()
    end = rig.state.finished
    assert end and (end.state, end.exit, end.reason) == ("failed", 1, "b is dead: exit 1; 2 cancelled")


# -- tries ----------------------------------------------------------------------------------------------------------


def test_backoff_in_exact_numbers() -> None:
    exponential = Retry(9, "exponential", delay=2.0, factor=3.0, max=50.0)
    assert [delay(exponential, tries, "k") for tries in range(1, 6)] == [2.0, 6.0, 18.0, 50.0, 50.0]
    assert delay(exponential, 10_000, "k") == 50.0
    assert [delay(Retry(9, "fixed", delay=2.5), tries, "k") for tries in (1, 2, 9)] == [2.5, 2.5, 2.5]
    assert delay(Retry(9, "none", delay=2.5), 1, "k") == 0.0


def test_jitter_only_lengthens_within_its_share_and_is_the_same_again() -> None:
    retry = Retry(9, "fixed", delay=10.0, jitter=0.3)
    delays = [delay(retry, 1, f"r20/a#{n}") for n in range(500)]
    assert min(delays) >= 10.0 and max(delays) <= 13.0
    assert max(delays) - min(delays) > 2.0
    assert delays == [delay(retry, 1, f"r20/a#{n}") for n in range(500)]


def test_a_job_is_tried_as_often_as_it_says_and_waits_without_a_slot() -> None:
    rig = Rig([job("a", retry=Retry(3, "exponential", delay=1.0)), job("b")], concurrency=1)
    rig.fail("a", tokens=10, usd=5)
    assert rig.words() == {"a": "retrying", "b": "running"}
    assert rig.state.jobs["a"].due == SECOND
    rig.later(SECOND - 1)
    assert rig.words()["a"] == "retrying"
    rig.later(1)
    assert rig.words()["a"] == "ready"
    rig.ok("b")
    rig.fail("a", tokens=10, usd=5)
    assert rig.state.jobs["a"].due == SECOND + 2 * SECOND
    rig.later(2 * SECOND)
    rig.fail("a", "HTTP 500", tokens=10, usd=5)
    a = rig.state.jobs["a"]
    assert (a.state, a.attempts, a.tokens, a.usd, a.error) == ("dead_lettered", 3, 30, 15, "HTTP 500")


def test_what_cannot_be_helped_by_another_try_has_none() -> None:
    rig = Rig([job("a", retry=Retry(3))])
    rig.fail("a", "denied", final=True)
    assert rig.words() == {"a": "dead_lettered"}


# -- routes ---------------------------------------------------------------------------------------------------------

REVIEW = [
    job("draft"),
    job("review", "draft", route=(Route(match="^REJECT", goto="draft"), Route(match="^ENOUGH", stop=True))),
    job("publish", "review"),
]


def _reviewed(rig: Rig, said: str) -> None:
    rig.ok("draft")
    rig.ok("review", text=said)


def test_rejected_twice_then_approved() -> None:
    rig = Rig(REVIEW)
    for said in ("REJECT: too long", "REJECT: too short", "fine"):
        _reviewed(rig, said)
    rig.ok("publish")
    assert {ident: j.attempts for ident, j in rig.state.jobs.items()} == {"draft": 3, "review": 3, "publish": 1}
    draft = rig.state.jobs["draft"]
    assert (draft.visits, draft.feedback, draft.prior) == (3, "REJECT: too short", "r20/draft#2")
    assert rig.state.finished and rig.state.finished.state == "succeeded"


def test_never_approved_is_a_dead_letter_with_the_count() -> None:
    rig = Rig(REVIEW)
    for n in range(5):
        _reviewed(rig, f"REJECT {n}")
    assert rig.words() == {"draft": "succeeded", "review": "dead_lettered", "publish": "cancelled"}
    assert rig.state.jobs["review"].error == "draft was done 5 times and did not converge: REJECT 4"
    assert rig.state.jobs["draft"].attempts == 5
    row = rig.views.runs["r20"]
    assert row.jobs == {"all": 3, "succeeded": 1, "dead_lettered": 1, "cancelled": 1}


def test_a_route_ends_the_run_and_it_has_succeeded() -> None:
    rig = Rig(REVIEW)
    _reviewed(rig, "ENOUGH of this")
    end = rig.state.finished
    assert rig.words() == {"draft": "succeeded", "review": "succeeded", "publish": "cancelled"}
    assert end and (end.state, end.exit, end.stopped_by, end.reason) == (
        *("succeeded", 0, "route"),
        "review: ENOUGH of this",
    )


def test_a_router_function_goes_before_the_jobs_own_routes() -> None:
    rig = Rig(REVIEW)
    rig.ok("draft")
    rig.ok("review", text="fine", route=Route(goto="draft", feedback="says the router"))
    assert rig.at_work() == ["draft"]
    assert rig.state.jobs["draft"].feedback == "says the router"


def test_a_failure_may_lead_back_once_its_tries_are_up() -> None:
    jobs = [job("a"), job("test", "a", retry=Retry(2), route=(Route(when="failed", match="E1", goto="a"),))]
    rig = Rig(jobs)
    rig.ok("a")
    rig.fail("test", "E1")
    rig.later(1)
    rig.fail("test", "E1")
    assert rig.words() == {"a": "running", "test": "pending"}
    rig.ok("a")
    rig.fail("test", "E2")
    rig.later(1)
    rig.fail("test", "E2")
    assert rig.words() == {"a": "succeeded", "test": "dead_lettered"}


def test_who_fails_and_leads_to_a_job_beside_it_is_done_anew_too() -> None:
    """Else it would stay at work for ever, with nothing at work."""
    rig = Rig([job("a"), job("b", route=(Route(when="failed", goto="a"),), retry=Retry(1)), job("c", "b")])
    rig.ok("a")
    rig.fail("b")
    assert rig.words() == {"a": "running", "b": "running", "c": "pending"}
    recounted(rig.state)
    rig.drain()
    assert rig.state.finished and rig.state.finished.state == "succeeded"


# -- gates ----------------------------------------------------------------------------------------------------------

GATED = [job("draft"), job("ask", "draft", gate="Publish it?"), job("publish", "ask")]


def test_a_gate_waits_without_a_slot_and_lets_pass() -> None:
    rig = Rig([*GATED, job("other")], concurrency=1)
    rig.ok("draft")
    assert rig.words() == {"draft": "succeeded", "ask": "waiting", "publish": "pending", "other": "running"}
    rig.ok("other")
    assert rig.state.finished is None
    rig.t += 9 * SECOND
    rig.decided("ask", "approved")
    assert rig.at_work() == ["publish"]
    assert [(bar.what, bar.end - bar.start) for bar in rig.state.jobs["ask"].bars] == [("run", 0), ("ask", 9 * SECOND)]
    rig.ok("publish")
    assert rig.state.finished and rig.state.finished.exit == 0


def test_a_denied_gate_ends_its_branch_with_the_code_of_a_denial() -> None:
    rig = Rig(GATED)
    rig.ok("draft")
    rig.decided("ask", "denied", "not today")
    end = rig.state.finished
    assert rig.words()["publish"] == "cancelled"
    assert end and (end.state, end.exit, end.stopped_by) == ("failed", 4, "denied")
    assert rig.state.jobs["ask"].error == "denied by ada: not today"


def test_a_push_back_leads_to_the_job_before_with_its_reason() -> None:
    rig = Rig(GATED)
    rig.ok("draft")
    first = rig.asked["ask"]
    rig.decided("ask", "pushed_back", "shorter, please")
    assert rig.at_work() == ["draft"]
    assert rig.state.jobs["draft"].feedback == "shorter, please"
    rig.ok("draft")
    assert rig.asked["ask"] != first
    assert rig.say(Decided(first, "approved", "bob", "d" * 64)) == []
    rig.decided("ask", "approved")
    assert rig.state.jobs["ask"].attempts == 2


def test_a_push_back_of_a_gate_with_two_dependencies_needs_a_name() -> None:
    rig = Rig([job("a"), job("b"), job("ask", "a", "b", gate="?")])
    rig.ok("a"), rig.ok("b")
    with pytest.raises(UsageError, match='back = "JOB"'):
        rig.decided("ask", "pushed_back", "no")


def test_a_gate_pushed_back_to_a_job_beside_it_asks_again() -> None:
    rig = Rig([job("a"), job("beside"), job("ask", "a", gate="?", back="beside")])
    rig.ok("a"), rig.ok("beside")
    rig.decided("ask", "pushed_back", "no")
    assert rig.words() == {"a": "succeeded", "beside": "running", "ask": "waiting"}
    recounted(rig.state)


def test_nobody_decides_in_time() -> None:
    rig = Rig(GATED)
    rig.ok("draft")
    rig.expire("ask")
    assert rig.words() == {"draft": "succeeded", "ask": "dead_lettered", "publish": "cancelled"}
    assert rig.state.jobs["ask"].error == "nobody decided in time"


def test_a_second_decision_comes_too_late() -> None:
    rig = Rig(GATED)
    rig.ok("draft")
    rig.decided("ask", "approved")
    before = seen(rig.state)
    assert rig.decided("ask", "denied") == []
    assert seen(rig.state) == before


def test_an_attempt_in_doubt_is_answered() -> None:
    for resolution, word in (("happened", "succeeded"), ("did_not", "dead_lettered"), ("again", "running")):
        rig = Rig([job("a")])
        rig.put(Waits("a", 1, "in_doubt", "A-1"))
        rig.say(Resolved("A-1", resolution, "ada"))  # type: ignore[arg-type]
        assert rig.words() == {"a": word}


def test_what_a_child_run_asks_is_not_the_graphs_to_answer() -> None:
    """Its decision goes to the run that asked; here it must not make a success of the job."""
    rig = Rig([job("a", prompt="p")])
    rig.put(Waits("a", 1, "approval", "A-9"))
    assert rig.say(Decided("A-9", "approved", "ada", "d" * 64)) == []
    assert rig.words() == {"a": "waiting"}


def test_another_request_takes_the_place_of_the_first() -> None:
    rig = Rig([job("a")])
    rig.put(Waits("a", 1, "in_doubt", "A-1"))
    rig.put(Waits("a", 1, "in_doubt", "A-2"))
    assert rig.state.requests == {"A-2": "a"}
    assert rig.say(Resolved("A-1", "happened", "ada")) == []
