"""LangGraph: a StateGraph and AsyncSqliteSaver, durability="sync" (the state is saved before the next step begins).

W1 is a fan-out by `Send` in one superstep, W2 one node that is looped. Variant `N`: so many at a time
(max_concurrency); none: as LangGraph does it, all at once.
"""

from __future__ import annotations

import asyncio
import operator
import time
from typing import Annotated, Any, TypedDict

import aiosqlite
import job as c
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

STAMPS: list[float] = []


class Wide(TypedDict):
    out: Annotated[list[Any], operator.add]


class One(TypedDict):
    i: int


class Long(TypedDict):
    i: int
    last: dict[str, Any]


def w1(saver: Any) -> tuple[Any, dict[str, Any]]:
    async def source(_: Wide) -> Any:
        return {"out": [await c.the_job(0)]}

    async def job(state: One) -> Any:
        return {"out": [await c.the_job(state["i"])]}

    async def join(state: Wide) -> Any:
        assert len(state["out"]) == c.JOBS + 1, len(state["out"])
        return {"out": [await c.the_job(c.JOBS + 1)]}

    graph = StateGraph(Wide)
    graph.add_node("source", source)
    graph.add_node("job", job)
    graph.add_node("join", join)
    graph.add_edge(START, "source")
    graph.add_conditional_edges("source", lambda _: [Send("job", {"i": i}) for i in range(1, c.JOBS + 1)], ["job"])
    graph.add_edge("job", "join")
    graph.add_edge("join", END)
    return graph.compile(checkpointer=saver), {"out": []}


def w2(saver: Any) -> tuple[Any, dict[str, Any]]:
    async def job(state: Long) -> Any:
        STAMPS.append(time.perf_counter())
        return {"i": state["i"] + 1, "last": await c.the_job(state["i"], state["last"]["v"])}

    graph = StateGraph(Long)
    graph.add_node("job", job)
    graph.add_edge(START, "job")
    graph.add_conditional_edges("job", lambda state: "job" if state["i"] < c.JOBS else END, ["job", END])
    return graph.compile(checkpointer=saver), {"i": 0, "last": {"v": 0}}


async def main() -> None:
    given = c.arguments("w1", "w2")
    async with aiosqlite.connect(given.db) as con:
        saver = AsyncSqliteSaver(con)
        await saver.setup()
        graph, state = {"w1": w1, "w2": w2}[given.work](saver)
        config: dict[str, Any] = {"configurable": {"thread_id": "t"}, "recursion_limit": 5 * c.JOBS}
        if given.variant:
            config["max_concurrency"] = int(given.variant)
        resuming = await saver.aget_tuple(config) is not None
        meter = c.Meter()
        await graph.ainvoke(None if resuming else state, config, durability="sync")
        meter.stop()
        meter.stamps = STAMPS
        await con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    meter.report(given.db, c.JOBS + 2 if given.work == "w1" else c.JOBS)


asyncio.run(main())
