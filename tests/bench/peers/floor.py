"""The floor: the job, and only the writes it cannot do without, by hand through sqlite3 on the loop's own thread.

No graph, no threads, no recovery: a limit, not a competitor. W1 commits once for each 16 jobs, W2 once a job.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from typing import Any

import job as c

SCHEMA = """
PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
CREATE TABLE job(id INTEGER PRIMARY KEY, result TEXT);
CREATE TABLE event(seq INTEGER PRIMARY KEY, kind TEXT, job INT, at REAL, body TEXT);
"""


def commit(con: sqlite3.Connection, answers: list[dict[str, Any]]) -> None:
    con.execute("BEGIN IMMEDIATE")
    for answer in answers:
        body = json.dumps(answer)
        con.execute("INSERT INTO job VALUES (?, ?)", (answer["i"], body))
        con.execute("INSERT INTO event(kind, job, at, body) VALUES ('done', ?, ?, ?)", (answer["i"], time.time(), body))
    con.execute("COMMIT")


async def w1(con: sqlite3.Connection, meter: c.Meter) -> int:
    commit(con, [await c.the_job(0)])
    for first in range(1, c.JOBS + 1, c.AT_ONCE):
        last = min(first + c.AT_ONCE, c.JOBS + 1)
        commit(con, await asyncio.gather(*(c.the_job(i) for i in range(first, last))))
    commit(con, [await c.the_job(c.JOBS + 1)])
    return c.JOBS + 2


async def w2(con: sqlite3.Connection, meter: c.Meter) -> int:
    v: Any = 0
    for i in range(c.JOBS):
        meter.stamps.append(time.perf_counter())
        answer = await c.the_job(i, v)
        commit(con, [answer])
        v = answer["v"]
    return c.JOBS


async def main() -> None:
    given = c.arguments("w1", "w2")
    con = sqlite3.connect(given.db, isolation_level=None)
    con.executescript(SCHEMA)
    meter = c.Meter()
    jobs = await {"w1": w1, "w2": w2}[given.work](con, meter)
    meter.stop()
    con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    con.close()
    meter.report(given.db, jobs)


asyncio.run(main())
