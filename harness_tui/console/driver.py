"""Textual's Linux driver with our own input loop: a lone ESC is quick, idling wakes nobody, a dead terminal ends us."""

from __future__ import annotations

import codecs
import os
import select
import threading
from typing import Any

from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

from . import compat, terminal

ESCAPE_WAIT = 0.03
"""Seconds after which a lone ESC is a key of its own."""

HUNG_UP = 129


class WakingEvent(threading.Event):
    """An event whose `set` also ends a `select` on `reader`, so that nobody has to poll it."""

    def __init__(self) -> None:
        super().__init__()
        self.reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def set(self) -> None:
        super().set()
        os.write(self._writer, b".")

    def clear(self) -> None:
        super().clear()
        try:
            os.read(self.reader, 4096)
        except BlockingIOError:
            pass


class ConsoleDriver(LinuxDriver):
    """Reads keys in a thread of its own; calls `app.leave(129)` when the terminal is gone."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.exit_event = self._ending = WakingEvent()

    def start_application_mode(self) -> None:
        super().start_application_mode()  # type: ignore[no-untyped-call]
        self.write(terminal.TITLE_PUSH)

    def stop_application_mode(self) -> None:
        self.write(terminal.TITLE_POP)
        super().stop_application_mode()

    def run_input_thread(self) -> None:
        parser = XTermParser(self._debug)
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        while not self.exit_event.is_set():
            wait = ESCAPE_WAIT if compat.escape_pending(parser) else None
            ready, _, _ = select.select([self.fileno, self._ending.reader], [], [], wait)
            if self.exit_event.is_set():
                return
            data = self._read() if ready else None
            if data == b"":
                self._hang_up()
                return
            try:
                for event in parser.feed(decode(data)) if data else parser.tick():
                    self.process_message(event)
            except ParseError:  # a sequence no terminal sends: forget it and read on
                parser = XTermParser(self._debug)

    def _read(self) -> bytes:
        """Up to 4 KiB of input; empty when the terminal is gone (EOF, or EIO after a hang-up)."""
        try:
            return os.read(self.fileno, 4096)
        except OSError:
            return b""

    def _hang_up(self) -> None:
        leave = getattr(self._app, "leave", None)
        if leave is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(leave, HUNG_UP)
