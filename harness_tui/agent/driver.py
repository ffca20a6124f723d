"""The lifecycle of one root run: drives its attempts from effect to effect and always closes the world.

The order is always the same: decide, evolve, append, and only then the next effect. Decisions come in from the desk
while the driver waits; a lock makes each input one append.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from ..domain import attempt as at
from ..domain import events as ev
from ..domain import inputs as inp
from ..domain import lifecycle
from ..domain.approval import action_digest
from ..domain.events import Event, Write
from ..domain.ledger import Warned
from ..domain.task import RunSpec
from ..journal.failpoints import hit
from . import edits
from .effects import SECOND, SETTLE_GRACE, Effects
from .kit import Kit

PARK = 15 * 60.0
"""Seconds a run waiting for a decision keeps its environment open."""


class Driver:
    """Drives one root run. One driver per open run, also while it is parked.

    Attributes:
        root, attempt: the live states, ahead of the log by at most the append that is being written.
    """

    def __init__(self, uid: str, spec: RunSpec, kit: Kit, *, restart: bool) -> None:
        self.uid = uid
        self.spec = spec
        self.kit = kit
        self.restart = restart
        self.root = lifecycle.RunState(uid, spec)
        self.attempt: at.AttemptState | None = None
        self.effects = Effects(spec, kit, self.root.ended)
        self._lock = asyncio.Lock()
        self._loaded = asyncio.Event()
        self._changed = asyncio.Event()
        self._cancel: ev.CancelRequested | None = None
        # What a cancel has to end: the run's own task while it is in an effect, or the task of a consequential call.
        self._doing: asyncio.Task[Any] | None = None
        self._interrupted = False
        self._apart: asyncio.Task[inp.Input] | None = None
        self._root_events: list[Event] = []

    @property
    def cancelled(self) -> bool:
        """Somebody asked it to end."""
        return self._cancel is not None

    async def load(self) -> None:
        """Fold what the log holds of this run; decisions wait until it is done."""
        async with self._lock:
            await self._fold()
        self._loaded.set()

    async def _fold(self) -> None:
        self.root = lifecycle.RunState(self.uid, self.spec)
        self.effects.earlier = self.root.ended
        for envelope in await self.kit.log.stream(self.uid):
            lifecycle.evolve(self.root, envelope.event)
        self._cancel = self.root.cancel
        self.attempt = None
        if self.root.child:
            self.attempt = self._new_attempt(self.root.child)
            for envelope in await self.kit.log.stream(self.root.child):
                at.evolve(self.attempt, envelope.event)

    async def run(self) -> None:
        """Until the run is finished. Cancelling this task leaves the run open, for the next engine to continue."""
        try:
            await self._resume()
            while self.root.finished is None:
                await self._turn()
        finally:
            await asyncio.shield(self.effects.finish())

    async def _resume(self) -> None:
        """After `load`: the world did not survive, and what was on its way has no result."""
        if self.attempt is None or self.attempt.phase == "finished":
            if self.root.launches:
                await self._launch()
            return
        s = self.attempt
        if s.world == "open" or s.phase == "asking":
            await self._input(inp.Lost("the engine stopped", s.hold, s.hold_usd))

    async def _turn(self) -> None:
        assert self.attempt is not None
        if self._cancel:
            await self._abort(self._cancel)
            return
        effect = at.pending(self.attempt)
        if isinstance(effect, at.AwaitDecision):
            await self._await_decision(effect)
        elif isinstance(effect, at.ClearTurn) and await self._parked(effect.not_before):
            pass
        elif isinstance(effect, at.Finish):
            await self.patience(effect.not_before)
            if self._cancel is None:
                await self._finish(effect.interrupted, effect.reason)
        elif effect is not None:
            answer = await self._perform(effect)
            if answer is not None:
                await self._input(answer)

    # -- effects -------------------------------------------------------------------------------------------------

    async def _perform(self, effect: at.Effect) -> inp.Input | None:
        """One effect, in such a way that a cancel of the run ends the effect only; None when it did."""
        assert self.attempt is not None
        if isinstance(effect, at.Perform) and self._consequential(effect.calls[0].id):
            return await self._perform_apart(self.attempt, effect)
        self._doing = doing = asyncio.current_task()
        assert doing is not None
        try:
            return await self.effects.perform(self.attempt, effect)
        except asyncio.CancelledError:
            if not self._interrupted or doing.cancelling() > 1:
                raise
            return None
        finally:
            if self._interrupted:
                doing.uncancel()
            self._doing, self._interrupted = None, False

    async def _perform_apart(self, s: at.AttemptState, effect: at.Perform) -> inp.Input | None:
        """A consequential call, as a task that outlives a cancel for a while: without a result it would be in doubt."""
        self._apart = apart = asyncio.create_task(self.effects.perform(s, effect))
        try:
            return await asyncio.shield(apart)
        except asyncio.CancelledError:
            if not apart.done():
                await asyncio.wait({apart}, timeout=SETTLE_GRACE)
            if apart.done() and not apart.cancelled() and apart.exception() is None:
                await self._input(apart.result())
            else:
                apart.cancel()
                await asyncio.gather(apart, return_exceptions=True)
            if self._cancel is None or _stopping():
                raise
            return None
        finally:
            apart.cancel()  # a stop that waits no longer leaves nothing running behind it
            self._apart = None

    def _consequential(self, call: str) -> bool:
        assert self.attempt is not None
        started = self.attempt.started.get(call)
        return bool(started and started.risk in ("destructive", "network"))

    async def _await_decision(self, effect: at.AwaitDecision) -> None:
        """Wait for a decision; expire the request, or close the world after 15 minutes, whichever is due first."""
        assert self.attempt is not None
        now = self.kit.clock.now()
        left = (effect.expires - now) / SECOND if effect.expires else float("inf")
        if left <= 0:
            await self._input(inp.Expired(effect.approval))
            return
        keeps_world = self.effects.world is not None and not self.effects.local
        wait = min(left, PARK) if keeps_world else left
        self._changed.clear()
        if not await self._wait_change(wait) and keeps_world and wait == PARK:
            await self.effects.close()
            await self._input(inp.Lost("closed after waiting 15 minutes for a decision"))

    async def _parked(self, until: int) -> bool:
        """A model asks for more patience than a world is kept open: close it and wait; True when that was so."""
        if self.effects.local or self.effects.world is None or until - self.kit.clock.now() <= PARK * SECOND:
            return False
        await self.effects.close()
        await self._input(inp.Lost("closed while the model asks for patience"))
        await self.patience(until)  # before any world is opened again
        return True

    async def patience(self, until: int) -> None:
        """Wait until then, unless the run is cancelled meanwhile."""
        while self._cancel is None and (left := (until - self.kit.clock.now()) / SECOND) > 0:
            self._changed.clear()
            await self._wait_change(left)

    async def _wait_change(self, seconds: float) -> bool:
        """True when something changed, False when `seconds` have passed (on the injected clock)."""
        if seconds == float("inf"):
            await self._changed.wait()
            return True
        changed = asyncio.create_task(self._changed.wait())
        slept = asyncio.create_task(self.kit.clock.sleep(seconds))
        try:
            await asyncio.wait({changed, slept}, return_when=asyncio.FIRST_COMPLETED)
            return changed.done()
        finally:
            for task in (changed, slept):
                task.cancel()
            await asyncio.gather(changed, slept, return_exceptions=True)

    # -- inputs from outside -------------------------------------------------------------------------------------

    async def decide(self, x: inp.Decided | inp.Resolved | inp.Edited) -> bool:
        """Apply a decision; False when the request no longer waits so here. Returns after it is durable."""
        await self._loaded.wait()
        hit("approve.before_commit")
        applied = await self._input(x)
        hit("approve.after_commit")
        if not isinstance(x, inp.Edited):  # after an edit it waits on: woken, it could see the next word too early
            self._changed.set()
        return applied

    def digest(self, approval: str) -> str:
        """What a request shows now; "" when this attempt has none of that id."""
        request = self.attempt.requests.get(approval) if self.attempt else None
        return request.digest if request else ""

    async def edit(self, approval: str, digest: str, by: str, arguments: dict[str, Any]) -> str:
        """Put other arguments in the place of a waiting call's; the new digest, once it is durable.

        "" when it no longer waits here under `digest`: it is judged without the lock, so whoever decides or edits
        meanwhile is first. Raises UsageError, ApprovalError as `edits.proposed`.
        """
        await self._loaded.wait()
        async with self._lock:  # whoever was faster is in the log before the loser hears of it
            s = self.attempt
            calls = s.calls.values() if s and self.digest(approval) == digest else ()
            call = next((c for c in calls if c.approval == approval and c.state == "asking"), None)
        if s is None or call is None:
            return ""
        proposal = await edits.proposed(self.spec, self.kit, self.effects.world, s, call, arguments)
        applied = await self.decide(inp.Edited(approval, digest, by, proposal, action_digest(proposal)))
        return self.digest(approval) if applied else ""

    async def cancel(self, by: str, reason: str) -> None:
        """Ask the run to end; a running destructive call may finish first."""
        await self._loaded.wait()
        async with self._lock:
            if self.root.finished or self._cancel:
                return
            asked = ev.CancelRequested(by, reason)
            lifecycle.evolve(self.root, asked)
            await self._append([Write(self.uid, self.root.seq - 1, (asked,))])
            self._cancel = asked
        self._changed.set()
        if self._apart is not None:
            apart = self._apart
            await asyncio.wait({apart}, timeout=SETTLE_GRACE)
            apart.cancel()
        elif self._doing is not None:
            self._interrupted = True
            self._doing.cancel()

    # -- appends -------------------------------------------------------------------------------------------------

    async def _input(self, x: inp.Input) -> bool:
        """Decide, evolve and append one input, and with it every effect of this world that needs no I/O."""
        async with self._lock:
            s = self.attempt
            assert s is not None
            expected = s.seq
            events = self._apply(s, x)
            while self._cancel is None and self.effects.local and events:
                effect = at.pending(s)
                free = isinstance(effect, at.Judge | at.Sense) or (
                    isinstance(effect, at.ClearTurn) and effect.not_before <= self.kit.clock.now()
                )
                if not free or effect is None:
                    break
                more = self._apply(s, await self.effects.perform(s, effect))
                if not more:
                    break
                events += more
            if events:
                try:
                    await self._append([Write(s.uid, expected, tuple(events))])
                except Exception:
                    self._release(events)
                    raise
            return bool(events)

    def _release(self, events: list[Event]) -> None:
        """A hold whose intent was never written is no hold."""
        for event in events:
            if isinstance(event, ev.ModelRequested):
                self.kit.ledger.settle(event.scopes, event.hold, event.hold_usd, 0, 0)

    def _apply(self, s: at.AttemptState, x: inp.Input) -> list[Event]:
        """Decide, free of secrets, and evolve; a settled call may bring a limit near, which is one more event."""
        held, usd_held, scopes = s.hold, s.hold_usd, s.scopes
        events: list[Event] = []
        for event in map(self.kit.redaction.deep, at.decide(s, x)):
            warned: tuple[Warned, ...] = ()
            if isinstance(event, ev.ModelAnswered):
                warned = self.kit.ledger.settle(scopes, held, usd_held, event.usage.total, event.usd)
            elif isinstance(event, ev.ModelFailed):
                usd = event.usd if event.spent else 0
                warned = self.kit.ledger.settle(scopes, held, usd_held, event.spent, usd)
            events += [event, *(ev.BudgetWarned(w.scope, w.limit, w.spent, w.unit) for w in warned)]
        for event in events:
            at.evolve(s, event)
        return events

    async def _append(self, writes: list[Write]) -> None:
        try:
            await self.kit.log.append(writes)
        except Exception:
            # Live state ran ahead of a log that refused: only the log is true.
            with contextlib.suppress(Exception):
                await self._fold()
            raise

    def _new_attempt(self, uid: str) -> at.AttemptState:
        return at.AttemptState(uid, restart=self.restart, verifies=self.spec.task.verify is not None)

    async def _launch(self) -> None:
        """The first attempt, or the next one after a crash between two."""
        async with self._lock:
            expected = self.root.seq
            writes = self._launching()
            await self._append([Write(self.uid, expected, tuple(self._root_events)), *writes])
        hit("attempt.launched")

    def _launching(self) -> list[Write]:
        """Begin the next attempt's stream; its root events are left in `_root_events`."""
        before = self.attempt
        self._root_events = lifecycle.launch(self.root)
        for event in self._root_events:
            lifecycle.evolve(self.root, event)
        after = self._new_attempt(self.root.child)
        inherit = before.baseline if before else None
        if inherit and inherit.get("error") and not any(e.acted for e in self.root.ended):
            # Nobody saw the world yet and nothing was done to it: the next attempt may still see how it began.
            inherit = None
        interrupted = bool(self.root.ended and self.root.ended[-1].interrupted)
        carried = at.carry(before) if before and interrupted else ()
        started = ev.AttemptStarted(self.uid, self.root.number, inherit, carried)
        at.evolve(after, started)
        self.attempt = after
        return [Write(after.uid, 0, (started,))]

    async def _finish(self, interrupted: bool, reason: str) -> None:
        """Close the world, then attempt, run and perhaps the next attempt in one append."""
        await self.effects.close()
        hit("run.before_finish")
        async with self._lock:
            await self._end(inp.Ended(interrupted, reason), "interrupted" if interrupted else "ended")

    async def _abort(self, asked: ev.CancelRequested) -> None:
        await self.effects.close()
        async with self._lock:
            await self._end(inp.Cancelled(asked.by, asked.reason), "cancelled")

    async def _end(self, x: inp.Input, state: str) -> None:
        s = self.attempt
        assert s is not None
        expected_child, expected_root = s.seq, self.root.seq
        child = self._apply(s, x)
        ended = lifecycle.outcome(s, state)
        finished = lifecycle.conclude(self.root, ended)
        root: list[Event] = [ended, finished] if finished else [ended]
        for event in root:
            lifecycle.evolve(self.root, event)
        writes = [Write(s.uid, expected_child, tuple(child))] if child else []
        if finished is None:
            writes += self._launching()
            root += self._root_events
        await self._append([*writes, Write(self.uid, expected_root, tuple(root))])


def _stopping() -> bool:
    """Whether this task itself is being cancelled, as opposed to the effect it waits for."""
    task = asyncio.current_task()
    return bool(task and task.cancelling())
