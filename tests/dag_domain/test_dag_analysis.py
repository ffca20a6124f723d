"""What the operator is told of a graph at work: the longest way, slack, people, and the end."""

from __future__ import annotations

from harness_tui.domain.dag.analysis import analyse
from harness_tui.domain.dag.decide import Waits, Went
from harness_tui.domain.dag.spec import Job, Retry
from harness_tui.domain.dag.steer import Pause

from .rig import SECOND, Rig


def test_the_longest_way_is_that_of_time_not_of_jobs() -> None:
    jobs = [Job("a", wait=9.0), Job("b", wait=1.0), Job("b2", ("b",), wait=1.0), Job("end", ("a", "b2"), wait=1.0)]
    found = analyse(Rig(jobs).state, 0)
    assert found.ranks == {"a": 0, "b": 0, "b2": 1, "end": 2}
    assert found.critical == ("a", "end")
    assert found.slack == {"a": 0, "b": 7 * SECOND, "b2": 7 * SECOND, "end": 0}
    assert found.finish == 10 * SECOND


def test_what_has_ended_tells_how_long_its_kind_takes() -> None:
    jobs = [Job("a", call="m:f"), Job("b", ("a",), call="m:f"), Job("p", ("a",), prompt="p")]
    rig = Rig(jobs)
    assert analyse(rig.state, 0).finish is None  # nothing is known yet
    rig.t = 4 * SECOND
    rig.ok("a")
    assert analyse(rig.state, rig.t).finish == 8 * SECOND
    rig.t = 10 * SECOND  # both take longer than what is usual
    found = analyse(rig.state, rig.t)
    assert found.critical in (("a", "b"), ("a", "p"))
    assert found.finish == 10 * SECOND


def test_slots_and_resources_are_waited_for() -> None:
    wide = [Job(f"w{at}", wait=1.0) for at in range(10)]
    assert analyse(Rig(wide, concurrency=4).state, 0).finish == 3 * SECOND
    scarce = [Job(f"s{at}", wait=1.0, uses={"db": 1}) for at in range(5)]
    assert analyse(Rig([*scarce, *wide], concurrency=4, resources={"db": 1}).state, 0).finish == 5 * SECOND


def test_time_that_waits_for_people_is_counted_once_and_for_each() -> None:
    jobs = [Job("a", gate="?"), Job("b", gate="?"), Job("c", ("a", "b"), wait=1.0), Job("d", ("a",), wait=1.0)]
    rig = Rig([*jobs, Job("lone", wait=1.0)])
    rig.t = 5 * SECOND
    rig.decided("b", "approved")
    found = analyse(rig.state, 9 * SECOND)
    assert found.human == 9 * SECOND
    assert found.asked == {"a": 9 * SECOND, "b": 5 * SECOND}
    assert found.waiting == ("a",)
    assert found.holds == {"a": 2}
    assert found.finish is None


def test_what_several_hold_up_counts_for_each() -> None:
    rig = Rig([Job("a", gate="?"), Job("b", gate="?"), Job("c", ("a", "b"), wait=1.0), Job("d", ("c",), wait=1.0)])
    assert analyse(rig.state, 0).holds == {"a": 2, "b": 2}


def test_nobody_knows_the_end_of_what_is_paused() -> None:
    rig = Rig([Job("a", wait=1.0), Job("b", ("a",), wait=1.0)])
    assert analyse(rig.state, 0).finish == 2 * SECOND
    rig.say(Pause("ada", job="b"))
    assert analyse(rig.state, 0).finish is None


def test_a_person_takes_as_long_as_people_took() -> None:
    rig = Rig([Job("a", gate="?"), Job("w", ("a",), wait=1.0), Job("b", ("w",), gate="?")])
    rig.t = 6 * SECOND
    rig.decided("a", "approved")
    assert analyse(rig.state, rig.t).finish == 13 * SECOND


def test_backoff_is_waited_for_and_a_pending_job_behind_a_dead_one_is_not() -> None:
    rig = Rig([Job("a", wait=1.0, retry=Retry(2, "fixed", delay=5.0)), Job("b", ("a",), wait=1.0)])
    rig.t = SECOND
    rig.fail("a")
    assert analyse(rig.state, rig.t).finish == 8 * SECOND
    rig.later(5 * SECOND)
    rig.fail("a")
    assert analyse(rig.state, rig.t).finish == 6 * SECOND
    assert rig.words() == {"a": "dead_lettered", "b": "cancelled"}


def test_patience_of_a_model_is_no_persons_time() -> None:
    rig = Rig([Job("a", prompt="p")])
    rig.put(Waits("a", 1, "rate_limit"))
    rig.t = 3 * SECOND
    rig.put(Went("a", 1))
    found = analyse(rig.state, rig.t)
    assert (found.human, found.asked, found.waiting) == (0, {}, ())
