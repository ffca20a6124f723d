"""The rulebook of an engine: rules and trust are answered once durable, outlive the engine, and bind what runs do."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from harness_tui.config.paths import Paths
from harness_tui.domain.errors import UsageError
from harness_tui.domain.events import ToolRefused, ToolStarted, Write, needs_power
from harness_tui.domain.rules import Rule
from harness_tui.domain.task import ModelSpec, RunSpec, TaskFile
from harness_tui.domain.trace import line
from harness_tui.engine import worlds
from harness_tui.engine.engine import Engine
from harness_tui.engine.rulebook import Rulebook
from harness_tui.journal.reader import Reader
from harness_tui.port.commands import AddRule, Decide, DistrustWorkspace, RevokeRule, StartRun, TrustWorkspace
from harness_tui.port.wire import Send, read_request, request
from tests.agent.worlds import ScriptedModel, call, say

PUSH = Rule("allow", "shell_exec", command=("git", "push", "..."), uses=2)
DIGEST = "a" * 64


def book(engine: Engine) -> Rulebook:
    return engine._rulebook


async def test_a_rule_gets_its_id_from_the_engine_and_outlives_it(home: Paths) -> None:
    engine = await Engine.open(home)
    first = await engine.send(AddRule(Rule("deny", "web_*", id="R-99", by="forged"), "me (cli)"))
    both = await asyncio.gather(*(engine.send(AddRule(PUSH, "me (cli)")) for _ in range(2)))
    assert (first.id, {reply.id for reply in both}) == ("R-1", {"R-2", "R-3"})
    assert (await engine.send(RevokeRule("R-2", "me"))).text == "R-2 is revoked."
    await engine.close()
    rules, _ = Reader(home.journal).governance()
    assert (rules["R-1"].rule.by, rules["R-2"].revoked_by) == ("me (cli)", "me")
    engine = await Engine.open(home)
    assert [rule.id for rule in book(engine).rules()] == ["R-1", "R-3"]
    assert (await engine.send(AddRule(PUSH, "me"))).id == "R-4", "no id is given twice"
    await engine.close()


async def test_uses_are_counted_from_what_started(home: Paths) -> None:
    engine = await Engine.open(home)
    for _ in range(2):
        await engine.send(AddRule(PUSH, "me"))
    started = ToolStarted("c1", "shell_exec", "destructive", DIGEST, "git push", None, "", "R-1 R-2 R-7")
    by_hand = ToolStarted("c2", "shell_exec", "destructive", DIGEST, "git push", None, "A-1")
    await engine.journal.append([Write("x", 0, (started, by_hand, started))])
    assert book(engine).used() == {"R-1": 2, "R-2": 2}
    await engine.close()
    engine = await Engine.open(home)
    assert book(engine).used() == {"R-1": 2, "R-2": 2}
    await engine.close()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (AddRule(Rule("allow", "*"), "me"), "every tool and every call"),
        (AddRule(Rule("allow", "a", expires=1), "me"), "expired already"),
        (RevokeRule("R-9", "me"), "There is no rule R-9. Did you mean R-1?"),
        (TrustWorkspace("here", DIGEST, "me"), "absolute path"),
        (TrustWorkspace("/w", "", "me"), "the digest of its content"),
        (DistrustWorkspace("/w", "me"), "/w is not trusted"),
    ],
)
async def test_what_makes_no_sense_is_refused_and_leaves_nothing(home: Paths, command: AddRule, said: str) -> None:
    engine = await Engine.open(home)
    await engine.send(AddRule(PUSH, "me"))
    before = engine.journal.head("engine")
    with pytest.raises(UsageError) as refused:
        await engine.send(command)
    assert said in str(refused.value)
    assert engine.journal.head("engine") == before
    await engine.send(RevokeRule("R-1", "me"))
    with pytest.raises(UsageError, match="revoked by me already"):
        await engine.send(RevokeRule("R-1", "you"))
    await engine.close()


async def test_trust_is_by_path_and_content_and_ends_with_either(home: Paths) -> None:
    engine = await Engine.open(home)
    await engine.send(TrustWorkspace("/w", DIGEST, "me"))
    assert book(engine).trusts("/w", DIGEST)
    assert not book(engine).trusts("/w", "b" * 64)
    assert not book(engine).trusts("/w/sub", DIGEST)
    await engine.close()
    engine = await Engine.open(home)
    assert book(engine).trusts("/w", DIGEST)
    await engine.send(DistrustWorkspace("/w", "me"))
    assert not book(engine).trusts("/w", DIGEST)
    assert not book(engine).trusts("/w", "")
    await engine.close()


async def test_decisions_of_the_operator_survive_power_loss(home: Paths) -> None:
    engine = await Engine.open(home)
    for command in (AddRule(PUSH, "me"), RevokeRule("R-1", "me"), TrustWorkspace("/w", DIGEST, "me")):
        await engine.send(command)
    await engine.send(DistrustWorkspace("/w", "me"))
    told = (await engine.journal.stream("engine"))[-4:]
    assert all(needs_power(envelope.event) for envelope in told)
    assert [(drawn.kind, drawn.text) for drawn in map(line, told) if drawn] == [
        ("policy", "R-1: allow shell_exec, added by me"),
        ("policy", "R-1 revoked by me"),
        ("policy", "/w trusted by me"),
        ("policy", "/w no longer trusted, by me"),
    ]
    assert await engine.journal.check() == []
    await engine.close()


@pytest.mark.parametrize("command", [AddRule(PUSH, "me"), RevokeRule("R-1", "me"), TrustWorkspace("/w", DIGEST, "me")])
def test_commands_cross_the_socket(command: AddRule) -> None:
    read = read_request(request(Send(1, command)))
    assert isinstance(read, Send)
    assert read.command == command


async def over(engine: Engine, run: str) -> str:
    """Wait until the run waits for an approval or ended: the id of the approval, or its state."""
    async with asyncio.timeout(60):
        while True:
            row = await engine.run(run)
            if not row.open or (row.waits and row.state == "waiting"):
                return row.waits or row.state
            await asyncio.sleep(0.005)


async def test_a_run_hears_rules_as_they_are_when_it_calls(
    home: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = [call("write_file", path=f"{name}.txt", content="x") for name in "abc"]
    monkeypatch.setattr(worlds, "model", lambda *_: ScriptedModel(*writes, say("done")))
    engine = await Engine.open(home)
    await engine.send(AddRule(Rule("allow", "write_file", path="*.txt", workspace=str(tmp_path), uses=1), "me"))
    await engine.send(AddRule(Rule("allow", "write_file", path="**", workspace="/elsewhere"), "me"))
    task = TaskFile("write", tools=("write_file",))
    await engine.send(StartRun(RunSpec(task, ModelSpec("test", "scripted"), workspace=str(tmp_path))))
    waits = await over(engine, "r1")
    assert (waits, (tmp_path / "a.txt").exists(), (tmp_path / "b.txt").exists()) == ("A-1", True, False)
    assert book(engine).used() == {"R-1": 1}
    await engine.send(AddRule(Rule("deny", "write_file", path="c.txt", reason="Not c."), "me"))
    row = engine.journal.views.approvals["A-1"]
    await engine.send(Decide("A-1", row.digest, "approved", "me"))
    assert await over(engine, "r1") in ("succeeded", "failed")
    assert ((tmp_path / "b.txt").exists(), (tmp_path / "c.txt").exists()) == (True, False)
    told = [e.event for e in await engine.events("r1", limit=500)]
    assert [x.rule for x in told if isinstance(x, ToolStarted)] == ["R-1", ""]
    assert [(x.why, x.text) for x in told if isinstance(x, ToolRefused)] == [("rule", "Not c.")]
    await engine.close(now=True)


async def test_no_two_runs_have_the_last_use_of_a_rule(
    home: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = await Engine.open(home)
    names = [f"{number}.txt" for number in range(6)]
    await engine.send(AddRule(Rule("allow", "write_file", path="*.txt", uses=2), "me"))
    scripts = iter([call("write_file", path=name, content="x") for name in names])
    monkeypatch.setattr(worlds, "model", lambda *_: ScriptedModel(next(scripts), say("done")))
    task = TaskFile("write", tools=("write_file",))
    spec = RunSpec(task, ModelSpec("test", "scripted"), workspace=str(tmp_path), attempts=1)
    runs = await asyncio.gather(*(engine.send(StartRun(spec)) for _ in names))
    ends = await asyncio.gather(*(over(engine, reply.id) for reply in runs))
    assert sum(end.startswith("A-") for end in ends) == 4
    assert sum((tmp_path / name).exists() for name in names) == book(engine).used()["R-1"] == 2
    await engine.close(now=True)


async def test_a_claim_binds_other_worlds_until_the_use_is_counted(home: Paths) -> None:
    engine = await Engine.open(home)
    await engine.send(AddRule(PUSH, "me"))
    rules = book(engine)
    rules.claim("r1/1", "R-1 R-2")
    assert (rules.used("r1/1"), rules.used("r2/1")) == ({}, {"R-1": 1, "R-2": 1})
    rules.claim("r1/1", "")
    rules.claim("r1/1", "")
    assert rules.used("r2/1") == {}
    await engine.close()
