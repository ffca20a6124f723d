"""The browser as one attempt's world: opened, judged, acted in, verified and closed through `seams.Environment`."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from ...domain.errors import HarnessError, UsageError
from ...domain.events import Event, LoginHandled
from ...domain.messages import ToolCall, ToolSpec
from ...domain.network.reach import Reach
from ...domain.policy import Weighed
from ...domain.redaction import Redaction
from ...domain.seams import Blobs, EnvironmentLost, Interlude, Performed, ToolOutcome, Vault, Verdict
from ...domain.task import Level, TaskFile
from ..box import Toolbox
from . import scripts
from .before import VERIFY_SECONDS, Before
from .chromium import Chromium, sandboxed
from .elements import NoSuchElement
from .frames import Frames
from .guard import Guard
from .idle import Idle
from .judge import Judge
from .login import LoginRule
from .policy import Rules, malformed, origin, with_id
from .session import NAVIGATION, Session
from .tools import DEADLINE, SPECS, BrowserTools
from .verify import UNVERIFIED, Verifier

if TYPE_CHECKING:
    from playwright.async_api import Page

IDLE = 15 * 60.0
_UNSANDBOXED = "browser unsandboxed"


class BrowserBox(Toolbox):
    """A real Chromium with one isolated page.

    Args:
        session: id of this opening.
        login: whether the `[login]` rule is in force.
        verify: whether the `[verify]` table is looked at; without it nothing is ever called verified.
        patience: seconds a page may take to load.
        idle: seconds without a call after which the browser is closed; a later call finds it lost.
    """

    recovery: Literal["reattach", "rebuild", "restart"] = "restart"
    concurrent = False

    def __init__(
        self,
        task: TaskFile,
        *,
        blobs: Blobs,
        vault: Vault,
        session: str,
        login: bool = True,
        verify: bool = True,
        patience: float = NAVIGATION,
        idle: float = IDLE,
    ) -> None:
        super().__init__(())
        self.session = session
        self.notes: tuple[str, ...] = () if sandboxed() else (_UNSANDBOXED,)
        self.tools = {spec.name: BrowserTool(spec) for spec in _offered(task)}
        self._task = task
        self._blobs = blobs
        self._vault = vault
        self._with_login = login and task.login is not None
        self._with_verify = verify
        self._patience = patience
        self._chromium = Chromium()
        self._idle = Idle(idle, self._expired)
        self._ending: asyncio.Task[None] | None = None
        self._guard: Guard | None = None
        self._world: Session | None = None
        self._login: LoginRule | None = None
        self._failures: set[LoginHandled] = set()
        self._signed_in = False

    # -- opening and closing -------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Raises SetupError when there is no browser to start, UsageError for a selector that is no CSS."""
        reach = Reach(self._task.start_url, self._task.allow_hosts)
        self._guard = Guard(reach)
        try:
            await self._guard.open()
            await self._chromium.start()
            world = Session(self._chromium.browser, self._guard, Redaction(), patience=self._patience)
            await world.open()
            if bad := await world.bounded(world.page.evaluate(scripts.BAD_SELECTORS, _selectors(self._task))):
                raise UsageError(f"The task file holds a selector that is no CSS: {bad[0]}", "Correct it.")
        except BaseException:
            await self.close()
            raise
        self._world = world
        rule = self._task.login
        self._frames = Frames(world, self._blobs, rule.password_field if rule else "")
        self._tools = BrowserTools(world, self._frames, self._task)
        self._judge = Judge(self._task, world, Rules(self._task, reach))
        self._login = LoginRule(rule, world, self._vault) if rule else None
        self._verifier = Verifier(self._task, world, self._asks_login)
        with self._idle.use():
            pass

    async def close(self) -> None:
        """Ends browser and driver, however hung or dead; never raises."""
        self._idle.end()
        if self._world is not None:
            self._world.lose("The browser was closed.")
        if self._ending is not None:
            await self._ending
        await self._stop()

    async def _stop(self) -> None:
        with contextlib.suppress(Exception):
            await self._chromium.stop()
        if self._guard is not None:
            await self._guard.close()

    def _expired(self) -> None:
        """Nobody used it for too long: it ends now, and the next call is told so."""
        assert self._world is not None
        self._world.lose(f"The browser was closed: it was not used for {self._idle.seconds / 60:g} minutes.")
        self._ending = asyncio.ensure_future(self._stop())

    async def weigh(self, call: ToolCall, level: Level) -> Weighed:
        """What the call would do here; touches nothing but to scroll an element into view. Raises EnvironmentLost.

        Before the browser was ever opened, by the tool's risk class alone: the page decides.
        """
        if self._world is None:
            return await super().weigh(call, level)
        with self._using() as world:
            return await world.bounded(self._judge.weigh(call, self.tools[call.name].spec, self.session))

    # -- acting --------------------------------------------------------------------------------------------------------

    async def perform(self, call: ToolCall) -> ToolOutcome:
        """Run a judged call, then photograph the page. Raises EnvironmentLost."""
        spec = self.tools[call.name].spec
        with self._using() as world:
            ok, text = await world.bounded(self._run(call, spec), DEADLINE)
            events = await self._aftermath(f"{call.name}", frame=spec.risk != "read_only")
        return ToolOutcome(ok, world.redaction(text), events)

    async def _run(self, call: ToolCall, spec: ToolSpec) -> tuple[bool, str]:
        if "selector" not in call.arguments or spec.risk == "read_only":
            return await self._tools.run(call.name, call.arguments)
        try:
            handle, target = await self._judge.target(call)
        except NoSuchElement as missing:
            return False, str(missing)
        if not self._judge.stands(call, target):
            return False, "The element changed after it was judged; nothing was done. Look again, then repeat the call."
        return await self._tools.act(call.name, handle, call.arguments)

    async def _aftermath(self, caption: str, *, frame: bool) -> tuple[Event, ...]:
        """What the world did meanwhile: notes, then a frame if something may have changed."""
        world = self._there
        await world.bounded(self._judge.remember_links())
        shot = await self._frames.capture(caption) if frame else None
        notes: tuple[Event, ...] = world.notes()
        return (*notes, shot) if shot else notes

    # -- the login rule ------------------------------------------------------------------------------------------------

    async def after_batch(self) -> Interlude:
        """Sign in if the page asks for it. Raises EnvironmentLost."""
        if not self._with_login:
            return Interlude()
        with self._using() as world:
            return await world.bounded(self._handle_login(), DEADLINE)

    async def _handle_login(self) -> Interlude:
        rule, page, hide = self._rule, self._there.page, self._there.redaction
        if not await rule.asks(page):
            return Interlude()
        if objection := rule.objection(page.url):
            return Interlude(self._once(LoginHandled(False, origin(page.url), objection)))
        outcome = await rule.sign_in(page)
        detail = hide(outcome.detail)
        if outcome.state != "in":
            failure = self._once(LoginHandled(False, rule.origin, detail))
            frames = await self._aftermath("harness_auto_login", frame=True) if failure else ()
            return Interlude((*failure, *frames), fatal=detail if outcome.state in ("refused", "missing") else "")
        handled = LoginHandled(True, rule.origin, detail)
        events = (handled, *await self._aftermath("harness_auto_login", frame=True))
        self._signed_in = True
        here = hide(page.url)
        told = f"The harness signed you in at {rule.origin}. You are now at {here}. Continue the task."
        return Interlude(events, told)

    def _once(self, failure: LoginHandled) -> tuple[LoginHandled, ...]:
        """A failed login is told the first time, not after every batch while the page stands there."""
        fresh = failure not in self._failures
        self._failures.add(failure)
        return (failure,) if fresh else ()

    async def _asks_login(self, page: Page) -> bool:
        return self._login is not None and await self._login.asks(page)

    # -- before and after ----------------------------------------------------------------------------------------------

    async def baseline(self) -> tuple[dict[str, Any] | None, tuple[Event, ...]]:
        """The list of stories as it is before the first action, seen live, without scripts, and signed in.

        Returns `{stories, first, nojs, signed_in}`, or `{error}` when the start URL shows no list; None without
        a list to compare. The agent's own page is not touched.
        """
        if not self._task.start_url or self._task.stories is None:
            return None, ()
        look = Before(self._task, self._there, self._verifier)
        rule = self._login if self._with_login and self._with_verify and self._task.verify is not None else None
        with self._using() as world:
            found = await world.bounded(look.baseline(rule, signed_in=self._signed_in), VERIFY_SECONDS)
        return json.loads(world.redaction(json.dumps(found))), world.notes()

    async def goal(self, done: Sequence[Performed], baseline: dict[str, Any] | None) -> str:
        """Why the goal is reached, or "". Raises EnvironmentLost."""
        with self._using() as world:
            return world.redaction(await world.bounded(self._verifier.goal(done, baseline)))

    async def verify(self, done: Sequence[Performed], baseline: dict[str, Any] | None) -> Verdict:
        """The verdict, and a frame of the page it was read from. Raises EnvironmentLost."""
        if not self._with_verify or self._task.verify is None:
            return UNVERIFIED
        hide = self._there.redaction
        with self._using() as world:
            work = self._verifier.verdict(done, baseline, self._signed_in)
            verdict = await world.bounded(work, VERIFY_SECONDS)
            events = await self._aftermath("verify", frame=True)
        refused = self._login.refused if self._login else ""
        reason = refused if refused and not verdict.passed else verdict.reason
        checks = tuple(hide(check) for check in verdict.checks)
        fatal = verdict.fatal or bool(refused and not verdict.passed)
        return Verdict(verdict.passed, hide(reason), fatal, checks, events)

    @property
    def _there(self) -> Session:
        if self._world is None:
            raise EnvironmentLost("The browser is not open.")
        return self._world

    @contextlib.contextmanager
    def _using(self) -> Iterator[Session]:
        """The open session, kept from expiring; Playwright's errors of a browser that died mean EnvironmentLost."""
        world = self._there
        with self._idle.use():
            try:
                yield world
            except HarnessError:
                raise
            except _playwright_error() as error:
                world.dead()
                raise EnvironmentLost(world.lost or f"The browser failed: {str(error).splitlines()[0]}") from error

    @property
    def _rule(self) -> LoginRule:
        assert self._login is not None
        return self._login


def _playwright_error() -> type[Exception]:
    from playwright.async_api import Error

    return Error


class BrowserTool:
    """A browser tool as its box holds it; what it does is in `BrowserTools`."""

    is_async = True

    def __init__(self, spec: ToolSpec) -> None:
        self.spec = spec

    def problem(self, arguments: dict[str, Any]) -> str:
        return malformed(arguments, self.spec.schema)


def _offered(task: TaskFile) -> tuple[ToolSpec, ...]:
    """Specs of the task's browser tools."""
    return tuple(SPECS[name] for name in sorted(set(task.tools)) if name in SPECS)


def _selectors(task: TaskFile) -> list[str]:
    """Every selector of the task file that must be CSS, placeholders filled with something that is."""
    listed = task.stories
    own = [listed.row, listed.title, listed.id_from.css, listed.arrow, listed.voted] if listed else []
    rule = task.login
    own += [rule.user_field, rule.password_field, rule.submit] if rule else []
    own += [*task.allow_selectors, *(s for s in task.approve.selectors if "{first." not in s)]
    return [with_id(css, "1") for css in own if css]
