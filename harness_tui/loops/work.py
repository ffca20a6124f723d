"""What each step of a round does to the world, and the event that tells what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar, get_args

from msgspec.structs import replace

from ..domain import events as ev
from ..domain.approval import action_digest, full_digest
from ..domain.errors import ApprovalError, HarnessError
from ..domain.events import Change, Envelope
from ..domain.loop import card
from ..domain.loop import verdict as vd
from ..domain.loop.gate import Proposal
from ..domain.loop.round import Role, RoundState
from ..domain.messages import ToolCall
from ..domain.task import LOOP_TOOLS, RunSpec, SandboxTable
from ..domain.views import RunRow
from ..journal.failpoints import hit
from ..port.commands import EditApproval
from ..sandbox import git
from . import acceptance as accepting
from . import base, change, executors, prompts
from .executors import Job
from .executors.job import table
from .index import index
from .kit import RoundKit

T = TypeVar("T")
MESSAGE = 72
"""Characters of a commit's subject."""


async def run_spec(s: RoundState, role: Role, kit: RoundKit) -> RunSpec:
    """Maker or checker as a run of its own: the loop's task with the round's prompt, in the round's world."""
    spec, start = s.spec, s.start
    task = spec.maker if role == "maker" else spec.checker
    assert task is not None
    level = start.level if role == "maker" else "L1"
    if role == "maker":
        text, tools = prompts.maker(s, await _earlier(s, kit)), task.tools
    else:
        text, tools = prompts.checker(s, await _diff(s, kit), vd.FORM), (*task.tools, *LOOP_TOOLS)
    return RunSpec(
        task=replace(
            task,
            prompt=text,
            tools=tools,
            level=level,
            sandbox=_sandbox(s, task.sandbox),
            budget=replace(task.budget, tokens=spec.budget.tokens, usd=spec.budget.usd),
        ),
        model=spec.models.get(role) or spec.models["maker"],
        roles={name: model for name, model in spec.models.items() if name not in get_args(Role)},
        title=f"{spec.name} #{start.number} {role}",
        workspace=spec.workspace,
        attempts=1,
        parent=s.uid,
        base=spec.action.branch if s.takes_change else "",
        proposes=role == "maker" and s.takes_change,
    )


def _sandbox(s: RoundState, table: SandboxTable) -> SandboxTable:
    """A worktree is for a change; who only reads, reads what is there."""
    return table if s.takes_change or table.kind != "worktree" else replace(table, kind="auto")


async def _diff(s: RoundState, kit: RoundKit) -> str:
    return (await kit.blobs.get(s.change.diff)).decode(errors="backslashreplace") if s.change else ""


async def _earlier(s: RoundState, kit: RoundKit) -> str:
    """The diff of the change that was pushed back, for the maker to begin from."""
    if not s.start.about:
        return ""
    found = ""
    for envelope in await kit.log.stream(s.start.about):
        if isinstance(envelope.event, ev.ChangeTaken | ev.ApprovalEdited) and envelope.event.change:
            found = envelope.event.change.diff
    return (await kit.blobs.get(found)).decode(errors="backslashreplace") if found else ""


async def ended(role: Role, row: RunRow, kit: RoundKit) -> ev.WorkerEnded:
    """What a round keeps of its maker's or checker's run."""
    events = await kit.runs.events(row.id) if row.stopped_by == "budget" else []
    refused = [each.event.scope for each in events if isinstance(each.event, ev.BudgetExhausted)]
    return ev.WorkerEnded(
        role=role,
        run=row.id,
        state=row.state,
        claim=row.claim,
        stopped_by=row.stopped_by,
        reason=row.error or row.reason,
        exit=row.exit,
        tokens=row.usage.total,
        usd=row.money,
        sandboxed=row.sandboxed,
        spent=refused[-1] if refused else "",
    )


async def take(s: RoundState, kit: RoundKit) -> ev.ChangeTaken:
    """Commit what the maker left on the round's own branch; its diff is kept as a blob."""
    name, start = s.spec.name, s.start
    subject = f"{s.spec.name}: {s.claim.strip().splitlines()[0] if s.claim.strip() else s.spec.intent}"
    taken = await _apart(
        change.take,
        Path(s.spec.workspace),
        kit.worktree,
        branch=f"loops/{name}-{start.number}",
        message=f"{subject[:MESSAGE]}\n\n{s.spec.intent}\n\nRound {s.uid} of the loop {name}.",
        at=await _began(s, kit),
    )
    hit("change.taken")
    if taken.change is None:
        return ev.ChangeTaken(None, taken.note, taken.flags)
    if _secret(taken.diff, kit):
        await _apart(change.drop, Path(s.spec.workspace), taken.change)
        return ev.ChangeTaken(None, "The change holds the value of a secret, so it is not kept.")
    await kit.blobs.put(taken.diff, kind="diff")
    hit("change.kept")
    return ev.ChangeTaken(taken.change, taken.note, taken.flags)


def _secret(diff: bytes, kit: RoundKit) -> bool:
    """Whether a diff holds the value of a secret: then it is kept nowhere, whoever wrote it."""
    return kit.redaction.contains(diff.decode(errors="backslashreplace"))


async def _began(s: RoundState, kit: RoundKit) -> int:
    """When the round began, in us: the date of its commit, whenever that is made."""
    return (await kit.log.stream(s.uid))[0].at


async def verdict(s: RoundState, kit: RoundKit) -> ev.VerdictGiven:
    """The checker's verdict, from its calls and its answer; one that did not end well gives none."""
    checker = s.ended["checker"]
    if checker.state != "succeeded":
        return ev.VerdictGiven("", (), f"the checker failed: {checker.reason}")
    return vd.read(checker.claim, _calls(await kit.runs.events(checker.run)))


def _calls(events: list[Envelope]) -> list[ToolCall]:
    answers = (envelope.event for envelope in events if isinstance(envelope.event, ev.ModelAnswered))
    return [part for answer in answers for part in answer.parts if isinstance(part, ToolCall)]


async def acceptance(s: RoundState, kit: RoundKit) -> ev.AcceptanceRun:
    """The operator's command, where the change is."""
    accept = s.spec.accept
    assert accept is not None
    sandbox = None
    try:
        sandbox = await _apart(kit.sandbox, s.spec, _sandbox(s, s.spec.maker.sandbox), s.uid)
        await sandbox.open()
        return await accepting.run(accept.argv, accept.deadline, sandbox, kit.clock)
    except HarnessError as error:
        return ev.AcceptanceRun(accept.argv, None, note=f"not run: {error}")
    finally:
        if sandbox:
            await sandbox.close()


async def gated(s: RoundState, kit: RoundKit) -> ev.Gated:
    """What the gate says. A loop whose action leaves nothing behind has nothing to decide on."""
    action, found = s.spec.action, s.change
    proposal = Proposal(
        kind=action.kind,
        verdict=s.verdict.verdict if s.verdict else "",
        accepted=s.acceptance.passed if s.acceptance and s.acceptance.exit is not None else None,
        files=found.files if found else (),
        added=found.added if found else 0,
        removed=found.removed if found else 0,
        flags=s.taken.flags if s.taken else (),
        sandboxed=s.ended["maker"].sandboxed,
    )
    if s.start.level == "L3" and (hindered := await hindrance(s, kit)):
        proposal = replace(proposal, flags=(*proposal.flags, hindered))
    said = await _apart(kit.gate(s.spec), s.spec, s.start.level, proposal)
    if action.do == "report" and not action.path:
        return replace(said, decision="report", reason="it only reports")
    return said


async def act(s: RoundState, kit: RoundKit, *, recovered: bool) -> ev.ActionFinished | None:
    """Carry it out. recovered: it was begun before; None when nobody can tell what came of that."""
    job = await _job(s, kit)
    try:
        if recovered:
            became = await executors.settled(job)
            if became == "unknown":
                return None
            if became == "done" and s.spec.action.do not in _TOLD_AGAIN:
                return ev.ActionFinished(True, "It had been done when the engine stopped.")
        receipt = await executors.execute(job)
    except HarnessError as error:
        return ev.ActionFinished(False, str(error))
    return ev.ActionFinished(True, receipt.summary, receipt)


_TOLD_AGAIN = ("commit", "report")
"""Doing these once more comes to the same, and gives the receipt that the crash has cost."""


async def _job(s: RoundState, kit: RoundKit) -> Job:
    made = s.change
    outcome = "approved" if s.finished else "proceeded"
    return Job(
        spec=s.spec,
        round=s.uid,
        workspace=Path(s.spec.workspace),
        home=kit.state,
        digest=s.action.digest if s.action else "",
        at=await _began(s, kit),
        change=made,
        diff=await kit.blobs.get(made.diff) if made else b"",
        report=card.report(s, outcome, ""),
        outcome=outcome,
        summary=card.summary(s, made),
        sandbox=lambda: kit.sandbox(s.spec, table(s.spec), ""),
    )


async def hindrance(s: RoundState, kit: RoundKit) -> str:
    """What stands in the way of carrying it out just now, and what to do about that; "" = nothing."""
    return await executors.hindrance(await _job(s, kit)) if s.change else ""


async def moved(s: RoundState) -> str:
    """Why a change can no longer be carried out as it was shown, or ""."""
    if s.change is None:
        return ""
    now = await _apart(base.look, Path(s.spec.workspace), s.change, target=s.spec.action.branch)
    return "" if now.state == "unmoved" else now.text


async def edited(s: RoundState, command: EditApproval, kit: RoundKit) -> ev.ApprovalEdited:
    """The operator's diff, applied to the base of the change, as what is asked for now. Raises ApprovalError."""
    assert s.request is not None
    assert s.change is not None
    diff = (command.diff or "").encode("utf-8", "surrogateescape")

    def check(whole: bytes) -> None:
        if _secret(whole, kit):
            raise ApprovalError(
                "The edited diff holds the value of a secret, so it is not kept.", "Edit again without it."
            )

    made, whole = await _apart(change.replace, Path(s.spec.workspace), s.change, diff, check)
    await kit.blobs.put(whole, kind="diff")
    trial = replace(s.request, change=made)
    proposal = card.proposal(s, made)
    return ev.ApprovalEdited(
        id=trial.id,
        by=command.by,
        summary=proposal.summary,
        facts=proposal.facts,
        digest=full_digest(proposal, s.uid, trial.expires),
        action=action_digest(proposal),
        risk=proposal.risk,
        arguments=proposal.arguments,
        change=made,
    )


async def tidy(s: RoundState, kit: RoundKit) -> None:
    """The worktree goes with the round; the branch stays while something can still come of the change."""
    workspace = Path(s.spec.workspace)
    if s.finished and (s.takes_change or kit.worktree.exists()):  # its folder may be gone, and git's note of it not
        await _apart(change.discard, workspace, kit.worktree)
    if s.taken and s.change and not _awaited(s, s.change):
        await _apart(change.drop, workspace, s.change)


def _awaited(s: RoundState, made: Change) -> bool:
    """Whether somebody may still want the branch: it waits, or was carried out in a way that is not in the history."""
    if s.result is None:
        return s.request is not None and (s.decided is None or s.approved)
    landed = s.result.receipt is not None and s.result.receipt.after == made.commit
    return not (s.result.ok and landed)


async def left(workspace: str) -> frozenset[str]:
    """Branches that rounds have made in a repository, and paths of its worktrees; none when there is no repository."""

    def found() -> frozenset[str]:
        with index(git.checkout(Path(workspace))) as ix:
            branches = ix.ask("for-each-ref", "--format=%(refname:short)", "refs/heads/loops/").words.splitlines()
            listed = ix.ask("worktree", "list", "--porcelain").out.decode(errors="surrogateescape").splitlines()
        return frozenset((*branches, *(line[9:] for line in listed if line.startswith("worktree "))))

    try:
        return await _apart(found)
    except HarnessError:
        return frozenset()


async def rolled_back(workspace: str, receipt: ev.Receipt) -> str:
    """How what was done was taken back since, or ""."""
    return await _apart(base.rolled_back, Path(workspace), receipt)


async def _apart(work: Callable[..., T], *args: object, **more: object) -> T:
    return await asyncio.to_thread(partial(work, *args, **more))
