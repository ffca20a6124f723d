"""Starts a console on this terminal and gives the terminal back; the one function the command line calls."""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from ..domain.errors import HarnessError
from . import terminal
from .feed import Attached, Connect, attach
from .frames import Ink
from .options import Options
from .perform import Launch

if TYPE_CHECKING:
    from .app import ConsoleApp

SETTINGS = {
    "TEXTUAL_ANIMATIONS": "none",
    "TEXTUAL_SMOOTH_SCROLL": "0",  # also stops pixel mouse and in-band resize
    "TEXTUAL_DISABLE_KITTY_KEY": "1",  # a killed console would leave the terminal in kitty mode
    "ESCDELAY": "25",
}
"""What Textual reads from the environment at import."""


def run_console(
    connect: Connect,
    *,
    theme: str = "",
    ascii: bool | None = None,
    mouse: bool = False,
    fps: float | None = None,
    title: str = "",
    by: str = "",
    launch: Launch | None = None,
    log: Path | None = None,
    exports: Path | None = None,
    pane: int = 0,
) -> int:
    """Run a console until the operator leaves; return the exit code.

    0 after `q`; 129, 130, 143 after SIGHUP (or a terminal that went away), SIGINT, SIGTERM; 70 after a crash; the
    error's own code when the engine cannot be reached at all. Raises UsageError when this is no terminal to draw on.
    """
    terminal.require_terminal(os.environ)
    options = Options(
        connect,
        theme=terminal.choose_theme(os.environ, theme),
        ascii=not terminal.speaks_unicode(os.environ) if ascii is None else ascii,
        mouse=mouse,
        ssh=bool(os.environ.get("SSH_CONNECTION")),
        ink=picture_ink(),
        fps=fps,
        title=title,
        by=by or default_by(),
        launch=launch,
        log=log,
        exports=exports or Path.cwd(),
        pane=pane,
    )
    prepare_environment()
    rites = terminal.LastRites()
    stage = Stage(rites)
    with terminal.Signals(stage.signalled):
        code = asyncio.run(_run(options, stage))
        if stage.app is not None and stage.app.terminal_is_stuck:
            rites.perform()
            os._exit(code)  # the interpreter's own way out would wait for the terminal
        _farewell(stage, options, code)
        rites.stand_down()
    return code


class Stage:
    """Knows the app once there is one, so that a signal finds the right way out at any time."""

    def __init__(self, rites: terminal.LastRites) -> None:
        self._rites = rites
        self._loop: asyncio.AbstractEventLoop | None = None
        self.app: ConsoleApp | None = None

    def enter(self, app: ConsoleApp) -> None:
        self.app, self._loop = app, asyncio.get_running_loop()

    def signalled(self, code: int) -> None:
        if self.app is None or self._loop is None or self._loop.is_closed():
            os._exit(code)  # nothing was drawn yet, or everything is restored already
        self._rites.arm(code)
        self._loop.call_soon_threadsafe(self.app.leave, code)

    def leaving(self, code: int) -> None:
        self._rites.arm(code)


async def _run(options: Options, stage: Stage) -> int:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: None)  # it would print values; what matters reaches `failed`
    first: asyncio.Future[Attached] = asyncio.ensure_future(attach(options.connect))
    gc.disable()
    try:
        module = await asyncio.to_thread(importlib.import_module, "harness_tui.console.app")
        app: ConsoleApp = module.ConsoleApp(options, first=first, leaving=stage.leaving)
    finally:
        gc.enable()
        gc.freeze()
    if options.pane:
        app.model.show(options.pane)
    stage.enter(app)
    await app.run_async(mouse=options.mouse)
    return app.return_code if app.return_code is not None else 0


def prepare_environment() -> None:
    """Set what Textual reads at import; a user's own low TEXTUAL_FPS goes, since it paces keys as well."""
    os.environ.update(SETTINGS)
    try:
        slow = int(os.environ.get("TEXTUAL_FPS", "60")) < 60
    except ValueError:
        slow = True
    if slow:
        del os.environ["TEXTUAL_FPS"]
    os.environ["TEXTUAL_COLOR_SYSTEM"] = "truecolor" if terminal.true_colour(os.environ) else "256"


def picture_ink() -> Ink:
    """Colours for pictures: none under NO_COLOR, the 256 palette over SSH or without 24-bit colour."""
    if os.environ.get("NO_COLOR"):
        return "none"
    return "true" if terminal.true_colour(os.environ) and not os.environ.get("SSH_CONNECTION") else "256"


def default_by() -> str:
    """`uid@tty`, as the journal keeps who decided."""
    try:
        return f"{os.getuid()}@{os.ttyname(0).removeprefix('/dev/')}"
    except OSError:
        return f"{os.getuid()}@console"


def _farewell(stage: Stage, options: Options, code: int) -> None:
    """One line on the main screen: what goes on without us, or what ended us."""
    app = stage.app
    if app is None or code in (129, 130, 143):
        return
    try:
        if isinstance(app.error, HarnessError):
            sys.stderr.write(f"{app.error}\n")
        elif app.error is not None:
            sys.stderr.write(crash_sentence(app.error, options.log) + "\n")
        else:
            sys.stdout.write(farewell(app) + "\n")
            sys.stdout.flush()
    except OSError:
        pass


def farewell(app: ConsoleApp) -> str:
    """What the operator leaves behind, in one line."""
    if not app.feed.live:
        return "no link to the engine when the console ended; harness-tui attaches again"
    rows = app.model.world.views
    runs = sum(row.open for row in rows.runs.values() if row.kind == "agent")
    waiting = sum(row.open for row in rows.approvals.values())
    parts = f"{runs} run{'s' * (runs != 1)}, {waiting} approval{'s' * (waiting != 1)} waiting"
    return f"engine keeps running ({parts}); harness-tui attaches again"


def crash_sentence(error: BaseException, log: Path | None) -> str:
    """One sentence for the operator; the trace goes to the log as places only: no message, no values."""
    where = ""
    if log is not None:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [f"console crashed: {type(error).__name__}", *(f"  {f.filename}:{f.lineno} {f.name}" for f in frames)]
        try:
            handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(handle, "a", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
            where = f" Details: {log}"
        except OSError:
            pass
    return f"The console stopped on an internal error ({type(error).__name__}); the engine runs on.{where}"
