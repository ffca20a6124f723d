"""Graphs in the caller's own process: order, retries, gates, routes, changed plans, and what is reused."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness_tui import World
from harness_tui.domain.dag.spec import Job, Limits, PlannerSpec, Retry, Route
from harness_tui.domain.errors import UsageError
from harness_tui.domain.views import ApprovalRow
from harness_tui.orchestrator.api import Orchestrator, Report


def states(report: Report) -> dict[str, str]:
    return {ident: job.state for ident, job in report.jobs.items()}


async def test_a_diamond_runs_in_order_and_the_join_sees_both(tmp_path: Path) -> None:
    order: list[str] = []

    async def step(inputs: Mapping[str, Any], name: str) -> dict[str, Any]:
        order.append(name)
        return {"name": name, "got": sorted(inputs)}

    jobs = [Job(i, d, call="step", arguments={"name": i}) for i, d in
            (("a", ()), ("b", ("a",)), ("c", ("a",)), ("d", ("b", "c")))]  # fmt: skip
    report = await Orchestrator(functions={"step": step}).run(jobs, World(journal=tmp_path / "j.db"))
    assert (report.state, report.exit) == ("succeeded", 0)
    assert order[0] == "a"
    assert order[-1] == "d"
    assert report.answers == {"d": {"name": "d", "got": ["b", "c"]}}


async def test_no_more_than_its_concurrency_run_at_once_and_every_job_once() -> None:
    now, most, count = 0, 0, 0

    async def work() -> None:
        nonlocal now, most, count
        now, count = now + 1, count + 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1

    jobs = [Job(f"j{i}", call="work") for i in range(100)]
    report = await Orchestrator(functions={"work": work}, concurrency=7).run(jobs)
    assert (report.state, most, count) == ("succeeded", 7, 100)


async def test_a_shared_resource_is_never_taken_twice() -> None:
    now, most = 0, 0

    async def work() -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1

    jobs = [Job(f"j{i}", call="work", uses={"db": 1}) for i in range(20)]
    report = await Orchestrator(functions={"work": work}, concurrency=8, resources={"db": 2}).run(jobs)
    assert (report.state, most) == ("succeeded", 2)


async def test_a_job_that_fails_once_is_tried_again_and_a_dead_one_takes_all_that_follow_with_it() -> None:
    tries: list[int] = []

    def flaky() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise RuntimeError("404")
        return "ok"

    def broken() -> None:
        raise RuntimeError("never")

    jobs = [
        Job("flaky", call="flaky", retry=Retry(3, "fixed", 0.01)),
        Job("broken", call="broken"),
        Job("b1", ("broken",), wait=0.0),
        Job("b2", ("b1",), wait=0.0),
        Job("b3", ("b2", "flaky"), wait=0.0),
        Job("good", ("flaky",), wait=0.0),
    ]
    report = await Orchestrator(functions={"flaky": flaky, "broken": broken}).run(jobs)
    assert states(report) == {
        "flaky": "succeeded",
        "broken": "dead_lettered",
        "b1": "cancelled",
        "b2": "cancelled",
        "b3": "cancelled",
        "good": "succeeded",
    }
    assert report.jobs["flaky"].attempts == 3
    assert (report.state, report.exit) == ("failed", 1)
    assert "never" in report.reason
    assert report.jobs["b3"].error == "broken is dead"


async def test_a_cycle_is_refused_with_its_path_before_anything_runs() -> None:
    jobs = [Job("a", ("c",), wait=0.0), Job("b", ("a",), wait=0.0), Job("c", ("b",), wait=0.0)]
    with pytest.raises(UsageError, match=r"a -> b -> c -> a|b -> c -> a -> b|c -> a -> b -> c"):
        await Orchestrator().run(jobs)


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (Job("a", ("b",), wait=0.0), "depends on b, which does not exist"),
        (Job("a"), "does nothing"),
        (Job("a", wait=0.0, gate="?"), "of two kinds"),
        (Job("a", wait=0.0, kind="gate"), "of another kind"),
        (Job("a", wait=0.0, route=(Route(goto="x"),)), "go back to x, which does not exist"),
    ],
)
async def test_what_cannot_be_run_is_refused(job: Job, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        await Orchestrator().run([job])


async def test_a_gate_is_decided_and_its_word_reaches_the_next_job() -> None:
    seen: list[Any] = []

    def publish(inputs: Mapping[str, Any]) -> None:
        seen.append(inputs["gate"]["by"])

    asked: list[ApprovalRow] = []

    def approve(row: ApprovalRow) -> bool:
        asked.append(row)
        return True

    jobs = [Job("gate", gate="Publish?"), Job("publish", ("gate",), call="publish")]
    report = await Orchestrator(functions={"publish": publish}, approve=approve).run(jobs)
    assert report.state == "succeeded"
    assert seen == ["program"]
    assert asked[0].kind == "gate"
    assert "Publish?" in asked[0].summary


async def test_a_denied_gate_is_a_dead_letter_with_exit_4() -> None:
    jobs = [Job("gate", gate="Publish?"), Job("publish", ("gate",), wait=0.0)]
    report = await Orchestrator(approve=lambda _: False).run(jobs)
    assert states(report) == {"gate": "dead_lettered", "publish": "cancelled"}
    assert (report.state, report.exit) == ("failed", 4)


async def test_a_review_sends_the_draft_back_until_it_is_content() -> None:
    drafts: list[str] = []

    def draft(inputs: Mapping[str, Any], context: Any) -> str:
        drafts.append(context.feedback)
        return f"draft {len(drafts)}"

    def review(inputs: Mapping[str, Any]) -> str:
        return "fine" if inputs["draft"] == "draft 3" else f"REJECT {inputs['draft']} is weak"

    jobs = [
        Job("draft", call="draft"),
        Job("review", ("draft",), call="review", route=(Route(match="^REJECT", goto="draft"),)),
        Job("publish", ("review",), wait=0.0),
    ]
    report = await Orchestrator(functions={"draft": draft, "review": review}).run(jobs)
    assert report.state == "succeeded"
    assert drafts == ["", "REJECT draft 1 is weak", "REJECT draft 2 is weak"]
    assert [report.jobs[ident].attempts for ident in ("draft", "review", "publish")] == [3, 3, 1]


async def test_a_review_that_is_never_content_is_a_dead_letter_with_the_count() -> None:
    jobs = [
        Job("draft", call="draft", visits=3),
        Job("review", ("draft",), call="review", route=(Route(match="no", goto="draft"),)),
        Job("publish", ("review",), wait=0.0),
    ]
    drafts = iter(range(100))
    functions = {"draft": lambda: next(drafts), "review": lambda inputs: f"no {inputs}"}
    report = await Orchestrator(functions=functions).run(jobs)
    assert states(report) == {"draft": "succeeded", "review": "dead_lettered", "publish": "cancelled"}
    assert "3 times" in report.reason


async def test_a_route_may_end_the_run_early_and_well() -> None:
    jobs = [
        Job("look", call="look", route=(Route(match="nothing", stop=True),)),
        Job("work", ("look",), wait=0.0),
    ]
    report = await Orchestrator(functions={"look": lambda: "nothing to do"}).run(jobs)
    assert (report.state, states(report)["work"]) == ("succeeded", "cancelled")


async def test_a_planner_adds_a_job_once_the_rest_is_done() -> None:
    asked = 0

    def plan(situation: Any) -> Any:
        nonlocal asked
        asked += 1
        return None if asked > 1 else {"add": [{"id": "more", "deps": ["a"], "wait": 0.0}], "reason": "one more"}

    report = await Orchestrator(functions={"plan": plan}, planner=PlannerSpec(call="plan")).run([Job("a", wait=0.0)])
    assert (report.state, states(report), asked) == ("succeeded", {"a": "succeeded", "more": "succeeded"}, 2)


async def test_a_planner_that_wants_more_power_asks_with_the_diff(tmp_path: Path) -> None:
    asked: list[ApprovalRow] = []

    def approve(row: ApprovalRow) -> bool:
        asked.append(row)
        return False

    def plan(situation: Any) -> Any:
        if asked:
            return None
        return {"add": [{"id": "evil", "command": ["rm", "-rf", "x"]}], "reason": "cleaning"}

    own = Orchestrator(functions={"plan": plan}, planner=PlannerSpec(call="plan"), approve=approve)
    report = await own.run([Job("a", wait=0.0)], World(journal=tmp_path / "j.db"))
    assert [row.kind for row in asked] == ["plan"]
    assert asked[0].risk == "high"
    assert asked[0].paper
    assert states(report) == {"a": "succeeded"}


async def test_a_retry_from_a_job_reuses_what_it_gives_the_same_input(tmp_path: Path) -> None:
    calls: list[str] = []
    numbers = itertools.count()

    def step(inputs: Mapping[str, Any], name: str) -> str:
        calls.append(name)
        return f"b{next(numbers)}" if name == "b" else "same"

    jobs = [Job(i, d, call="step", arguments={"name": i}) for i, d in
            (("a", ()), ("b", ("a",)), ("c", ("b",)), ("d", ("a",)), ("e", ("c", "d")))]  # fmt: skip
    own = Orchestrator(functions={"step": step})
    world = World(journal=tmp_path / "j.db")
    first = await own.run(jobs, world)
    assert first.state == "succeeded"
    calls.clear()
    again = await own.retry(world, first.run, "b")
    assert again.state == "succeeded"
    assert calls == ["b", "c"]  # c answers as before, so e is given what it was given
    assert again.jobs["e"].reused
    assert not again.jobs["c"].reused


async def test_what_failed_is_tried_again_and_the_rest_stands(tmp_path: Path) -> None:
    broken = True

    def step() -> str:
        if broken:
            raise RuntimeError("down")
        return "ok"

    own = Orchestrator(functions={"step": step})
    world = World(journal=tmp_path / "j.db")
    jobs = [Job("a", wait=0.0), Job("b", ("a",), call="step"), Job("c", ("b",), wait=0.0)]
    first = await own.run(jobs, world)
    assert (first.state, states(first)) == ("failed", {"a": "succeeded", "b": "dead_lettered", "c": "cancelled"})
    broken = False
    again = await own.retry(world, first.run)
    assert (again.state, again.jobs["a"].attempts, again.jobs["b"].attempts) == ("succeeded", 1, 2)


async def test_a_budget_that_no_longer_fits_keeps_a_job_from_starting() -> None:
    jobs = [Job("a", wait=0.0, budget=Limits(100)), Job("b", ("a",), wait=0.0, budget=Limits(200))]
    report = await Orchestrator(budget=Limits(150)).run(jobs)
    assert states(report) == {"a": "succeeded", "b": "cancelled"}
    assert (report.state, report.exit) == ("failed", 3)
    assert "b may spend 200 tokens" in report.reason


async def test_commands_that_write_the_same_file_at_once_all_run(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "log").write_text("")
    jobs = [Job(f"j{i}", command=("sh", "-c", f"echo {i} >> log")) for i in range(12)]
    report = await Orchestrator(concurrency=6).run(jobs, World(workspace=str(folder), journal=tmp_path / "j.db"))
    assert set(states(report).values()) == {"succeeded"}
    assert sorted((folder / "log").read_text().split(), key=int) == [str(i) for i in range(12)]


async def test_commands_and_checks_run_in_a_sandbox_and_tell_what_they_said(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    jobs = [
        Job("make", command=("sh", "-c", "echo made > out.txt; echo done")),
        Job("check", ("make",), verify=("grep", "-q", "made", "out.txt")),
        Job("fail", ("check",), command=("sh", "-c", "echo because; exit 3")),
    ]
    own = Orchestrator(answers=("make",))
    report = await own.run(jobs, World(workspace=str(folder), journal=tmp_path / "j.db"))
    assert states(report) == {"make": "succeeded", "check": "succeeded", "fail": "dead_lettered"}
    assert "done" in str(report.answers["make"])
    assert "because" in (report.jobs["fail"].error or "")
