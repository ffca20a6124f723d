"""Rounds end to end: a real engine, real git, scripted makers and checkers on a real socket."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness_tui.domain.errors import ApprovalError, HarnessError
from harness_tui.domain.events import RunStarted
from harness_tui.domain.loop.spec import Accept, Caps, Evidence, Gate
from harness_tui.domain.task import ModelSpec
from harness_tui.port.commands import Decide, EditApproval, SetLevel
from tests.agent.worlds import ManualClock
from tests.e2e.shell import call, say

from .crew import CLEAN, crew, git, writes


async def test_an_approved_change_lands_as_the_commit_that_was_shown(tmp_path: Path) -> None:
    async with crew(tmp_path, [writes("NOTES.md", "tidy\n"), say("I wrote notes.")], [CLEAN]) as c:
        await c.add(c.spec())
        await c.run()
        asked = await c.asked()
        assert asked.kind == "change"
        assert asked.change is not None
        assert asked.change.files == ("NOTES.md",)
        assert asked.run == "l1/1"
        done = await c.ended()
        assert (done.outcome, done.verdict, done.verified) == ("escalated", "clean", True)
        assert not (c.repo / "NOTES.md").exists(), "nothing lands before the decision"
        assert (await c.engine.blob(asked.change.diff)).decode().count("+tidy") == 1
        await c.decide(asked, "approved")
        await c.until(lambda: c.round(1).receipt)
        assert git(c.repo, "rev-parse", "main") == asked.change.commit
        assert (c.repo / "NOTES.md").read_text() == "tidy\n"
        assert git(c.repo, "status", "--porcelain") == ""
        assert c.row.score.approved == 1


DONE = say("I wrote notes.")
PROPOSES = [writes("NOTES.md", "tidy\n"), DONE]


def verdict(word: str, *reasons: str) -> list[bytes]:
    return say(json.dumps({"verdict": word, "reasons": list(reasons)}))


async def test_maker_and_checker_have_the_other_models_that_are_configured(tmp_path: Path) -> None:
    async with crew(tmp_path, PROPOSES, [CLEAN]) as c:
        models = c.spec().models | {"compactor": ModelSpec("openai-chat", "small", c.maker.url)}
        await c.add(c.spec(models=models))
        await c.run()
        done = await c.ended()
        for role, run in (("maker", done.maker), ("checker", done.checker)):
            (begun,) = [e.event for e in await c.engine.events(run) if isinstance(e.event, RunStarted)]
            assert begun.spec.model == models[role]
            assert begun.spec.roles == {"compactor": models["compactor"]}


async def test_a_denial_and_its_reason_are_in_the_next_makers_prompt(tmp_path: Path) -> None:
    async with crew(tmp_path, [*PROPOSES, say("NOTHING TO DO")], [CLEAN]) as c:
        await c.add(c.spec())
        await c.run()
        asked = await c.asked()
        await c.decide(asked, "denied", "we keep no notes here")
        assert c.round(1).decided == "denied"
        assert git(c.repo, "branch", "--list", "loops/*") == "", "nothing will come of it, so its branch goes"
        await c.run()
        done = await c.ended(2)
        assert (done.outcome, done.quiet) == ("reported", True)
        assert "we keep no notes here" in c.maker.seen[-1].raw.decode()
        assert c.row.score.denied == 1
        assert len(c.checker.seen) == 1, "where nothing was done nobody is asked to check it"


async def test_a_push_back_starts_a_round_that_knows_what_was_said_and_the_earlier_diff(tmp_path: Path) -> None:
    second = [writes("NOTES.md", "shorter\n"), say("Shorter now.")]
    async with crew(tmp_path, [*PROPOSES, *second], [CLEAN]) as c:
        await c.add(c.spec())
        await c.run()
        asked = await c.asked()
        await c.decide(asked, "pushed_back", "make it shorter")
        done = await c.ended(2)
        assert (done.trigger, done.about, done.feedback) == ("push_back", "l1/1", "make it shorter")
        prompt = c.maker.seen[2].raw.decode()
        assert "make it shorter" in prompt
        assert "+tidy" in prompt
        again = await c.asked()
        assert again.id != asked.id
        await c.decide(again, "approved")
        await c.until(lambda: c.round(2).receipt)
        assert (c.repo / "NOTES.md").read_text() == "shorter\n"


async def test_an_edited_diff_is_what_lands_and_only_under_its_own_digest(tmp_path: Path) -> None:
    async with crew(tmp_path, PROPOSES, [CLEAN]) as c:
        await c.add(c.spec())
        await c.run()
        asked = await c.asked()
        shown = asked.digest
        diff = (await c.engine.blob(asked.change.diff)).decode().replace("+tidy", "+tidy and neat")
        reply = await c.engine.send(EditApproval(asked.id, shown[:16], "op", diff=diff))
        with pytest.raises(ApprovalError):
            await c.engine.send(Decide(asked.id, shown, "approved", "op"))
        await c.engine.send(Decide(asked.id, reply.digest, "approved", "op"))
        await c.until(lambda: c.round(1).receipt)
        assert (c.repo / "NOTES.md").read_text() == "tidy and neat\n"
        assert (c.row.score.edited, c.row.score.approved) == (1, 0)


async def test_an_edit_that_does_not_apply_changes_nothing(tmp_path: Path) -> None:
    async with crew(tmp_path, PROPOSES, [CLEAN]) as c:
        await c.add(c.spec())
        await c.run()
        asked = await c.asked()
        with pytest.raises(HarnessError, match="does not apply"):
            await c.engine.send(EditApproval(asked.id, asked.digest, "op", diff="not a diff"))
        assert c.engine.journal.views.approvals[asked.id].digest == asked.digest
        await c.decide(asked, "approved")
        await c.until(lambda: c.round(1).receipt)


async def test_a_moved_base_is_told_and_nothing_is_decided(tmp_path: Path) -> None:
    async with crew(tmp_path, PROPOSES, [CLEAN]) as c:
        await c.add(c.spec())
        await c.run()
        asked = await c.asked()
        (c.repo / "README.md").write_text("# Other things\n")
        git(c.repo, "commit", "-q", "-a", "-m", "Meanwhile")
        with pytest.raises(ApprovalError, match=r"main moved on by 1 commit.*pushback"):
            await c.decide(asked, "approved")
        assert (await c.asked()).id == asked.id, "it waits on"


async def test_only_a_structured_clean_verdict_is_verified(tmp_path: Path) -> None:
    words = [say("Looks good to me, ship it!"), verdict("concerns", "the text is odd"), verdict("failed", "no")]
    async with crew(tmp_path, [*PROPOSES, *PROPOSES, *PROPOSES], words) as c:
        await c.add(c.spec())
        for number, told in ((1, ""), (2, "concerns"), (3, "failed")):
            await c.run()
            asked = await c.asked()
            done = await c.ended(number)
            assert (done.verdict, done.verified, done.outcome) == (told, False, "escalated")
            await c.decide(asked, "denied")
        assert (c.row.score.proposals, c.row.score.verified) == (3, 0)


async def test_a_verdict_given_by_the_tool_counts(tmp_path: Path) -> None:
    given = call("verdict", json.dumps({"verdict": "clean", "reasons": ["read it"]}), "v1")
    async with crew(tmp_path, PROPOSES, [given, say("I have given my verdict.")]) as c:
        await c.add(c.spec())
        await c.run()
        done = await c.ended()
        assert (done.verdict, done.verified, done.reasons) == ("clean", True, ["read it"])


async def test_acceptance_runs_on_the_change_and_decides_too(tmp_path: Path) -> None:
    async with crew(tmp_path, [*PROPOSES, *PROPOSES], [CLEAN]) as c:
        await c.add(c.spec(accept=Accept(argv=("grep", "-q", "untidy", "NOTES.md"))))
        await c.run()
        asked = await c.asked()
        done = await c.ended()
        assert (done.accepted, done.verified, done.verdict) == (False, False, "clean")
        await c.decide(asked, "denied")
        await c.add(c.spec(accept=Accept(argv=("grep", "-q", "tidy", "NOTES.md"))))
        await c.run()
        done = await c.ended(2)
        assert (done.accepted, done.verified) == (True, True)


async def test_at_l1_a_maker_cannot_write_and_nothing_is_asked(tmp_path: Path) -> None:
    reads = call("read_file", json.dumps({"path": "README.md"}), "c2")
    async with crew(tmp_path, [PROPOSES[0], reads, DONE], [CLEAN]) as c:
        await c.add(c.spec(level="L1", accept=Accept(argv=("touch", "accepted"))))
        await c.run()
        done = await c.ended()
        assert (done.outcome, done.change, done.accepted) == ("reported", None, None)
        assert git(c.repo, "status", "--porcelain") == ""
        offered = [tool["function"]["name"] for tool in c.maker.seen[0].body["tools"]]
        assert "write_file" not in offered
        assert "shell_exec" not in offered
        assert not c.engine.journal.views.approvals


async def test_l3_is_earned_then_a_listed_verified_change_lands_by_itself(tmp_path: Path) -> None:
    off_list = [writes("OTHER.md", "# Mine\n"), say("I wrote another.")]
    async with crew(tmp_path, [*PROPOSES, *off_list], [CLEAN]) as c:
        spec = c.spec(gate=Gate(use="allowlist", kinds=("tidy",), paths=("NOTES.md",)))
        await c.add(spec)
        await c.engine.send(SetLevel("tidy", "L3", "op"))
        assert (c.row.level, c.row.drilled) == ("L3", c.row.digest)
        await c.run()
        done = await c.ended()
        assert (done.outcome, done.verified) == ("proceeded", True), done.reason
        assert done.receipt is not None
        assert git(c.repo, "rev-parse", "main") == done.receipt.after
        assert not c.engine.journal.views.approvals
        await c.run()
        done = await c.ended(2)
        assert done.outcome == "escalated"
        assert "OTHER.md is not in paths" in done.reason
        await c.decide(await c.asked(), "denied", "hands off")
        await c.until(lambda: c.row.level == "L2")
        assert "denied" in c.row.level_why


async def test_l3_without_evidence_or_gate_is_refused(tmp_path: Path) -> None:
    async with crew(tmp_path, PROPOSES, [CLEAN]) as c:
        await c.add(c.spec(promote=Evidence(rounds=3, verified=0.5, approved=1, days=0.0)))
        with pytest.raises(HarnessError):
            await c.engine.send(SetLevel("tidy", "L3", "op"))
        assert c.row.level == "L2"


async def test_a_spent_budget_ends_the_round_and_says_so(tmp_path: Path) -> None:
    async with crew(tmp_path, PROPOSES, [CLEAN]) as c:
        await c.add(c.spec(budget=Caps(tokens=300)))
        await c.run()
        done = await c.ended()
        assert done.outcome == "exhausted", done.reason
        await c.until(lambda: not (tmp_path / "home" / "worktrees" / "l1-1").exists())


async def test_nobody_decides_in_time_and_that_is_no_denial(tmp_path: Path) -> None:
    clock = ManualClock()
    async with crew(tmp_path, PROPOSES, [CLEAN], clock) as c:
        await c.add(c.spec(approval_life=3600.0))
        await c.run()
        asked = await c.asked()
        await c.ended()
        await clock.advance(3601)
        await c.until(lambda: c.engine.journal.views.approvals[asked.id].state == "expired")
        with pytest.raises(ApprovalError):
            await c.decide(asked, "approved")
        assert (c.row.score.expired, c.row.score.denied) == (1, 0)


async def test_the_same_change_is_not_asked_for_twice(tmp_path: Path) -> None:
    async with crew(tmp_path, [*PROPOSES, *PROPOSES], [CLEAN]) as c:
        await c.add(c.spec())
        await c.run()
        asked = await c.asked()
        await c.ended()
        await c.run()
        done = await c.ended(2)
        assert (done.outcome, done.quiet) == ("reported", True)
        assert asked.id in done.reason


async def test_a_loop_that_fails_again_and_again_pauses_itself(tmp_path: Path) -> None:
    fails = [writes("../out", "x"), say("I could not.")]
    async with crew(tmp_path, fails * 2, [CLEAN]) as c:
        await c.add(c.spec(pause_after=2))
        for number in (1, 2):
            await c.run()
            assert (await c.ended(number)).outcome == "failed"
        await c.until(lambda: c.row.state == "paused")
        assert c.row.paused_by == "harness"
        assert "2 rounds failed in a row" in c.row.paused_why


async def test_a_change_waits_through_a_restart_and_lands(tmp_path: Path) -> None:
    async with crew(tmp_path, PROPOSES, [CLEAN]) as c:
        await c.add(c.spec())
        await c.run()
        asked = await c.asked()
        await c.ended()
    async with crew(tmp_path, PROPOSES, [CLEAN]) as c:
        again = await c.asked()
        assert (again.id, again.digest) == (asked.id, asked.digest)
        await c.decide(again, "approved")
        await c.until(lambda: c.round(1).receipt)
        assert (c.repo / "NOTES.md").exists()
