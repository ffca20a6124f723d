"""What a change of the plan cannot be, and why it widens: closed by default."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tui.domain.dag.decide import Waits
from harness_tui.domain.dag.patch import Patch, check
from harness_tui.domain.dag.spec import Job, Limits, Retry, Route
from harness_tui.domain.dag.steer import Propose
from harness_tui.domain.errors import UsageError
from harness_tui.domain.task import ModelSpec, SandboxTable

from .rig import Rig

MODEL = ModelSpec("stand-in", "m")
JOBS = [
    Job("busy", wait=1.0),
    Job("read", ("busy",), prompt="read", tools=("read_file",), budget=Limits(1000)),
    Job("write", ("read",), prompt="write", budget=Limits(2000)),
    Job("ask", ("write",), gate="Deploy?"),
    Job("deploy", ("ask",), command=("make", "deploy"), retry=Retry(2)),
    Job("test", ("deploy",), verify=("make", "test")),
    Job("wait", ("busy",), wait=1.0),
    Job("call", ("busy",), call="m:f", arguments={"n": 1}),
    Job("spare", ("busy",), wait=1.0),
]


def rig(**spec: Any) -> Rig:
    given = {"tools": ("read_file", "grep"), "models": {"main": MODEL, "dear": MODEL}, "budget": Limits(10_000), **spec}
    return Rig(JOBS, **given)


def widens(*add: Job, drop: tuple[str, ...] = (), by: str = "planner", of: Rig | None = None, **spec: Any) -> str:
    of = of or rig(**spec)
    fresh = tuple(job for job in add if job.id not in of.state.jobs)
    known = tuple(job for job in add if job.id in of.state.jobs)
    return "; ".join(check(of.state, Patch(fresh, known, drop), by))


def refused(*add: Job, drop: tuple[str, ...] = (), by: str = "planner", of: Rig | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        widens(*add, drop=drop, by=by, of=of)
    return str(caught.value)


def small(ident: str = "n", **more: Any) -> Job:
    return Job(ident, **{"prompt": "p", "tools": ("read_file",), "budget": Limits(500), **more})


# -- what cannot be -------------------------------------------------------------------------------------------------


def test_names_that_do_not_fit() -> None:
    assert "no job reed. Did you mean read?" in refused(drop=("reed",))
    assert "depends on gone" in refused(small(deps=("gone",)))
    assert "depends on spare" in refused(small(deps=("spare",)), drop=("spare",))
    assert "names n twice" in refused(small(), small())
    with pytest.raises(UsageError, match="is in the plan already"):
        check(rig().state, Patch(add=(small("spare"),)), "planner")
    assert "circle: write -> read -> write" in refused(small("read", deps=("write",), budget=Limits(1)))
    for ident in ("a/b", "a#1", "", "a b", "x" * 401, "é", "\x1b"):
        assert "no id of a job" in refused(small(ident))


@pytest.mark.parametrize("bad", [
    {"deadline": -1.0}, {"deadline": float("nan")}, {"retry": Retry(0)}, {"retry": Retry(2, jitter=2.0)},
    {"retry": Retry(2, delay=float("inf"))}, {"budget": Limits(-1)}, {"budget": Limits(1, float("nan"))},
    {"visits": 0}, {"uses": {"db": 2}}, {"uses": {"db": -1}}, {"route": (Route(match="("),)}, {"model": "nobody"},
])  # fmt: skip
def test_values_no_job_may_have(bad: dict[str, Any]) -> None:
    assert refused(small(**bad))
    assert refused(small(**bad), by="operator:ada")


@pytest.mark.parametrize("job", [
    Job("n", wait=-1.0), Job("n", wait=float("nan")), Job("n", wait=float("inf")), Job("n", command=()),
    Job("n", verify=()), Job("n"), Job("n", wait=1.0, call="m:f"),
])  # fmt: skip
def test_kinds_that_do_nothing(job: Job) -> None:
    assert refused(job)


def test_more_jobs_than_a_run_takes() -> None:
    many = tuple(Job(f"n{at}", wait=1.0) for at in range(49_992))
    assert "50,001 jobs" in refused(*many)


def test_a_planner_leaves_alone_what_is_over_or_at_work() -> None:
    of = rig()
    assert "busy is at work" in refused(drop=("busy",), of=of)
    of.ok("busy")
    assert "busy is over: succeeded" in refused(Job("busy", wait=2.0), of=of)
    of.put(Waits("read", 1, "rate_limit"))
    assert "read is at work" in refused(small("read"), of=of)
    assert widens(Job("busy", wait=2.0), by="operator:ada", of=of) == ""


def test_an_operators_edit_survives_a_planner_and_the_first_plan_does_not() -> None:
    of = rig()
    of.propose(Propose("operator:ada", (Job("spare", ("busy",), wait=2.0), Job("own", ("busy",), wait=2.0))))
    for ident in ("spare", "own"):
        assert "put there by operator:ada" in refused(drop=(ident,), of=of)
        assert "put there by operator:ada" in refused(Job(ident, wait=3.0), of=of)
    assert widens(drop=("wait",), of=of) == ""
    assert widens(drop=("own",), by="operator:bob", of=of) == ""


def test_a_first_plans_job_that_has_begun_once_is_left_alone() -> None:
    of = Rig([Job("a", wait=1.0), Job("b", ("a",), wait=1.0, route=(Route(goto="a"),)), Job("c", wait=1.0)])
    of.ok("a"), of.ok("b")
    of.fail("a") if of.words()["a"] != "running" else None
    assert "at work" in refused(drop=("a",), of=of) or of.state.jobs["a"].attempts
    assert "b has begun once" in refused(Job("b", ("a",), wait=2.0), of=of)


def test_risk_is_for_operators_to_say() -> None:
    assert "Only an operator says so" in refused(Job("n", call="m:f", arguments={"n": 1}, risk="read_only"))


def test_unknown_keys_of_a_patch_are_refused() -> None:
    for text in (b'{"goal": "another"}', b'{"add": [{"id": "n", "promt": "p"}]}'):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(text, type=Patch)


# -- what widens ----------------------------------------------------------------------------------------------------

WIDER: dict[str, tuple[Job, str]] = {
    "tool": (small(tools=("read_file", "shell_exec")), "may use shell_exec, which no job could"),
    "level": (small(level="L3"), "at L3, higher"),
    "network": (small(sandbox=SandboxTable(network=True)), "weaker sandbox: auto, network"),
    "none": (small(sandbox=SandboxTable("none")), "weaker sandbox: none"),
    "paths": (small(sandbox=SandboxTable(read=("~/.ssh",))), "reads ~/.ssh"),
    "image": (small(sandbox=SandboxTable("container", image="evil")), "weaker sandbox: container"),
    "no budget": (small(budget=Limits()), "tokens without a limit, more than any job had: 2,000"),
    "budget": (small(budget=Limits(2001)), "2,001 tokens, more than any job had"),
    "run": (small(budget=Limits(10_001)), "10,001 tokens, more than the run: 10,000"),
    "turns": (small(max_iterations=13), "13 turns"),
    "no turns": (small(max_iterations=0), "any number of turns"),
    "model": (small(model="dear"), "the model dear"),
    "retry": (small(retry=Retry(3)), "tried 3 times"),
    "visits": (small(visits=6), "gone back to 6 times"),
    "stop": (small(route=(Route(stop=True),)), "may end the run"),
    "pattern": (small(route=(Route(match="(a+)+$", goto="read"),)), "searched for"),
    "again": (small(route=(Route(goto="deploy"),)), "actions done again, from deploy on"),
    "router": (small(router="m:route"), "asks m:route"),
    "command": (Job("n", ("ask",), command=("make", "deploy", "-f")), "a command that no job was: make deploy -f"),
    "verify": (Job("n", verify=("sh", "-c", "x")), "a verify that no job was"),
    "tool call": (Job("n", tool="read_file", arguments={"path": "/etc/passwd"}), "a tool that no job was"),
    "call": (Job("n", call="os:system"), "a call that no job was: os:system"),
    "arguments": (Job("n", call="m:f", arguments={"n": 2}), "a call that no job was"),
    "unguarded copy": (Job("n", command=("make", "deploy")), "with less to hold it"),
    "more tries": (Job("n", ("ask",), call="m:f", arguments={"n": 1}, retry=Retry(2)), "with less to hold it"),
    "gate": (Job("ask", ("write",), gate="Fine?"), "ask, a gate, is replaced"),
    "gate sooner": (Job("ask", (), gate="Deploy?"), "ask, a gate, is replaced"),
    "check": (Job("test", ("deploy",), verify=("true",)), "test, a check, is replaced"),
    "check as wait": (Job("test", ("deploy",), wait=0.0), "test, a check, is replaced"),
    "past the gate": (Job("deploy", ("write",), command=("make", "deploy"), retry=Retry(2)), "no longer waits for ask"),
    "own budget": (small("read", deps=("busy",), budget=Limits(1500)), "more than it had: 1,000"),
}


@pytest.mark.parametrize("case", WIDER)
def test_it_widens_and_says_why(case: str) -> None:
    job, why = WIDER[case]
    assert why in widens(job)


def test_a_dropped_check_widens() -> None:
    assert "test, a check, is taken out" in widens(drop=("test",))
    said = widens(Job("deploy", ("write",), command=("make", "deploy"), retry=Retry(2)), drop=("ask",))
    assert "ask, a gate, is taken out" in said


def test_who_may_send_back_is_a_check_too() -> None:
    of = Rig([Job("a", wait=1.0), Job("b", ("a",), prompt="review", route=(Route(match="NO", goto="a"),))])
    assert "b, a job that may send back, is taken out" in widens(drop=("b",), of=of)


def test_powers_of_two_jobs_are_not_one() -> None:
    """What reads secrets and what reaches the network may not become one."""
    of = Rig([
        Job("busy", wait=1.0),
        Job("a", ("busy",), prompt="p", tools=("read_file",), level="L3"),
        Job("b", ("busy",), prompt="p", tools=("web_fetch",), sandbox=SandboxTable(network=True)),
    ])  # fmt: skip
    assert "no job had all these tools" in widens(Job("n", prompt="p", tools=("read_file", "web_fetch")), of=of)
    assert widens(Job("n", prompt="p", tools=("web_fetch",), level="L3"), of=of)
    assert widens(Job("n", prompt="p", tools=("web_fetch",), sandbox=SandboxTable(network=True)), of=of) == ""


def test_a_way_around_a_gate_through_a_job_between_is_seen() -> None:
    of = Rig([
        Job("busy", wait=1.0), Job("ask", ("busy",), gate="?"), Job("mid", ("ask",), wait=1.0),
        Job("act", ("mid",), command=("x",)),
    ])  # fmt: skip
    assert "act no longer waits for ask" in widens(Job("mid", ("busy",), wait=1.0), of=of)


def test_many_reasons_are_counted() -> None:
    found = check(rig().state, Patch(add=tuple(Job(f"n{at}", call=f"m:g{at}") for at in range(100))), "planner")
    assert len(found) == 40 and found[-1] == "and 61 reasons more"


# -- what does not --------------------------------------------------------------------------------------------------

NARROW: dict[str, Job] = {
    "prompt": small(), "no tools": small(tools=()), "lower level": small(level="L1"), "gate": Job("n", gate="Sure?"),
    "wait": Job("n", wait=3.0), "bubblewrap": small(sandbox=SandboxTable("bubblewrap")),
    "same command behind the gate": Job("n", ("ask",), command=("make", "deploy")),
    "same call": Job("n", call="m:f", arguments={"n": 1}),
    "another task": small("read", deps=("busy",), prompt="other"),
    "more deps": Job("spare", ("busy", "wait"), wait=1.0), "the same gate": JOBS[3],
}  # fmt: skip


@pytest.mark.parametrize("case", NARROW)
def test_it_applies_at_once(case: str) -> None:
    assert widens(NARROW[case]) == ""


@given(st.sets(st.sampled_from(["wait", "call", "spare"])))
def test_dropping_what_never_began_and_checks_nothing_never_widens(drop: set[str]) -> None:
    assert widens(drop=tuple(drop)) == ""


@given(
    tools=st.sets(st.sampled_from(["read_file", "grep"])),
    deps=st.sets(st.sampled_from([job.id for job in JOBS])),
    tokens=st.integers(1, 2000),
    turns=st.integers(1, 12),
    level=st.sampled_from(["L1", "L2", None]),
)
def test_a_prompt_with_no_more_than_the_runs_tools_never_widens(
    tools: set[str], deps: set[str], tokens: int, turns: int, level: Any
) -> None:
    job = Job(
        "n", tuple(deps), prompt="p", tools=tuple(tools), budget=Limits(tokens), max_iterations=turns, level=level
    )
    assert widens(job) == ""


@given(
    argv=st.lists(st.text(max_size=5), min_size=1, max_size=4).map(tuple),
    verify=st.booleans(),
    deps=st.sets(st.sampled_from([job.id for job in JOBS])),
    replaces=st.sampled_from(["n", "spare", "wait", "call"]),
)
def test_a_new_argv_always_widens(argv: tuple[str, ...], verify: bool, deps: set[str], replaces: str) -> None:
    job = Job(replaces, tuple(deps - {replaces}), **{"verify" if verify else "command": argv})
    assert (argv == (("make", "test") if verify else ("make", "deploy"))) or widens(job)
