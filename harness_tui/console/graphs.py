"""Fetches graphs and what became of their attempts, and works out in threads what would keep the screen waiting."""

from __future__ import annotations

import asyncio
import hashlib

import msgspec

from ..domain import events as ev
from ..domain.dag.picture import DagPicture, restore
from ..domain.dag.state import DagState
from ..domain.errors import HarnessError, LinkLost
from ..domain.events import Envelope
from ..port.port import EnginePort
from .intents import AnalyseDag, FetchAttempt, FetchDag, LayDag
from .stores.dags import Attempt, Dags, own

HEAD = 8 * 1024
"""Characters of an answer that are kept."""
EVENTS = 200
Wish = FetchDag | LayDag | AnalyseDag | FetchAttempt


async def perform(dags: Dags, port: EnginePort | None, wish: Wish) -> None:
    """Do it and give it to the graph it is of; what cannot be had is said in its place."""
    match wish:
        case FetchDag():
            await _fetch(dags, port, wish)
        case LayDag(run, laid, dag):
            from .graph.shape import lay_out

            shape = await asyncio.to_thread(lay_out, dag, laid[1])
            if graph := dags.get(run):
                graph.lay(laid, shape)
        case AnalyseDag(run, work):
            analysis = await asyncio.to_thread(work)
            if graph := dags.get(run):
                graph.analysed(analysis)
        case FetchAttempt(run, stream, state):
            attempt = await read(port, stream)
            if graph := dags.get(run):
                graph.keep((stream, state), attempt)


async def _fetch(dags: Dags, port: EnginePort | None, wish: FetchDag) -> None:
    try:
        if port is None:
            raise LinkLost("There is no link to the engine.")
        picture = own(await port.dag(wish.run))
        state, folds = await asyncio.to_thread(_restored, picture)
    except HarnessError as error:
        if graph := dags.asking(wish.run, wish.number):
            graph.failed(str(error))
        return
    if graph := dags.asking(wish.run, wish.number):
        graph.folds = folds if graph.folds is None else graph.folds
        graph.take(state, picture.started)


def _restored(picture: DagPicture) -> tuple[DagState, frozenset[str]]:
    """The state, and what of it is folded at first: where a rank is too wide to be read."""
    from .graph.shape import suggest

    state = restore(picture)
    return state, suggest(state.dag)


async def read(port: EnginePort | None, stream: str) -> Attempt:
    """An attempt: its events and its answer's head; of an agent's run the answer alone."""
    try:
        if port is None:
            raise LinkLost("There is no link to the engine.")
        if "/" not in stream:
            return Attempt(answer=_head((await port.run(stream)).answer))
        events = tuple(await port.stream(stream, 0, EVENTS))
        return Attempt(events, await _answer(port, events))
    except HarnessError as error:
        return Attempt(error=error.what)


async def _answer(port: EnginePort, events: tuple[Envelope, ...]) -> str:
    ended = next((e.event for e in reversed(events) if isinstance(e.event, ev.TaskFinished)), None)
    if ended is None or ended.error:
        return ""
    if not ended.blob:
        text = ended.value if isinstance(ended.value, str) else msgspec.json.encode(ended.value).decode()
        return _head("" if ended.value is None else text)
    data = await port.blob(ended.blob)
    if hashlib.sha256(data).hexdigest() != ended.blob:
        raise HarnessError("The answer's bytes do not match the digest on record.")
    return _head(data.decode(errors="replace"))


def _head(text: str) -> str:
    more = len(text) - HEAD
    return text if more <= 0 else f"{text[:HEAD]}\n... {more:,} more characters"
