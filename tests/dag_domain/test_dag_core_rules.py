"""What a graph's run does, case by case: order, tries, routes, gates, budgets, answers that stand."""

from __future__ import annotations

import pytest

from harness_tui.domain import events as ev
from harness_tui.domain.dag.decide import Ended, Waits, Went, delay
from harness_tui.domain.dag.graph import Dag
from harness_tui.domain.dag.settle import Room
from harness_tui.domain.dag.spec import Job, Limits, PlannerSpec, Retry, Route
from harness_tui.domain.dag.steer import Cancel, Pause, Propose, Resume
from harness_tui.domain.dag.steer import Retry as Anew
from harness_tui.domain.errors import UsageError
from harness_tui.domain.inputs import Decided, Resolved

from .rig import SECOND, Rig, recounted, seen


def job(ident: str, *deps: str, **more: object) -> Job:
    kinds = {"call", "prompt", "gate", "wait", "verify", "command", "tool"}
    return Job(ident, deps, **(more if kinds & more.keys() else {"call": "m:f", **more}))  # type: ignore[arg-type]


DIAMOND = [job("a"), job("b", "a"), job("c", "a"), job("d", "b", "c")]


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


# -- shared resources and slots -------------------------------------------------------------------------------------


def test_a_resource_is_not_given_away_while_its_user_waits() -> None:
    """It goes on by itself, and two would have what one at a time may have."""
    rig = Rig([job("a", uses={"db": 1}), job("b", uses={"db": 1}), job("c")], concurrency=2)
    assert rig.at_work() == ["a", "c"]
    rig.put(Waits("a", 1, "rate_limit"))
    assert rig.at_work() == ["c"]
    rig.put(Went("a", 1))
    assert rig.at_work() == ["a", "c"]
    rig.ok("a")
    assert rig.at_work() == ["b", "c"]


def test_who_was_cancelled_while_a_resource_was_in_use_takes_nobodys_turn() -> None:
    rig = Rig([job(ident, uses={"db": 1}) for ident in "abcd"])
    rig.say(Cancel("ada", job="b"))
    rig.say(Pause("ada", job="c"))
    rig.ok("a")
    assert rig.at_work() == ["d"]
    rig.say(Resume("ada", "c"))
    rig.ok("d")
    assert rig.at_work() == ["c"]


def test_who_lacks_a_second_resource_does_not_keep_the_first_from_others() -> None:
    jobs = [job("x", uses={"net": 1}), job("a", uses={"db": 1}), job("b", uses={"db": 1, "net": 1})]
    rig = Rig([*jobs, job("c", uses={"db": 1})])
    rig.put(Waits("x", 1, "rate_limit"))
    rig.ok("a")
    assert rig.words() == {"x": "waiting", "a": "succeeded", "b": "ready", "c": "running"}
    rig.drain()
    assert rig.state.finished and rig.state.finished.state == "succeeded"


def test_who_cannot_be_paid_does_not_keep_a_resource_from_others() -> None:
    rig = Rig([job("a", uses={"db": 1}), job("b", uses={"db": 1}, budget=Limits(500)), job("c", uses={"db": 1})])
    rig.room = Room(100, None, "the run")
    rig.ok("a")
    assert rig.at_work() == ["c"]


def test_a_job_that_became_ready_twice_starts_once() -> None:
    rig = Rig([job("busy"), job("a")], concurrency=1)
    for _ in range(3):
        rig.say(Pause("ada", job="a"))
        rig.say(Resume("ada", "a"))
    rig.state.spec = type(rig.state.spec)(concurrency=4)
    rig.ok("busy")
    assert [e.attempt for e in rig.log if isinstance(e, ev.JobStarted) and e.job == "a"] == [1]
    recounted(rig.state)


def test_a_branch_that_is_paused_starts_nothing_and_goes_on() -> None:
    rig = Rig([*DIAMOND, job("other", "a")])
    rig.say(Pause("ada", "look first", "b"))
    rig.ok("a")
    assert rig.at_work() == ["c", "other"]
    rig.ok("c"), rig.ok("other")
    assert rig.state.finished is None
    rig.say(Resume("ada", "b"))
    assert rig.at_work() == ["b"]


# -- budgets --------------------------------------------------------------------------------------------------------


def test_a_job_whose_budget_does_not_fit_does_not_start_and_the_run_says_so() -> None:
    jobs = [job("a", budget=Limits(100)), job("b", "a", budget=Limits(100)), job("c", "b")]
    rig = Rig(jobs, room=Room(150, None, "the run"))
    rig.room = Room(50, None, "the run")
    rig.ok("a", tokens=100)
    end = rig.state.finished
    assert rig.words() == {"a": "succeeded", "b": "cancelled", "c": "cancelled"}
    assert end and (end.state, end.exit, end.stopped_by) == ("failed", 3, "budget")
    assert end.reason == "b may spend 100 tokens, more than the run has left"


def test_others_go_on_while_one_does_not_fit() -> None:
    rig = Rig([job("poor", budget=Limits(usd=2.0)), job("free")], room=Room(None, 10**9, "the day"))
    assert rig.words() == {"poor": "ready", "free": "running"}
    rig.ok("free")
    assert rig.state.finished and "poor may spend $2.0, more than the day has left" in rig.state.finished.reason


def test_what_is_exhausted_ends_the_run() -> None:
    rig = Rig([job("a"), job("b"), job("c", "b")])
    rig.fail("a", "stopped", exhausted="the day has nothing left", tokens=5)
    assert rig.words() == {"a": "dead_lettered", "b": "cancelled", "c": "cancelled"}
    assert rig.state.finished is None  # b is still at work
    rig.ok("b")
    assert rig.state.finished and rig.state.finished.exit == 3
    assert rig.state.jobs["a"].tokens == 5


# -- answers that stand ---------------------------------------------------------------------------------------------


def test_what_is_given_the_same_again_is_not_done_again() -> None:
    rig = Rig(DIAMOND)
    rig.ok("a", "1"), rig.ok("b", "2", tokens=7), rig.ok("c", "3"), rig.ok("d", "4", tokens=9)
    rig.say(Anew("operator:ada", "a"))
    assert rig.at_work() == ["a"]
    events = rig.ok("a", "1")
    assert [(e.job, e.tokens) for e in events if isinstance(e, ev.JobReused)] == [("b", 7), ("c", 0), ("d", 9)]
    assert {i: j.attempts for i, j in rig.state.jobs.items()} == {"a": 2, "b": 1, "c": 1, "d": 1}
    assert rig.state.finished and rig.state.finished.exit == 0


def test_what_is_given_something_else_is_done_again_and_only_that() -> None:
    rig = Rig(DIAMOND)
    rig.ok("a", "1"), rig.ok("b", "2"), rig.ok("c", "3"), rig.ok("d", "4")
    rig.say(Anew("operator:ada", "b"))
    rig.ok("b", "changed")
    assert rig.at_work() == ["d"]
    assert rig.state.jobs["c"].attempts == 1


def test_feedback_is_something_else() -> None:
    rig = Rig([job("a"), job("b", "a")])
    rig.ok("a", "1"), rig.ok("b", "2")
    rig.say(Anew("operator:ada", "b", "shorter"))
    assert rig.at_work() == ["b"]
    assert rig.state.jobs["b"].prior == "r20/b#1"


def test_everything_that_failed_is_tried_from_where_it_began() -> None:
    rig = Rig([job("a"), job("b", "a"), job("c", "b"), job("x")])
    rig.ok("a"), rig.ok("x"), rig.fail("b")
    assert rig.state.finished
    rig.say(Anew("operator:ada"))
    assert rig.words() == {"a": "succeeded", "b": "running", "c": "pending", "x": "succeeded"}
    rig.drain()
    assert rig.state.finished and rig.state.finished.state == "succeeded"


# -- plans ----------------------------------------------------------------------------------------------------------


def test_a_job_added_behind_a_dead_one_is_cancelled_not_left_waiting() -> None:
    rig = Rig([job("a"), job("b", "a"), job("other")])
    rig.fail("a")
    rig.propose(Propose("operator:ada", (job("late", "b"), job("later", "late"))))
    rig.ok("other")
    assert rig.words()["late"] == rig.words()["later"] == "cancelled"
    assert rig.state.finished


def test_a_paused_run_ends_too_when_the_rest_is_behind_a_dead_one() -> None:
    """Entries of the ready heap that are no longer ready kept it from looking."""
    rig = Rig([job("busy"), job("a")], concurrency=1)
    rig.say(Pause("ada"))
    rig.say(Cancel("ada", job="a"))
    rig.propose(Propose("operator:ada", (job("b", "a"),)))
    rig.ok("busy")
    assert rig.words() == {"busy": "succeeded", "a": "cancelled", "b": "cancelled"}
    assert rig.state.finished


def test_a_dropped_gate_asks_nobody_any_more() -> None:
    rig = Rig(GATED)
    rig.ok("draft")
    rig.propose(Propose("operator:ada", (job("publish", "draft"),), ("ask",)))
    assert rig.at_work() == ["publish"]
    assert rig.decided("ask", "denied") == []
    assert rig.words() == {"draft": "succeeded", "publish": "running"}


def test_the_approval_of_one_plan_is_not_that_of_the_next() -> None:
    rig = Rig([job("a")])
    rig.propose(Propose("planner", (job("b"),), (), ("it widens",)))
    first = rig.state.asked
    rig.propose(Propose("planner", (job("evil"),), (), ("it widens more",)))
    assert rig.say(Decided(first, "approved", "ada", "d" * 64)) == []
    assert "evil" not in rig.state.jobs
    rig.say(Decided(rig.state.asked, "denied", "ada", "d" * 64))
    assert rig.words() == {"a": "running"}


def test_a_replaced_job_at_work_is_begun_anew_and_its_old_end_decides_nothing() -> None:
    rig = Rig([job("a"), job("b", "a")])
    rig.propose(Propose("operator:ada", (job("a", call="m:g"),)))
    assert rig.state.jobs["a"].attempts == 2
    assert rig.put(Ended("a", 1, result="old")) == []
    rig.ok("a")
    assert rig.at_work() == ["b"]


def test_the_planner_is_asked_at_the_end_as_often_as_it_may_be() -> None:
    rig = Rig([job("a")], planner=PlannerSpec(call="m:plan"), max_replans=2)
    rig.ok("a")
    assert rig.state.planning and rig.state.finished is None
    rig.propose(Propose("planner", (job("b", "a"),)))
    rig.fold([ev.PlannerEnded(done=False)]), rig.settle()
    rig.ok("b")
    assert rig.state.planning and rig.state.replans == 2
    rig.fold([ev.PlannerEnded(done=True)]), rig.settle()
    assert rig.state.finished and len(rig.state.jobs) == 2
    assert seen(rig.pictured()) == seen(rig.state)


def test_the_same_inputs_give_the_same_events() -> None:
    def events() -> list[ev.Event]:
        rig = Rig([*DIAMOND, job("r", "d", retry=Retry(3, "exponential", jitter=0.5))], concurrency=2)
        rig.ok("a", "1"), rig.fail("c"), rig.say(Anew("operator:ada"))
        rig.drain()
        return rig.log

    assert events() == events()
