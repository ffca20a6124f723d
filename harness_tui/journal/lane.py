"""The one connection and its thread: a whole transaction costs one hop through aiosqlite's public interface."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable
from threading import Thread
from typing import Any, TypeVar

import aiosqlite

T = TypeVar("T")


class _Worker(sqlite3.Connection):
    """`commit` runs the next piece of work: aiosqlite calls it on its thread and hands its error back."""

    work: deque[Callable[[], None]]

    def commit(self) -> None:
        self.work.popleft()()


class Lane:
    """Work for the connection, done in the order it was asked for."""

    def __init__(self, db: aiosqlite.Connection, raw: list[_Worker]) -> None:
        self._db = db
        self._raw = raw

    @classmethod
    async def open(cls, database: str) -> Lane:
        """Connect on a thread of its own. Raises sqlite3.Error."""
        raw: list[_Worker] = []
        failed: list[sqlite3.Error] = []

        def factory(*args: Any, **kwargs: Any) -> _Worker:
            try:
                worker = _Worker(*args, **kwargs)
            except sqlite3.Error as error:  # told below: aiosqlite would not wait for its thread to end
                failed.append(error)
                worker = _Worker(":memory:")
            worker.work = deque()
            raw.append(worker)
            return worker

        # A thread is a daemon if the one that makes it is. aiosqlite's would otherwise keep the process from ending
        # after an exception that escaped before `close`; SQLite does not mind being cut off.
        made: list[aiosqlite.Connection] = []
        maker = Thread(
            target=lambda: made.append(
                aiosqlite.connect(database, factory=factory, isolation_level=None, cached_statements=256)
            ),
            daemon=True,
        )
        maker.start()
        maker.join()
        lane = cls(await made[0], raw)
        if failed:
            await lane.close()
            raise failed[0]
        return lane

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """One hop. The work is done even if the caller is cancelled meanwhile."""
        worker = self._raw[0]
        result: list[T] = []
        worker.work.append(lambda: result.append(work(worker)))
        await self._db.commit()
        return result[0]

    async def close(self) -> None:
        """Finish what was asked for, then close the connection and end the thread."""
        await self._db.close()
