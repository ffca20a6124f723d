"""A bound on life without use."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator


class Idle:
    """Calls `expired` once nothing was in use for `seconds`; never during a use, never after `end`."""

    def __init__(self, seconds: float, expired: Callable[[], None]) -> None:
        self.seconds = seconds
        self._expired = expired
        self._users = 0
        self._ended = False
        self._timer: asyncio.TimerHandle | None = None

    @contextlib.contextmanager
    def use(self) -> Iterator[None]:
        self._users += 1
        self._stop()
        try:
            yield
        finally:
            self._users -= 1
            if not self._users and not self._ended:
                self._timer = asyncio.get_running_loop().call_later(self.seconds, self._expired)

    def end(self) -> None:
        self._ended = True
        self._stop()

    def _stop(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
