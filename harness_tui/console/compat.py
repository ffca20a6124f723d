"""Every touch of Textual that its documentation does not promise, in one place; a test asserts that each still exists.

Textual is pinned exactly (8.2.8). Raise the pin only together with `tests/console/test_compat.py`.
"""

from __future__ import annotations

import queue
from contextlib import AbstractContextManager, nullcontext
from typing import IO, Any

from textual._compositor import ChopsUpdate
from textual._parser import Parser
from textual.app import App
from textual.drivers import linux_driver
from textual.drivers._writer_thread import WriterThread

MAX_BACKLOG = 3
"""Writes the terminal may be behind before a frame is skipped."""

STOP_PATIENCE = 0.5
"""Seconds an ending console waits for the terminal to take what is queued."""


class PatientWriter(WriterThread):
    """Textual's writer thread, but a dead or stalled terminal neither blocks the event loop nor the way out.

    The queue is unbounded but never long: no frame is drawn while it holds more than a few writes.
    """

    def __init__(self, file: IO[str]) -> None:
        super().__init__(file)
        self._queue = queue.Queue()

    def run(self) -> None:
        try:
            super().run()
        except (OSError, ValueError):  # the terminal is gone: swallow the rest, so that nobody waits for it
            while self._queue.get() is not None:
                pass

    def stop(self) -> None:
        self._queue.put(None)
        self.join(STOP_PATIENCE)


def _render_segments(self: ChopsUpdate, console: Any) -> str:
    """Changed cells only. Textual crops a dirty span on the right alone and sends it from the widget's left edge."""
    out: list[str] = []
    for y, x1, x2 in self.spans:
        for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
            if strip is None or x >= x2 or end <= x1:
                continue
            left, right = max(x, x1), min(end, x2)
            if left > x or right < end:
                strip = strip.crop(left - x, right - x)
            out.append(f"\x1b[{y + 1};{left + 1}H{strip.render(console)}")
    return "".join(out)


def install() -> None:
    """Put our writer and our span rendering in Textual's place. Idempotent."""
    linux_driver.WriterThread = PatientWriter  # type: ignore[attr-defined]
    ChopsUpdate.render_segments = _render_segments  # type: ignore[method-assign]


def quiet(app: App[Any]) -> None:
    """No tooltip and no toast widgets: nothing but our own surface is in the tree."""
    app._disable_tooltips = True
    app._disable_notifications = True


def end_now(app: App[Any], code: int, error: BaseException | None) -> None:
    """End an app that met an error, without Textual's traceback (it prints local values)."""
    app._return_code = code
    if isinstance(error, Exception) and app._exception is None:
        app._exception = error
        app._exception_event.set()
    app._close_messages_no_wait()


def suspended(app: App[Any]) -> AbstractContextManager[None]:
    """The terminal as it was before the app, as long as this holds; nothing where there is none (tests)."""
    can = app._driver is not None and app._driver.can_suspend
    return app.suspend() if can else nullcontext()


def backlog(app: App[Any]) -> int:
    """Writes the terminal has not taken yet."""
    writer = getattr(app._driver, "_writer_thread", None)
    return writer._queue.qsize() if writer is not None else 0


def stuck(app: App[Any]) -> bool:
    """Whether the terminal did not take what an ended app had left to say."""
    writer = getattr(app._driver, "_writer_thread", None)
    return writer is not None and writer.is_alive()


def write(app: App[Any], data: str) -> None:
    """Send a control sequence of our own; nothing when there is no terminal (tests)."""
    if app._driver is not None and not app.is_headless:
        app._driver.write(data)


def escape_pending(parser: Parser[Any]) -> bool:
    """Whether the input parser holds a lone ESC and waits for what may follow it."""
    return parser._timeout_time is not None
