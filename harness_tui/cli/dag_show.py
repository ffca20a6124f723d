"""A graph's run in words, in JSON, and as a drawing for other programs: `dag show`, `dag why`, `dag list`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ..clients.read import reading
from ..config.paths import Paths
from ..domain.dag.picture import restore
from ..domain.errors import HarnessError, UsageError
from . import dag_run, output, result
from .output import Format

if TYPE_CHECKING:
    from ..clients.read import ReadClient
    from ..domain.dag.analysis import Analysis
    from ..domain.dag.state import DagState, JobState
    from ..domain.events import Envelope
    from ..domain.views import RunRow

LOOKED_AT = 2_000
"""Newest runs among which graphs are looked for: each attempt by an agent is a run as well."""
_WORDS = ("pending", "ready", "running", "retrying", "waiting", "succeeded", "dead_lettered", "cancelled")


def load(source: ReadClient, run: str) -> tuple[RunRow, DagState, int]:
    """Its row, its state, and how many us it has lasted. Raises UsageError for what is no graph."""
    picture = source.dag(run)
    row = source.run(run)
    now = row.ended or time.time_ns() // 1000
    return row, restore(picture), max(picture.t, now - picture.started)


def show(run: str, drawn: str, output_format: Format) -> None:
    """The whole run; `drawn`: text, mermaid, dot, or toml (its jobs as they are planned now)."""
    from ..domain.dag.analysis import analyse

    with reading(Paths.default()) as source:
        row, s, t = load(source, run)
    if drawn != "text":
        from ..domain.dag import export

        if drawn == "toml":
            text = export.plan_text(job.spec for job in s.jobs.values())
        else:
            text = export.mermaid(s) if drawn == "mermaid" else export.dot(s)
        for line in text.splitlines():
            output.say(line)
        return
    found = analyse(s, t)
    if output_format is not Format.text:
        output.emit(result.of_shown_dag(row, s, found))
        return
    for label, value in _head(row, s, found):
        output.say(f"{label:<14}{value}")
    output.say()
    dag_run.print_table(s)


def _head(row: RunRow, s: DagState, found: Analysis) -> list[tuple[str, str]]:
    counts = result.counts(s)
    lines = [
        ("run", f"{row.id}  {row.state}" + (f", exit {row.exit}" if row.ended else "")),
        ("goal", s.spec.goal),
        ("started", output.clock(row.started)),
        ("jobs", f"{counts['all']}: " + ", ".join(f"{counts[w]} {w}" for w in _WORDS if w in counts)),
        ("spent", _spent(row)),
        ("critical", " -> ".join(found.critical[:12]) + (" ..." if len(found.critical) > 12 else "")),
        ("finish", f"about +{found.finish / 1_000_000:.0f}s" if found.finish is not None and row.open else ""),
        ("for a person", f"{found.human / 1_000_000:.1f}s" if found.human else ""),
        ("waiting", ", ".join(f"{ident} ({s.jobs[ident].approval})" for ident in found.waiting)),
        ("paused", f"by {s.paused.by}" + (f": {s.paused.reason}" if s.paused.reason else "") if s.paused else ""),
        ("reason", row.reason),
        ("error", row.error if row.error != row.reason else ""),
    ]
    for patch in result.patches(s)[1:]:
        size = f"+{len(patch['added'])} ~{len(patch['replaced'])} -{len(patch['dropped'])}"
        reason = f": {patch['reason']}" if patch["reason"] else ""
        lines.append((f"plan {patch['number']}", f"{size} by {patch['by']}{reason}"))
    return [(label, value) for label, value in lines if value]


def _spent(row: RunRow) -> str:
    from ..domain.money import dollars

    return f"{row.usage.total:,} tokens, {dollars(row.money, row.mark)}" if row.usage.total else ""


# -- one job --------------------------------------------------------------------------------------------------------


def show_job(run: str, ident: str, output_format: Format) -> None:
    """A job with its attempts, what it was given and answered, and why it stands where it stands."""
    from ..domain.dag.analysis import analyse
    from ..domain.dag.why import why

    with reading(Paths.default()) as source:
        row, s, t = load(source, run)
        said = why(s, ident, t)
        job = s.jobs[ident]
        attempts = _attempts(source, s, job)
        answer = _answer(source, job)
        inputs = {dep: _answer(source, s.jobs[dep]) for dep in dict.fromkeys(job.spec.deps)}
    whole = result.of_shown_dag(row, s, analyse(s, t))["jobs"][ident]
    document = {
        "run": run,
        "job": ident,
        **whole,
        "why": said,
        "feedback": job.feedback or None,
        "prior": job.prior or None,
        "answer": answer,
        "inputs": inputs,
        "history": attempts,
        "spec": _spec(job),
    }
    if output_format is not Format.text:
        output.emit(document)
        return
    for key, value in document.items():
        if key not in ("history", "inputs", "spec", "run") and value not in (None, "", [], False):
            output.say(f"{key:<14}{', '.join(value) if isinstance(value, list) else value}")
    for key, value in document["spec"].items():
        output.say(f"{'spec':<14}{key} = {output.encode(value)}")
    for dep, value in inputs.items():
        output.say(f"{'given':<14}{dep}: {_short(value)}")
    for each in attempts:
        took = f"  {each['error']}" if each["error"] else ""
        output.say(f"{'attempt':<14}{each['stream']}  {each['state']}{took}")


def _spec(job: JobState) -> dict[str, Any]:
    import msgspec

    found: dict[str, Any] = msgspec.to_builtins(job.spec)
    return found


def _attempts(source: ReadClient, s: DagState, job: JobState) -> list[dict[str, Any]]:
    """What each attempt came to, oldest first: agent runs by their rows, the others by their own streams."""
    if job.spec.of_agent:
        return [_of_run(source, run) for run in job.children]
    return [_of_task(source, s.child(job.spec.id, number)) for number in range(1, job.attempts + 1)]


def _of_run(source: ReadClient, run: str) -> dict[str, Any]:
    row = source.run(run)
    return {
        "stream": run,
        "state": row.state,
        "tokens": row.usage.total,
        "started": output.stamp(row.started),
        "ended": output.stamp(row.ended),
        "error": (row.error or row.reason if row.state != "succeeded" else "") or None,
    }


def _of_task(source: ReadClient, stream: str) -> dict[str, Any]:
    from ..domain.events import TaskFinished

    events = source.stream(stream)
    last = events[-1] if events else None
    over = last.event if last and isinstance(last.event, TaskFinished) else None
    return {
        "stream": stream,
        "state": "open" if over is None else "failed" if over.error else "succeeded",
        "tokens": 0,
        "started": output.stamp(events[0].at) if events else None,
        "ended": output.stamp(last.at) if last and over else None,
        "error": (over.error if over else "") or None,
    }


def _answer(source: ReadClient, job: JobState) -> Any:
    """What its last success answered, as JSON; None where there is none."""
    if job.good is None or not job.good.child:
        return None
    if "/" not in job.good.child:
        return source.run(job.good.child).answer
    return _value(source, source.stream(job.good.child))


def _value(source: ReadClient, events: list[Envelope]) -> Any:
    import json

    from ..domain.events import TaskFinished

    over = next((e.event for e in reversed(events) if isinstance(e.event, TaskFinished)), None)
    if over is None or not over.blob:
        return over.value if over else None
    try:
        return json.loads(source.blob(over.blob))
    except (HarnessError, ValueError):
        return f"blob {over.blob}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else output.encode(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


# -- the rest -------------------------------------------------------------------------------------------------------


def why(run: str, ident: str, output_format: Format) -> None:
    """Why a job does not run."""
    from ..domain.dag.why import why

    with reading(Paths.default()) as source:
        _, s, t = load(source, run)
    said = why(s, ident, t)
    if output_format is Format.text:
        output.say(said)
    else:
        output.emit({"run": run, "job": ident, "state": s.jobs[ident].state, "why": said})


def listed(limit: int, output_format: Format) -> None:
    """Runs of graphs, newest first."""
    with reading(Paths.default()) as source:
        rows = [row for row in source.runs(max(limit, LOOKED_AT)) if row.kind == "dag"][:limit]
    if output_format is not Format.text:
        output.emit([result.of_listed_run(row) for row in rows])
        return
    if not rows:
        output.tell("No graph has run yet. Run one with: harness-tui dag run FILE")
        return
    output.table(("RUN", "STATE", "STARTED", "JOBS", "TOKENS", "TITLE"), map(_line, rows))


def _line(row: RunRow) -> tuple[str, ...]:
    dead = row.jobs.get("dead_lettered", 0)
    jobs = f"{row.jobs.get('succeeded', 0)}/{row.jobs.get('all', 0)}" + (f", {dead} dead" if dead else "")
    return row.id, row.state, output.clock(row.started), jobs, str(row.usage.total), row.title


def state(run: str) -> DagState:
    with reading(Paths.default()) as source:
        return load(source, run)[1]


def open_run(run: str) -> RunRow:
    """The row of a graph that is not over. Raises UsageError with the next step."""
    with reading(Paths.default()) as source:
        row = source.run(run)
    if row.kind != "dag":
        raise UsageError(f"{run} is no graph of jobs.", f"See: harness-tui runs show {run}")
    if not row.open:
        raise UsageError(f"{run} is over: {row.state}.", f"Try again with: harness-tui dag retry {run}")
    return row
