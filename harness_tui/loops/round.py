"""Driving one round: step by step as `domain.loop.round` says, each step's events durable before the next begins."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ..domain import events as ev
from ..domain.approval import action_digest, full_digest
from ..domain.errors import ApprovalError, HarnessError, SetupError
from ..domain.events import Event, Write
from ..domain.inputs import Decided, Resolved
from ..domain.loop import card
from ..domain.loop import round as rd
from ..domain.loop.spec import LoopSpec
from ..journal.failpoints import hit
from ..port.commands import EditApproval
from . import work
from .kit import RoundKit

if TYPE_CHECKING:
    from ..domain.approval import Proposal

SECOND = 1_000_000
RETRY_HALTED = 15.0
"""Seconds after which a round that the disk stopped is tried again."""

log = logging.getLogger(__name__)


class RoundDriver:
    """Drives one round, also while its change waits for days. One driver per round that is not over.

    Attributes:
        state: folded; ahead of the log by at most the append that is being written.
    """

    def __init__(self, uid: str, spec: LoopSpec, kit: RoundKit) -> None:
        self.uid = uid
        self.kit = kit
        self.state = rd.RoundState(uid, spec)
        self._lock = asyncio.Lock()
        self._loaded = asyncio.Event()
        self._changed = asyncio.Event()
        self._cancelled: tuple[str, str] | None = None
        self._closing = asyncio.Lock()
        self._closed_at = 0

    async def load(self) -> None:
        """Fold what the log holds of this round."""
        async with self._lock:
            await self._fold()
        self._loaded.set()

    async def _fold(self) -> None:
        self.state = rd.RoundState(self.uid, self.state.spec)
        for envelope in await self.kit.log.stream(self.uid):
            rd.evolve(self.state, envelope.event)

    async def run(self) -> None:
        """Until nothing will follow. Cancelling this task leaves the round open, for the next engine to continue."""
        while True:
            try:
                step = rd.pending(self.state)
                if step is None:
                    await self._closed()
                    return
                await self._turn(step)
            except SetupError as error:
                log.error("%s halted: %s", self.uid, error)
                await self.kit.clock.sleep(RETRY_HALTED)

    async def _turn(self, step: rd.Step) -> None:
        try:
            await self._take(step)
        except SetupError:
            raise
        except Exception as error:
            log.exception("%s failed inside", self.uid)
            await self._broke(step, error)

    async def _broke(self, step: rd.Step, error: Exception) -> None:
        """A bug or a world that is gone ends the round with what is known; it is not tried for ever."""
        why = str(error) if isinstance(error, HarnessError) else f"internal error: {type(error).__name__}: {error}"
        s = self.state
        if isinstance(step, rd.Act):
            started = [] if s.action else [ev.ActionStarted(s.spec.action.do, "", "harness", _approval(s))]
            await self._append(*started, ev.ActionFinished(False, why))
        elif isinstance(step, rd.AwaitDecision):
            await self.kit.clock.sleep(RETRY_HALTED)  # nobody has decided yet: what waits goes on waiting
        else:
            await self._finish("failed", why)

    async def _take(self, step: rd.Step) -> None:
        if self._cancelled and self.state.finished is None and self.state.action is None:
            by, reason = self._cancelled
            if not isinstance(step, rd.AwaitWorker):
                await self._finish("failed", f"cancelled by {by}{f': {reason}' if reason else ''}")
                return
            await self.kit.runs.cancel(step.run, by, reason)
        match step:
            case rd.StartWorker(role):
                await self._start(role)
            case rd.AwaitWorker(role, run):
                await self._append(await work.ended(role, await self.kit.runs.ended(run), self.kit))
            case rd.TakeChange():
                await self._append(await work.take(self.state, self.kit))
            case rd.ReadVerdict():
                await self._append(await work.verdict(self.state, self.kit))
            case rd.RunAcceptance():
                await self._append(await work.acceptance(self.state, self.kit))
            case rd.AskGate():
                await self._append(await work.gated(self.state, self.kit))
            case rd.Ask():
                await self._ask()
            case rd.Act(recovered):
                await self._act(recovered)
            case rd.AwaitDecision(approval, expires):
                await self._await(approval, expires)
            case rd.Finish(outcome, reason, quiet):
                await self._finish(outcome, reason, quiet=quiet)

    # -- steps -----------------------------------------------------------------------------------------------------

    async def _start(self, role: rd.Role) -> None:
        spec = await work.run_spec(self.state, role, self.kit)
        async with self._lock:
            seq = self.state.seq
            begun: list[ev.WorkerStarted] = []

            def first(run: str) -> Write:
                begun.append(ev.WorkerStarted(role, run))
                return Write(self.uid, seq, (begun[-1],))

            try:
                await self.kit.runs.start(spec, first)
            except SetupError:
                raise
            except HarnessError as error:
                failed = ev.WorkerEnded(role, "", "failed", "", "error", str(error), error.exit_code)
                await self._write([ev.WorkerStarted(role, ""), failed])
                return
            hit("round.committed")
            rd.evolve(self.state, begun[-1])

    async def _ask(self) -> None:
        """The request and the end of the round in one append; a change that waits already is not asked for twice."""
        s = self.state
        same = next((row for row in self.kit.waiting() if _alike(row.change, s.change)), None)
        if same:
            await self._finish("reported", f"the same change waits as {same.id}", quiet=True)
            return
        asked = self._request(card.proposal(s), s.change)
        ended = self._ended("escalated", s.gated.reason if s.gated else "")
        await self._append(asked, ended)
        await self._closed()

    def _request(self, proposal: Proposal, change: ev.Change | None) -> ev.ApprovalRequested:
        life = int(self.state.spec.approval_life * SECOND)
        expires = self.kit.clock.now() + life if life else 0
        return ev.ApprovalRequested(
            id=self.kit.approval_id(),
            call="change",
            tool=proposal.tool,
            risk=proposal.risk,
            risk_class=proposal.risk_class,
            summary=proposal.summary,
            facts=proposal.facts,
            digest=full_digest(proposal, self.uid, expires),
            action=action_digest(proposal),
            expires=expires,
            kind="change",
            arguments=proposal.arguments,
            change=change,
            why=self.state.gated.reason if self.state.gated else "",
        )

    async def _act(self, recovered: bool) -> None:
        """The intent is durable before the effect. Without a result on record, what came of it is looked at first."""
        s = self.state
        proposal = card.proposal(s)
        allowed = s.edited.action if s.edited else s.request.action if s.request else action_digest(proposal)
        if action_digest(proposal) != allowed:
            started = [] if s.action else [ev.ActionStarted(s.spec.action.do, allowed, "harness", _approval(s))]
            await self._append(*started, ev.ActionFinished(False, "what would run is not what was approved"))
            return
        if s.action is None or s.again:
            by = s.decided.by if isinstance(s.decided, ev.ApprovalDecided) else "the gate"
            async with self._lock:
                if self._cancelled and s.finished is None:
                    return
                await self._write([ev.ActionStarted(s.spec.action.do, action_digest(proposal), by, _approval(s))])
            hit("action.started")
        done = await work.act(self.state, self.kit, recovered=recovered)
        if done is None:
            await self._append(self._doubt(proposal))
            return
        hit("action.performed")
        await self._append(done)

    def _doubt(self, proposal: Proposal) -> ev.ApprovalRequested:
        asked = self._request(proposal, self.state.change)
        why = "started, and no result on record"
        return replace(asked, kind="in_doubt", risk="high", expires=0, why=why)

    async def _await(self, approval: str, expires: int) -> None:
        left = (expires - self.kit.clock.now()) / SECOND if expires else float("inf")
        if left <= 0:
            async with self._lock:
                if self.state.request and self.state.decided is None:
                    await self._write([ev.ApprovalExpired(approval)])
            return
        self._changed.clear()
        await self._wait(left)

    async def _wait(self, seconds: float) -> None:
        """Until something is decided, or that many seconds have passed on the injected clock."""
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(self._changed.wait())]
        if seconds != float("inf"):
            tasks.append(asyncio.create_task(self.kit.clock.sleep(seconds)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, outcome: ev.Outcome, reason: str, *, quiet: bool = False) -> ev.RoundFinished:
        return ev.RoundFinished(outcome, reason, card.report(self.state, outcome, reason), quiet)

    async def _finish(self, outcome: ev.Outcome, reason: str, *, quiet: bool = False) -> None:
        await self._append(self._ended(outcome, reason, quiet=quiet))
        await self._closed()

    async def _closed(self) -> None:
        """The worktree goes, the branch as soon as nothing can come of it, and the owner hears of it: once a state."""
        async with self._closing:
            seq = self.state.seq
            if self._closed_at == seq:
                return
            hit("round.tidying")
            with suppress(HarnessError, OSError):
                await work.tidy(self.state, self.kit)
            hit("round.tidied")
            try:
                await self.kit.over()
            except SetupError:
                raise
            except Exception:  # what follows from a round is not the round's to fail of
                log.exception("%s is over, and what follows failed", self.uid)
            self._closed_at = seq

    # -- from outside ----------------------------------------------------------------------------------------------

    async def decide(self, word: Decided | Resolved) -> bool:
        """Apply a decision; False when the request no longer waits here, or shows another digest now.

        Returns after it is durable. Raises ApprovalError for a change whose base has moved since.
        """
        await self._loaded.wait()
        async with self._lock:
            events = await self._decided(word)
            if events:
                await self._write(events)
        self._changed.set()
        if events and not self.state.approved and self.state.finished:
            await self._closed()
        return bool(events)

    async def _decided(self, word: Decided | Resolved) -> Sequence[Event]:
        s = self.state
        if isinstance(word, Resolved):
            return _resolved(s, word)
        if s.request is None or s.decided is not None or word.approval != s.request.id:
            return ()
        if word.digest != (s.edited or s.request).digest:
            return ()
        if word.decision == "approved" and (moved := await work.moved(s)):
            raise ApprovalError(
                f"{word.approval} was not approved: {moved}.",
                f"For a new round on what is there now: harness-tui approvals pushback {word.approval}"
                f" --digest {word.digest[:12]} --reason 'the base moved'",
            )
        if word.decision == "approved" and (hindered := await work.hindrance(s, self.kit)):
            raise ApprovalError(f"{word.approval} was not approved, and waits on: {hindered}")
        return [ev.ApprovalDecided(word.approval, word.decision, word.by, word.digest, word.reason)]

    async def edit(self, command: EditApproval) -> str:
        """Put the operator's diff in the place of the maker's, to wait on under its own digest.

        Returns that digest after it is durable; "" when the request no longer waits, or not under the command's
        digest. Raises ApprovalError for a diff that will not do.
        """
        await self._loaded.wait()
        async with self._lock:
            s = self.state
            if s.request is None or s.decided is not None or command.digest != (s.edited or s.request).digest:
                return ""
            edited = await work.edited(s, command, self.kit)
            await self._write([edited])
        return edited.digest

    async def cancel(self, by: str, reason: str) -> bool:
        """End the round; False when it is over, only waits, or its action has begun."""
        await self._loaded.wait()
        async with self._lock:
            step = rd.pending(self.state)
            if self.state.finished or self.state.action or step is None or self._cancelled:
                return False
            self._cancelled = (by, reason)
        if isinstance(step, rd.AwaitWorker):
            await self.kit.runs.cancel(step.run, by, reason)
        return True

    # -- appends ---------------------------------------------------------------------------------------------------

    async def _append(self, *events: Event) -> None:
        async with self._lock:
            await self._write(events)

    async def _write(self, events: Sequence[Event]) -> None:
        """Append and evolve; the caller holds the lock."""
        clean = tuple(map(self.kit.redaction.deep, events))
        try:
            await self.kit.log.append([Write(self.uid, self.state.seq, clean)])
        except Exception:
            with suppress(Exception):
                await self._fold()
            raise
        hit("round.committed")
        for event in clean:
            rd.evolve(self.state, event)


def _resolved(s: rd.RoundState, word: Resolved) -> Sequence[Event]:
    if s.doubt is None or s.doubt.id != word.approval:
        return ()
    events: list[Event] = [ev.ApprovalResolved(word.approval, word.resolution, word.by, word.reason)]
    if word.resolution != "again":
        ok = word.resolution == "happened"
        said = f"{word.by} says that it {'happened' if ok else 'did not happen'}"
        receipt = ev.Receipt(s.spec.action.do, said, s.action.digest if s.action else "") if ok else None
        events.append(ev.ActionFinished(ok, said, receipt))
    return events


def _alike(one: ev.Change | None, other: ev.Change | None) -> bool:
    return one is not None and other is not None and (one.base, one.tree) == (other.base, other.tree)


def _approval(s: rd.RoundState) -> str:
    return s.request.id if s.request else ""
