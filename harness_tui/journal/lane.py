"""The one connection and its thread: aiosqlite owns both, and one long call of its public interface does all the work.

aiosqlite answers every call through a future of its own and two turns of the loop; a chain of small transactions spends
more time there than in SQLite. So its thread is kept in one `commit`, which takes work from a queue until the end.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

import aiosqlite

T = TypeVar("T")


class _Worker(sqlite3.Connection):
    """`commit`, which aiosqlite calls on its thread, does one piece of work after the other until it finds None."""

    work: SimpleQueue[Callable[[], None] | None]

    def commit(self) -> None:
        while work := self.work.get():
            work()
            del work  # or what was done last stays in memory until there is more to do


class Lane:
    """Work for the connection, done in the order it was asked for."""

    def __init__(self, db: aiosqlite.Connection, worker: _Worker) -> None:
        self._db = db
        self._worker = worker
        self._loop = asyncio.get_running_loop()
        self._call = asyncio.create_task(db.commit(), name="journal lane")

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
            worker.work = SimpleQueue()
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
        lane = cls(await made[0], raw[0])
        if failed:
            await lane.close()
            raise failed[0]
        return lane

    async def run(self, work: Callable[[sqlite3.Connection], T], then: Callable[[], None] | None = None) -> T:
        """One hop. The work is done even if the caller is cancelled meanwhile.

        `then` is called on the loop when the work has succeeded, before the caller goes on and whether or not it
        still waits: whom it wakes is a turn of the loop ahead of the caller. It must not raise.
        """
        answer: asyncio.Future[T] = self._loop.create_future()

        def done(result: T) -> None:
            if then is not None:
                then()
            if not answer.done():
                answer.set_result(result)

        def failed(error: BaseException) -> None:
            if not answer.done():
                answer.set_exception(error)

        def on_thread() -> None:
            try:
                result = work(self._worker)
            except BaseException as error:
                self._tell(failed, error)
            else:
                self._tell(done, result)

        self._worker.work.put(on_thread)
        return await answer

    def _tell(self, fn: Callable[[Any], None], value: object) -> None:
        try:
            self._loop.call_soon_threadsafe(fn, value)
        except RuntimeError:
            pass  # the loop is closed: nobody is there to be told, and what is queued is still to be done

    def __del__(self) -> None:
        self._worker.work.put(None)  # dropped without `close`: its thread is not to wait for ever

    async def close(self) -> None:
        """Finish what was asked for, then close the connection and end the thread."""
        self._worker.work.put(None)
        await self._db.close()
