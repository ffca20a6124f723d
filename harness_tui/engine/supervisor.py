"""The supervisor: one driver per open run, started, recovered, kept through a full disk, and ended cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import get_args

from ..agent.driver import Driver
from ..agent.kit import Kit
from ..domain.errors import HarnessError, SetupError
from ..domain.events import HALTED, Flow, RunFinished, RunStarted, Write
from ..domain.money import from_usd
from ..domain.policy import may
from ..domain.seams import Environment
from ..domain.task import RunSpec
from ..journal.journal import Journal
from ..sandbox.base import Guarantee, Sandbox, needed
from .services import Services

RETRY_HALTED = 15.0
"""Seconds after which a run that the disk or the set-up stopped is tried again."""

log = logging.getLogger(__name__)

KitFor = Callable[[str, RunSpec, Mapping[str, str]], Kit]


def usd_of(spec: RunSpec) -> int | None:
    """The run's money limit in nano-dollars; None = none."""
    return None if spec.task.budget.usd is None else from_usd(spec.task.budget.usd)


def _started(spec: RunSpec, world: Environment) -> RunStarted:
    """The run's first event: what it may do, and what of its sandbox is enforced beside what was asked."""
    sandbox: Sandbox | None = getattr(world, "sandbox", None)
    if sandbox is None:
        return RunStarted(spec, may(world.tools, spec.task.level))
    enough = needed(network=spec.task.sandbox.network) <= sandbox.enforced
    return RunStarted(
        spec,
        may(world.tools, spec.task.level, sandboxed=enough),
        sandbox.kind,
        sandbox.asked,
        tuple(each for each in get_args(Guarantee) if each in sandbox.enforced),
        sandbox.notes,
        enough,
    )


class Supervisor:
    def __init__(self, journal: Journal, kit_for: KitFor, services: Services) -> None:
        self._journal = journal
        self._kit_for = kit_for
        self._services = services
        self._drivers: dict[str, Driver] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._kills: list[tuple[str, str]] = []
        """(by, reason) of each `cancel_all`: a run that was still starting then is ended too."""

    def driver(self, run: str) -> Driver | None:
        """The live driver of an open root run."""
        return self._drivers.get(run)

    async def rehearse(self, uid: str, spec: RunSpec) -> RunStarted:
        """What such a run would begin with: nothing is written. Raises HarnessError when it could not begin."""
        world = await asyncio.to_thread(self._kit_for(uid, spec, {}).environment, spec, uid)
        return _started(spec, world)

    async def start(self, uid: str, spec: RunSpec, secrets: Mapping[str, str], *, also: Sequence[Write] = ()) -> None:
        """Write the run down, in one append with `also`, and drive it. Raises HarnessError when it cannot begin."""
        kills = len(self._kills)
        kit = self._kit_for(uid, spec, secrets)
        world = await asyncio.to_thread(kit.environment, spec, uid)
        await self._services.ensure(uid, spec.service)
        kit.ledger.limit(f"run:{uid}", spec.task.budget.tokens, usd_of(spec))
        await self._journal.append([Write(uid, 0, (kit.redaction.deep(_started(spec, world)),)), *also])
        self._drive(uid, spec, kit, world)
        if len(self._kills) > kills:
            await self.cancel(uid, *self._kills[-1])

    async def recover(self) -> int:
        """Continue every unfinished run from its last event; returns how many."""
        open_runs = [r.id for r in self._journal.views.runs.values() if r.kind == "agent" and r.open]
        for uid in open_runs:
            spec = await self._spec(uid)
            if spec.in_process:
                await self._over(uid, "its program ended", 1)
                continue
            kit = self._kit_for(uid, spec, {})
            try:
                world = await asyncio.to_thread(kit.environment, spec, uid)
            except HarnessError as error:  # what it may run in is gone: nothing is run outside of it
                await self._over(uid, str(error), error.exit_code)
                continue
            self._drive(uid, spec, kit, world)
        return len(open_runs)

    async def _over(self, uid: str, why: str, code: int) -> None:
        over = RunFinished("failed", None, why, "", "error", code, why)
        await self._journal.append([Write(uid, self._journal.head(uid), (over,))])

    async def _spec(self, uid: str) -> RunSpec:
        first = (await self._journal.stream(uid, limit=1))[0].event
        assert isinstance(first, RunStarted)
        return first.spec

    async def cancel(self, run: str, by: str, reason: str) -> bool:
        """Ask an open run to end; False when there is none."""
        driver = self._drivers.get(run)
        if driver is None:
            return False
        await driver.cancel(by, reason)
        return True

    async def cancel_all(self, by: str, reason: str) -> int:
        """Ask every open run to end; returns how many there were."""
        self._kills.append((by, reason))
        drivers = [driver for driver in self._drivers.values() if driver.root.finished is None]
        await asyncio.gather(*(driver.cancel(by, reason) for driver in drivers))
        return len(drivers)

    async def close(self, *, now: bool) -> None:
        """Leave every open run where it is. A started consequential call may end first, unless `now`."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if now:
            await asyncio.wait(tasks, timeout=1) if tasks else None
            for task in tasks:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _drive(self, uid: str, spec: RunSpec, kit: Kit, world: Environment) -> None:
        driver = Driver(uid, spec, kit, restart=world.recovery == "restart")
        self._drivers[uid] = driver
        self._tasks[uid] = asyncio.create_task(self._keep(uid, driver), name=f"run {uid}")

    async def _keep(self, uid: str, driver: Driver) -> None:
        try:
            while not await self._once(uid, driver):
                await driver.patience(driver.kit.clock.now() + int(RETRY_HALTED * 1_000_000))
        finally:
            self._drivers.pop(uid, None)
            self._tasks.pop(uid, None)
            with contextlib.suppress(Exception):
                await self._services.stop(uid)

    async def _once(self, uid: str, driver: Driver) -> bool:
        """Drive until the run ends; False when it was halted and is to be tried again."""
        try:
            await driver.load()
            if not driver.cancelled:  # a broken service must not keep a run from ending
                await self._services.ensure(uid, driver.spec.service)
            await driver.run()
        except SetupError as error:
            log.error("%s halted: %s", uid, error)
            driver.kit.flow(Flow(uid, HALTED, str(error), error.exit_code))
            return False
        except Exception as error:
            log.exception("%s failed inside", uid)
            await self._fail(uid, driver, error)
        return True

    async def _fail(self, uid: str, driver: Driver, error: Exception) -> None:
        """A bug must not leave a run open for ever: end it with what is known."""
        why = str(error) if isinstance(error, HarnessError) else f"internal error: {type(error).__name__}: {error}"
        code = error.exit_code if isinstance(error, HarnessError) else 1
        over = RunFinished("failed", None, why, "", "error", code, f"{why} The engine's log has more.")
        with contextlib.suppress(Exception):
            await self._journal.append([Write(uid, self._journal.head(uid), (over,))])
