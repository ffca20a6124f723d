"""The Textual app: events of the terminal go into the model, its picture onto one surface. No behaviour lives here."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from textual import events
from textual.app import App, ComposeResult

from ..domain.errors import HarnessError, LinkLost
from ..port.port import EnginePort
from . import compat, terminal, theme
from .driver import ConsoleDriver
from .feed import Feed, wall_us
from .frames import Pictures
from .intents import FetchFrame
from .model import Model
from .pace import Pace
from .perform import Performer
from .widgets.surface import Surface

if TYPE_CHECKING:
    from .options import Options

LATE = 2.0
"""Seconds a terminal may be behind before the status line says so."""

ASK_AGAIN = 2.0
"""Seconds after which an unanswered question for the cursor is asked once more."""

CRASHED = 70


class ConsoleApp(App[None], inherit_bindings=False):
    """One console.

    Args:
        options: as given to `run_console`.
        first: an attach already under way, or None.
        leaving: called with the exit code when the console begins to end.
        clock: monotonic seconds. wall: us since the epoch.
    """

    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = None
    ALLOW_SELECT = False
    ESCAPE_TO_MINIMIZE = False
    CSS = "Screen { layout: vertical; overflow: hidden; background: transparent; }"

    def __init__(
        self,
        options: Options,
        *,
        first: asyncio.Future[Any] | None = None,
        leaving: Callable[[int], None] = lambda code: None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = wall_us,
    ) -> None:
        super().__init__(driver_class=ConsoleDriver, watch_css=False)
        compat.install()
        compat.quiet(self)
        self.theme = "ansi-dark"  # the terminal's own background; every cell in front of it is the surface's
        self._options, self._leaving, self._clock = options, leaving, clock
        self.pace = Pace(ssh=options.ssh, fps=options.fps)
        self.model = Model(ascii=options.ascii, now=wall, ssh=options.ssh, title=options.title, by=options.by)
        self.surface = Surface(self.model, theme.load(options.theme), self._measured)
        self.feed = Feed(
            options.connect, self.model, self.pace, paint=self.paint, failed=self.failed, first=first, wall=wall
        )
        self.pictures = Pictures(
            self._blob,
            self._picture,
            interval=lambda: self.pace.picture_interval,
            ink=options.ink,
            unicode=not options.ascii,
        )
        self.performer = Performer(self, self.model, self.pace, launch=options.launch, exports=options.exports)
        self.error: BaseException | None = None
        self._asked: deque[int] = deque()
        self._asked_at = 0.0
        self._behind_since: float | None = None
        self._title = ""
        self._lent = False
        self._ticking: asyncio.Task[None] | None = None
        self._rescheduled = asyncio.Event()

    def compose(self) -> ComposeResult:
        yield self.surface

    def on_mount(self) -> None:
        self.feed.start()
        self._ticking = asyncio.create_task(self._tick())
        self._ticking.add_done_callback(self._task_ended)

    async def on_unmount(self) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
        await self.pictures.stop()
        await self.performer.stop()
        await self.feed.stop()

    # -- the terminal speaks ---------------------------------------------------------------------------------------

    async def on_event(self, event: events.Event) -> None:
        """Keys, pastes, focus and the cursor's place go to the model; Textual's own bindings never see a key."""
        # An input's moment is when it was read, not when the loop came to it: a key pressed too early stays too early.
        at = min(event.time, self._clock())
        match event:
            case events.Key():
                self._key(event, at)
            case events.Paste():
                self.model.paste(event.text, at)
                self.paint()
            case events.CursorPosition():
                self._acknowledged(at)
            case events.AppFocus():
                self._focus_in(at)
                self.paint()
            case events.AppBlur():
                self.pace.blurred = True
                self.model.focus_out(at)
                self.paint()
            case _:
                await super().on_event(event)

    def _focus_in(self, at: float) -> None:
        self.pace.blurred = False
        self.model.focus_in(at)
        self.feed.hurry()

    def _key(self, event: events.Key, at: float) -> None:
        if (
            self.pace.blurred
        ):  # keys come to the focused terminal only, so it is focused (tmux says less than it knows);
            self._focus_in(at)  # what waits is armed anew, so this key itself decides nothing
        if self.model.typing and event.is_printable and event.character:
            intents = self.model.text(event.character, at)
        else:
            intents = self.model.key(event.key, at)
        self.performer.perform(intents)
        self.paint()
        self._rescheduled.set()

    def _acknowledged(self, at: float) -> None:
        if self._asked:
            self.model.acknowledged(at, self._asked.popleft())
            self.paint()
            self._rescheduled.set()

    def _measured(self, width: int, height: int) -> None:
        self.model.resized(width, height, self._clock())

    # -- drawing ---------------------------------------------------------------------------------------------------

    def paint(self) -> bool:
        """Put the model on the screen; False when the terminal is behind and the frame was skipped."""
        if self._lent or not (self.is_running and self.surface.is_attached):
            return True
        if compat.backlog(self) > compat.MAX_BACKLOG:
            self._behind()
            return False
        if self._behind_since is not None:
            self._behind_since = None
            self._say_late(None)
        stamp = self.model.wants_ack
        self.surface.flush()
        self._set_title()
        if stamp is not None and self._may_ask(stamp):
            self.call_after_refresh(self._ask, stamp)
        self.performer.perform(self.model.cards.wants())
        wish = self.model.wants_frame()
        if wish is not None and not self.pace.blurred:
            self.pictures.want(wish)
        return True

    def _behind(self) -> None:
        now = self._clock()
        if self._behind_since is None:
            self._behind_since = now
        if now - self._behind_since >= LATE:
            self._say_late(now - self._behind_since)

    def _say_late(self, late: float | None) -> None:
        if self.feed.live:
            self.model.set_link("live" if late is None else "stalled", late=late or 0.0)

    def _may_ask(self, stamp: int) -> bool:
        return stamp not in self._asked or self._clock() - self._asked_at > ASK_AGAIN

    def _ask(self, stamp: int) -> None:
        """Ask the terminal where its cursor is: it answers when it has drawn everything before the question."""
        # Answers come in order and carry no name, so questions queue. A lost answer makes the next ones name older
        # frames, which the model ignores: late, never too early.
        self._asked.append(stamp)
        self._asked_at = self._clock()
        self.send_to_terminal(terminal.ASK_CURSOR)

    def _set_title(self) -> None:
        title = self.model.title_text
        if title != self._title:
            self._title = title
            self.send_to_terminal(terminal.set_title(title))

    async def _tick(self) -> None:
        """What changes by time alone: ages once a second, arming at its own moment."""
        while True:
            due = self.model.due()
            wait = 1.0 if due is None else min(1.0, max(0.0, due - self._clock()))
            self._rescheduled.clear()
            try:
                async with asyncio.timeout(wait):
                    await self._rescheduled.wait()
                continue
            except TimeoutError:
                pass
            self.performer.perform(self.model.tick(self._clock()))
            self.paint()

    # -- what the performer and the feed need ------------------------------------------------------------------------

    @property
    def port(self) -> EnginePort | None:
        return self.feed.port

    def send_to_terminal(self, data: str) -> None:
        compat.write(self, data)

    @contextmanager
    def lent(self) -> Iterator[None]:
        """The terminal is another program's as long as this holds: nothing is drawn, no key is read.

        Left by an error or a way out, it is not taken back: it is as it was before the console began.
        """
        self._lent = True
        with compat.suspended(self):
            yield
        self._lent = False
        self._title = ""
        self._asked.clear()
        self.model.focus_in(self._clock())
        self.repaint()
        self.feed.hurry()

    def repaint(self) -> None:
        self.send_to_terminal(terminal.MODES)
        self.refresh()
        self.surface.refresh()

    def use_theme(self, name: str) -> None:
        self.surface.use_theme(theme.load(name))

    def resync(self) -> None:
        self.feed.resync()

    def want_picture(self, wish: FetchFrame) -> None:
        self.pictures.want(wish)

    async def _blob(self, sha: str) -> bytes:
        if self.port is None:
            raise LinkLost("There is no link to the engine.")
        return await self.port.blob(sha)

    def _picture(self, sha: str, width: int, height: int, lines: list[Any]) -> None:
        self.model.set_frame(sha, width, height, lines)
        self.paint()

    @property
    def terminal_is_stuck(self) -> bool:
        """After the end: the terminal still has not taken what was written."""
        return compat.stuck(self)

    # -- the way out -----------------------------------------------------------------------------------------------

    def leave(self, code: int) -> None:
        """End the console with this exit code; the engine runs on. Only the first call counts."""
        if self.return_code is None:
            self._leaving(code)
            self.exit(return_code=code)

    def failed(self, error: BaseException) -> None:
        """A task met something that cannot be retried: an error with a sentence of its own, or a bug."""
        if isinstance(error, HarnessError):
            self.error = self.error or error
            self.leave(error.exit_code)
        else:
            self._crash(error)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.failed(error)

    def _fatal_error(self) -> None:
        """Textual's handler prints a traceback with local values here; ours keeps the error for one sentence."""
        self._crash(self._exception)

    def panic(self, *renderables: object) -> None:
        self._crash(self._exception)

    def _crash(self, error: BaseException | None) -> None:
        self.error = self.error or error or RuntimeError()
        self._leaving(CRASHED)
        compat.end_now(self, CRASHED, error)
