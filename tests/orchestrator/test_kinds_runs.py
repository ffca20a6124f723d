"""Jobs that are one call the plan decided on: real children, a real driver, what the trace says, and what a job makes
of how the run ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from harness_tui.agent import context
from harness_tui.domain import events as ev
from harness_tui.domain import inputs as inp
from harness_tui.domain.dag.spec import Job
from harness_tui.domain.messages import ModelRequest, ToolResult
from harness_tui.domain.rules import Rule
from harness_tui.domain.seams import Model, Performed
from harness_tui.domain.task import RunSpec, SandboxTable
from harness_tui.journal.journal import Journal
from harness_tui.models.script import HAPPENED, ScriptModel
from harness_tui.orchestrator import work
from harness_tui.orchestrator.kit import Answer
from harness_tui.sandbox.probe import probe
from harness_tui.tools.shell.plan import MAX_DEADLINE
from tests.agent.worlds import ManualClock, ScriptedModel, call, say

from .crew_of_kinds import DIGEST, Shop, dag_kit, started

Open = Callable[..., Awaitable[Shop]]


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Open]:
    journal = await Journal.open(None, ManualClock())
    workspace = tmp_path / "work"
    workspace.mkdir()

    async def opened(job: Job, *rules: Rule, model: Model | None = None, **more: Any) -> Shop:
        s, state = started(job, workspace=str(workspace), **more)
        spec = await work.run_spec(s, state, (), dag_kit())
        return Shop(journal, tmp_path / "home", spec, model, rules)

    yield opened
    await journal.close()


def of(job: Job) -> Any:
    return started(job)[1]


def tool_started(events: list[ev.Envelope]) -> ev.ToolStarted:
    return next(e.event for e in events if isinstance(e.event, ev.ToolStarted))


CHECKED = Job("build", command=("sh", "-c", "echo made > out; echo well; cat out"))


async def test_an_approved_command_runs_without_asking_and_its_output_is_the_answer(shop: Open) -> None:
    b = await shop(CHECKED)
    row = await b.run()
    assert (row.state, row.exit, row.stopped_by, row.usage.total, row.money) == ("succeeded", 0, "model", 0, 0)
    assert not b.journal.views.approvals
    assert (Path(b.spec.workspace) / "out").read_text() == "made\n"
    events = await b.events()
    assert tool_started(events).rule == "plan"
    said = work.outcome(of(CHECKED), row, events)
    assert (said.error, said.text, said.value) == ("", "exit 0\nwell\nmade\n", "exit 0\nwell\nmade\n")


@pytest.mark.parametrize("kind", ["command", "verify"])
async def test_a_command_that_fails_fails_the_job_with_the_end_of_its_output(shop: Open, kind: str) -> None:
    job = Job("check", **{kind: ("sh", "-c", "seq 1000; echo not good; exit 3")})
    b = await shop(job)
    row = await b.run()
    assert row.state == "failed"
    said = work.outcome(of(job), row, await b.events())
    assert said.error.startswith("exit 3: ...")
    assert said.error.endswith("1000\nnot good")
    assert len(said.error) < 600, "the graph's own stream keeps no more"
    assert (said.final, said.exhausted) == (False, "")


async def test_words_reach_the_program_as_they_are(shop: Open) -> None:
    job = Job("words", command=("printf", "%s|", "a b", "$HOME", "`id`", "it's", ";ls"))
    b = await shop(job)
    said = work.outcome(of(job), await b.run(), await b.events())
    assert said.text == "exit 0\na b|$HOME|`id`|it's|;ls|"


async def test_its_deadline_ends_it(shop: Open) -> None:
    job = Job("slow", command=("sh", "-c", "echo begun; sleep 600"), deadline=0.5)
    b = await shop(job)
    said = work.outcome(of(job), await b.run(), await b.events())
    assert said.error == "stopped after 0.5 s; nothing it started is left: begun"


async def test_a_long_output_is_whole_in_its_blob(shop: Open) -> None:
    job = Job("long", command=("seq", "20000"))
    b = await shop(job)
    said = work.outcome(of(job), await b.run(), await b.events())
    assert said.error == ""
    whole = (await b.blobs.get(said.blob)).decode()
    assert whole.startswith("exit 0\n1\n")
    assert whole.endswith("\n19999\n20000\n")
    assert len(said.text) < len(whole)
    assert said.blob[:16] in said.text


async def test_a_command_nobody_approved_asks_and_a_denial_is_final(shop: Open) -> None:
    b = await shop(CHECKED)
    assert b.spec.script
    b.spec = replace(b.spec, script=replace(b.spec.script, approved=""))
    driver, task = await b.start()
    await b.decide(driver, "denied")
    await task
    assert not (Path(b.spec.workspace) / "out").exists()
    said = work.outcome(of(CHECKED), b.row, await b.events())
    assert (said.final, b.row.stopped_by) == (True, "denied")
    assert said.error == "the operator denied it"


async def test_an_ask_rule_of_the_operator_beats_the_approved_plan(shop: Open) -> None:
    b = await shop(CHECKED, Rule("ask", "shell_exec", id="R-1"))
    driver, task = await b.start()
    await b.decide(driver, "approved")
    await task
    assert b.row.state == "succeeded"
    first = tool_started(await b.events())
    assert (first.rule, bool(first.approval)) == ("", True)


async def test_a_deny_rule_fails_it_and_says_so(shop: Open) -> None:
    b = await shop(CHECKED, Rule("deny", "shell_exec", id="R-7", reason="not on this machine"))
    row = await b.run()
    said = work.outcome(of(CHECKED), row, await b.events())
    assert (row.state, said.error) == ("failed", "not on this machine")
    assert not (Path(b.spec.workspace) / "out").exists()


async def test_at_l1_what_is_proven_to_read_runs_and_nothing_else(shop: Open) -> None:
    reads = await shop(Job("look", command=("ls", "-a")), level="L1")
    assert (await reads.run()).state == "succeeded"
    assert tool_started(await reads.events()).rule == ""


async def test_at_l1_a_command_that_writes_is_refused(shop: Open) -> None:
    b = await shop(CHECKED, level="L1")
    row = await b.run()
    assert (row.state, "L1" in work.outcome(of(CHECKED), row, await b.events()).error) == ("failed", True)


@pytest.mark.skipif(not probe("bubblewrap").ok, reason="bubblewrap does not work here")
async def test_at_l3_it_acts_inside_an_enforced_sandbox(shop: Open) -> None:
    held = await shop(CHECKED, level="L3", sandbox=SandboxTable(kind="bubblewrap"))
    assert (await held.run()).state == "succeeded"
    assert tool_started(await held.events()).rule == "plan"


@pytest.mark.skipif(not probe("bubblewrap").ok, reason="bubblewrap does not work here")
async def test_at_l3_what_no_plan_has_approved_does_not_act(shop: Open) -> None:
    b = await shop(CHECKED, level="L3", sandbox=SandboxTable(kind="bubblewrap"))
    assert b.spec.script
    b.spec = replace(b.spec, script=replace(b.spec.script, approved=""))
    row = await b.run()
    assert row.state == "failed"
    assert "L3 never asks" in work.outcome(of(CHECKED), row, await b.events()).error


async def test_a_tool_job_makes_its_one_call(shop: Open) -> None:
    job = Job("note", tool="write_file", arguments={"path": "note.txt", "content": "hello"})
    b = await shop(job)
    assert b.spec.task.tools == ("write_file",)
    row = await b.run()
    assert (row.state, row.tools) == ("succeeded", ["write_file"])
    assert (Path(b.spec.workspace) / "note.txt").read_text() == "hello"
    assert work.outcome(of(job), row, await b.events()).text.startswith("New file note.txt")


async def test_malformed_arguments_fail_the_job_with_what_is_wrong(shop: Open) -> None:
    job = Job("note", tool="write_file", arguments={"path": "note.txt"})
    b = await shop(job)
    row = await b.run()
    assert "content is missing" in work.outcome(of(job), row, await b.events()).error


async def test_a_script_needs_no_room_in_a_small_budget_of_its_own(shop: Open) -> None:
    b = await shop(CHECKED)
    assert b.spec.task.budget.tokens == 0
    assert (b.spec.model.api, b.spec.model.key, b.spec.roles) == ("script", "", {})


async def test_after_a_crash_in_the_middle_of_it_the_operator_is_asked_what_happened(shop: Open) -> None:
    b = await shop(CHECKED)
    begun = asyncio.Event()

    async def dies(_: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    b.performs = dies
    _, task = await b.start()
    async with asyncio.timeout(60):
        await begun.wait()
    await b.kill(task)
    b.performs = None
    driver, task = await b.again()
    row = await b.asks()
    assert (row.kind, b.row.state) == ("in_doubt", "in_doubt"), "an approved plan does not say that twice is harmless"
    assert await driver.decide(inp.Resolved(row.id, "again", "ada", ""))
    async with asyncio.timeout(60):
        await task
    assert b.row.state == "succeeded"
    assert (Path(b.spec.workspace) / "out").read_text() == "made\n"


async def test_a_model_knows_from_the_conversation_alone_what_is_still_to_be_done() -> None:
    spec = RunSpec(*_plain())
    told = [m for _, m in context.opening(spec, (), ())]
    assert (await _next(told)).message.calls[0].name == "wipe"
    done = context.opening(spec, (), (Performed("wipe", {"name": "a"}, True),))
    assert done[-1][1].text.startswith(HAPPENED)
    again = await _next([m for _, m in done])
    assert not again.message.calls, "what an interrupted attempt did is not done again"
    from harness_tui.domain.messages import Message

    result = Message("tool", (ToolResult("script", "wipe", "it broke", False),))
    answer = await _next([*told, result])
    assert (answer.message.text, answer.usage.total, answer.usd) == ("it broke", 0, 0)


def _plain() -> Any:
    from harness_tui.domain.task import ModelSpec, TaskFile

    return TaskFile("the plan calls wipe"), ModelSpec("script", "wipe")


async def _next(messages: Any) -> Any:
    from harness_tui.domain.task import Script

    model = ScriptModel(Script("wipe", {"name": "a"}))
    price = await model.price()
    assert price
    assert price.worst(10_000, 10_000) == 0
    items = [item async for item in model.stream(ModelRequest(tuple(messages)))]
    assert len(items) == 1
    return items[0]


def test_the_longest_a_command_may_take_is_what_the_shell_tool_allows() -> None:
    assert work.LONGEST == MAX_DEADLINE
    forever = work.script_of(Job("a", command=("make",)), DIGEST)
    assert forever
    assert forever.arguments["timeout"] == MAX_DEADLINE


# -- what a prompt is given --------------------------------------------------------------------------------------------


async def test_a_prompt_without_tools_reads_what_it_was_given_and_no_file(shop: Open, tmp_path: Path) -> None:
    (tmp_path / "work" / "secret.txt").write_text("not for it")
    seen: list[str] = []

    def told(request: ModelRequest) -> Any:
        seen.extend(part.text for m in request.messages for part in m.parts if isinstance(part, ToolResult))
        return say("read it")

    long = "".join(f"line {n}\n" for n in range(3000))
    job = Job("sum", prompt="sum it up", deps=(), tools=())
    b = await shop(job, model=None)
    name = (await b.blobs.put(long.encode(), kind="output"))[:16]
    b.spec = replace(b.spec, given={name: await b.blobs.put(long.encode(), kind="output")})
    b._model = ScriptedModel(  # the one knob a test turns late
        call("read_file", path=f"result:{name}", offset=2999, limit=1),
        call("read_file", path="secret.txt"),
        call("grep", pattern="not", path="."),
        told,
    )
    row = await b.run()
    assert row.claim == "read it"
    assert "line 2998" in seen[0]
    assert "not for it" not in "".join(seen)
    assert "no workspace" in seen[1]
    assert 'no tool "grep"' in seen[2]


async def test_a_prompt_with_file_tools_reads_both(shop: Open, tmp_path: Path) -> None:
    (tmp_path / "work" / "a.txt").write_text("from the workspace")
    b = await shop(Job("sum", prompt="sum it up", tools=("read_file",)))
    sha = await b.blobs.put(b"from a dependency", kind="output")
    b.spec = replace(b.spec, given={sha[:16]: sha})
    b._model = ScriptedModel(
        call("read_file", path=f"result:{sha[:16]}"),
        call("read_file", path="a.txt"),
        call("read_file", path="result:0123456789abcdef"),
        say("ok"),
    )
    await b.run()
    texts = [e.event.text for e in await b.events() if isinstance(e.event, ev.ToolFinished)]
    assert "from a dependency" in texts[0]
    assert "from the workspace" in texts[1]
    assert "There is no result:0123456789abcdef" in texts[2]


async def test_long_answers_end_up_readable_by_the_name_the_prompt_gives(shop: Open) -> None:
    b = await shop(Job("sum", prompt="sum it up", tools=()))
    kit = dag_kit()
    kit.blobs = b.blobs
    s, job = started(Job("sum", prompt="sum it up", tools=()))
    whole = "x" * 20_000 + "THE MIDDLE" + "y" * 20_000
    spec = await work.run_spec(s, job, [Answer("fetch", whole, whole)], kit)
    assert "THE MIDDLE" not in spec.task.prompt
    name = next(iter(spec.given))
    assert f"result:{name}" in spec.task.prompt
    b.spec = replace(spec, workspace=b.spec.workspace)
    b._model = ScriptedModel(call("read_file", path=f"result:{name}", byte_offset=19_995, max_bytes=30), say("ok"))
    await b.run()
    texts = [e.event.text for e in await b.events() if isinstance(e.event, ev.ToolFinished)]
    assert "THE MIDDLE" in texts[0]
