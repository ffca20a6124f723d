"""DBOS Transact on SQLite with WAL and synchronous=NORMAL (its own default, DELETE and FULL, is slower).

W1 is a gather of steps in one workflow, W2 a loop of steps. Started again with the same workflow id, it goes on.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from typing import Any

import job as c
import sqlalchemy as sa
from dbos import DBOS, DBOSConfig, SetWorkflowID

STAMPS: list[float] = []


@DBOS.step()
async def job(i: int, v: int) -> Any:
    STAMPS.append(time.perf_counter())
    return await c.the_job(i, v)


@DBOS.workflow()
async def w1() -> int:
    await job(0, 0)
    out = await asyncio.gather(*(job(i, 0) for i in range(1, c.JOBS + 1)))
    await job(c.JOBS + 1, 0)
    return len(out)


@DBOS.workflow()
async def w2() -> int:
    v = 0
    for i in range(c.JOBS):
        v = (await job(i, v))["v"]
    return v


def engine(path: str) -> Any:
    sqlite3.connect(path).execute("PRAGMA journal_mode = WAL").connection.close()
    made = sa.create_engine(f"sqlite:///{path}", pool_size=20)

    @sa.event.listens_for(made, "connect")
    def _(con: Any, _: Any) -> None:
        con.isolation_level = "IMMEDIATE"
        for pragma in ("busy_timeout = 30000", "foreign_keys = ON", "synchronous = NORMAL"):
            con.execute(f"PRAGMA {pragma}")

    return made


async def main() -> None:
    given = c.arguments("w1", "w2")
    config = DBOSConfig(
        name="bench",
        system_database_url=f"sqlite:///{given.db}",
        system_database_engine=engine(given.db),
        log_level="ERROR",
        executor_id="bench",
        application_version="1",
        enable_otlp=False,
    )
    DBOS(config=config)
    DBOS.launch()
    meter = c.Meter()
    with SetWorkflowID(f"{given.work}-run"):
        handle = await DBOS.start_workflow_async({"w1": w1, "w2": w2}[given.work])
    assert await handle.get_result() == c.JOBS
    meter.stop()
    if given.work == "w2":
        meter.stamps = STAMPS
    DBOS.destroy()
    meter.report(given.db, c.JOBS + 2 if given.work == "w1" else c.JOBS)
    os._exit(0)  # its threads would keep the process


logging.getLogger("dbos").setLevel(logging.ERROR)
asyncio.run(main())
