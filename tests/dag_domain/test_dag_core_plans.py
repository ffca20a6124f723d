"""What a graph's run does with what is scarce, with answers that stand, and with plans that change."""

from __future__ import annotations

from harness_tui.domain import events as ev
from harness_tui.domain.dag.decide import Ended, Waits, Went
from harness_tui.domain.dag.settle import Room
from harness_tui.domain.dag.spec import Limits, PlannerSpec, Retry
from harness_tui.domain.dag.steer import Cancel, Pause, Propose, Resume
from harness_tui.domain.dag.steer import Retry as Anew
from harness_tui.domain.inputs import Decided

from .rig import DIAMOND, Rig, job, recounted, seen

GATED = [job("draft"), job("ask", "draft", gate="Publish it?"), job("publish", "ask")]


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
