"""Reading without an event loop, for verbs that print and end: ask the running engine, else read the journal."""

from __future__ import annotations

import time
from typing import Any, cast

from ..config.paths import Paths
from ..domain.codec import WireEvent
from ..domain.dag.picture import DagPicture
from ..domain.events import Envelope
from ..domain.loop.rows import LoopRow, RoundRow, SlotRow, SpecRow
from ..domain.views import ApprovalRow, RunRow
from ..port import wire
from ..port.commands import AnyCommand, Reply
from ..port.dial import Dial, NoEngine
from ..port.snapshot import EngineInfo, Snapshot
from .offline import Archive


class Live:
    """A running engine, asked over a blocking socket. Same methods as Archive."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def info(self) -> EngineInfo | None:
        return cast(EngineInfo, self._dial.ask(wire.Info))

    def snapshot(self) -> Snapshot:
        return cast(Snapshot, self._dial.ask(wire.Look))

    def runs(self, limit: int = 200) -> list[RunRow]:
        return cast(list[RunRow], self._dial.ask(wire.Runs, limit=limit))

    def run(self, run: str) -> RunRow:
        return cast(RunRow, self._dial.ask(wire.Run, run=run))

    def approvals(self, *, all: bool = False) -> list[ApprovalRow]:
        return cast(list[ApprovalRow], self._dial.ask(wire.Approvals, all=all))

    def events(self, run: str, after: int = 0, limit: int = 500) -> list[Envelope]:
        found = cast(list[WireEvent], self._dial.ask(wire.Events, run=run, after=after, limit=limit))
        return [event.open() for event in found]

    def loops(self, *, all: bool = False) -> list[LoopRow]:
        return cast(list[LoopRow], self._dial.ask(wire.Loops, all=all))

    def loop(self, name: str) -> SpecRow:
        return cast(SpecRow, self._dial.ask(wire.Loop, name=name))

    def rounds(self, loop: str, limit: int = 20) -> list[RoundRow]:
        return cast(list[RoundRow], self._dial.ask(wire.Rounds, loop=loop, limit=limit))

    def slots(self, loop: str, limit: int = 50) -> list[SlotRow]:
        return cast(list[SlotRow], self._dial.ask(wire.Slots, loop=loop, limit=limit))

    def dag(self, run: str) -> DagPicture:
        return cast(DagPicture, self._dial.ask(wire.Dag, run=run))

    def stream(self, uid: str, after: int = 0, limit: int = 500) -> list[Envelope]:
        found = cast(list[WireEvent], self._dial.ask(wire.Stream, uid=uid, after=after, limit=limit))
        return [event.open() for event in found]

    def blob(self, sha: str) -> bytes:
        return cast(bytes, self._dial.ask(wire.Blob, sha=sha))

    def send(self, command: AnyCommand) -> Reply:
        return cast(Reply, self._dial.ask(wire.Send, command=command))

    def close(self) -> None:
        self._dial.close()


ReadClient = Live | Archive


def reading(paths: Paths, *, timeout: float = 5.0) -> ReadClient:
    """Whoever can answer for this home; close it, or use it as a context manager. Starts and creates nothing.

    Raises LinkLost when an engine is there but does not answer within `timeout` seconds.
    """
    try:
        return Live(Dial(paths.socket, timeout))
    except NoEngine:
        return Archive(paths)


def status(paths: Paths) -> dict[str, Any]:
    """`engine status` as JSON: {running, pid, home, workspaces, socket, version, uptime_s}; null where none runs."""
    with reading(paths) as source:
        info = source.info()
    if info is None:
        return {
            "running": False,
            "pid": None,
            "home": str(paths.home),
            "workspaces": [],
            "socket": None,
            "version": None,
            "uptime_s": None,
        }
    return {
        "running": True,
        "pid": info.pid,
        "home": info.home,
        "workspaces": list(info.workspaces),
        "socket": str(paths.socket),
        "version": info.version,
        "uptime_s": max(0, time.time_ns() // 1000 - info.started) // 1_000_000,
    }
