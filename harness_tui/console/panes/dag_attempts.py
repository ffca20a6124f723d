"""How a job was tried: its attempts, its time in bars and words, and what was fetched of one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ...domain import events as ev
from ...domain.dag.spec import Job
from ...domain.dag.state import DagState, JobState
from ...domain.events import Envelope
from ...domain.trace import line
from ..stores.dags import Attempt, Graph
from .words import age

if TYPE_CHECKING:
    from ..model import Model
    from .overlays import Overlay

TRIED = 50
"""Attempts that are listed, newest last."""
CELLS = 48
"""Cells of a job's bars."""
BARS = {"run": "=", "retry": "r", "ask": "?", "limit": ".", "doubt": "!"}
BAR_WORDS = {"run": "runs", "retry": "waits for its next try", "ask": "asks you", "limit": "waits for the model"}
SECOND = 1_000_000
Labelled = list[tuple[str, str]]


def find(m: Model, ident: str) -> tuple[Graph, DagState, JobState] | None:
    """The job of `r20/score-b`, or of its attempt `r20/score-b#2`."""
    run, _, name = ident.partition("/")
    graph = m.dags.get(run)
    if graph is None or graph.state is None:
        return None
    jobs = graph.state.jobs
    job = jobs.get(name) or jobs.get(name.rpartition("#")[0])
    return (graph, graph.state, job) if job else None


def does(spec: Job) -> str:
    """What it does, whole."""
    if spec.command is not None or spec.verify is not None:
        return " ".join(spec.command or spec.verify or ())
    if spec.tool is not None:
        return f"{spec.tool} {msgspec.json.encode(spec.arguments).decode()}"
    if spec.call is not None:
        return f"{spec.call} {msgspec.json.encode(spec.arguments).decode() if spec.arguments else ''}".rstrip()
    if spec.wait is not None:
        return f"waits {spec.wait:g} s"
    return spec.prompt or spec.gate or ""


def streams(s: DagState, job: JobState) -> list[str]:
    """Streams of its attempts, oldest first: runs of agents, or `r20/score-b#2`."""
    if job.spec.of_agent:
        return job.children[-TRIED:]
    first = max(1, job.attempts - TRIED + 1)
    return [s.child(job.spec.id, number) for number in range(first, job.attempts + 1)]


def picked(over: Overlay | None, streams: list[str]) -> int:
    """Which attempt is marked: the newest until another one was chosen."""
    return len(streams) - 1 if over is None or over.pick < 0 else min(over.pick, len(streams) - 1)


def attempts(m: Model, s: DagState, job: JobState, over: Overlay | None) -> Labelled:
    found = streams(s, job)
    at = picked(over, found) if found else 0
    out: Labelled = []
    for i, stream in enumerate(found):
        mark = m.glyphs.cursor if i == at else " "
        out.append(
            ("" if i else "attempts", f"{mark} {stream}  {_outcome(m, job, stream, newest=i == len(found) - 1)}")
        )
    return out


def _outcome(m: Model, job: JobState, stream: str, *, newest: bool) -> str:
    row = m.world.views.runs.get(stream)
    if row is not None:
        took = f" {age((row.ended or m.now()) - row.started)}"
        tail = f": {row.reason or row.error or row.last}" if not row.waits else f": waits for {row.waits}"
        return f"{row.state.replace('_', ' ')}{took}, {row.usage.total:,} tok{tail}"
    return job.state.replace("_", " ") if newest else "over"


def bars(job: JobState, now: int) -> str:
    """`====rr==???`: how its time went, a cell a share of it."""
    start, end = job.bars[0].start, max(job.bars[-1].end, job.bars[0].start + 1)
    if job.bars[-1].end < 0:
        end = max(now, start + 1)
    cells = [" "] * CELLS
    for bar in job.bars:
        first = (bar.start - start) * CELLS // (end - start)
        last = ((end if bar.end < 0 else bar.end) - start) * CELLS // (end - start)
        for at in range(first, max(first + 1, last)):
            if at < CELLS:
                cells[at] = BARS.get(bar.what, "=")
    return f"{start / SECOND:.1f} s |{''.join(cells)}| {end / SECOND:.1f} s"


def told(job: JobState, now: int) -> str:
    """How long it did what, in words."""
    sums: dict[str, int] = {}
    for bar in job.bars:
        sums[bar.what] = sums.get(bar.what, 0) + (now if bar.end < 0 else bar.end) - bar.start
    return ", ".join(f"{BAR_WORDS.get(what, 'in doubt')} {us / SECOND:.1f} s" for what, us in sums.items())


def wanted(m: Model, over: Overlay) -> tuple[str, str] | None:
    """What a card needs to be fetched: the stream of an attempt, in the state its job is in."""
    found = find(m, over.id)
    if found is None:
        return None
    _, s, job = found
    if over.kind == "attempt":
        return over.id, job.state
    known = streams(s, job)
    return (known[picked(over, known)], job.state) if known else None


def answer(graph: Graph, over: Overlay | None, s: DagState, job: JobState) -> Labelled:
    known = streams(s, job)
    attempt = graph.attempts.get((known[picked(over, known)], job.state)) if known else Attempt()
    if attempt is None:
        return [("answer", "on its way")]
    return [("answer", f"cannot be had: {attempt.error}" if attempt.error else attempt.answer)]


def attempt(m: Model, graph: Graph, s: DagState, job: JobState, over: Overlay) -> Labelled:
    """An attempt without an agent: its few events, and its answer."""
    attempt = graph.attempts.get((over.id, job.state))
    if attempt is None:
        return [("", "it is being fetched")]
    if attempt.error:
        return [("trouble", attempt.error)]
    out = [(m.clock(each.at), _event(each)) for each in attempt.events]
    return [*out, ("does", does(job.spec)), *([("answer", attempt.answer)] if attempt.answer else [])]


def _event(envelope: Envelope) -> str:
    match envelope.event:
        case ev.TaskResumed(kind=kind):
            return f"{kind} done again after a crash"
        case ev.TaskFinished(error=error):
            return f"failed: {error}" if error else "succeeded"
        case event:
            drawn = line(envelope)
            return f"{drawn.kind}: {drawn.text}" if drawn else type(event).__name__
