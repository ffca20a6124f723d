"""Cards of a graph: a job in full, one of its attempts, what a retry would do, and why a job does not run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...domain.dag.spec import Job, Retry
from ...domain.dag.state import DagState, JobState
from ...domain.money import dollars, from_usd
from ...domain.safetext import clip as safe_clip
from ...domain.safetext import safe
from ..graph.names import word
from ..stores.dags import Graph, patch_of
from . import dag_attempts
from .words import money

if TYPE_CHECKING:
    from ..model import Model
    from .overlays import Overlay

NAMED = 12
"""Neighbours of a job that are named; the others are counted."""
Labelled = list[tuple[str, str]]


def title(over: Overlay) -> str:
    """`r20 score-b`, `r20 retry from score-b`."""
    run, _, name = over.id.partition("/")
    said = {"retry": f"retry {f'from {name}' if name else 'all that failed'}", "patch": "change of the plan"}
    return f"{safe_clip(run, 20)} {safe_clip(said.get(over.kind, name), 60)}"


def text(m: Model, ident: str) -> str:
    """A job's card, to be copied: safe text."""
    found = dag_attempts.find(m, ident)
    if found is None:
        return ""
    graph, s, job = found
    facts = _job(m, graph, s, job, None)
    return "\n".join(f"{label}: {safe(value, newlines=True)}" for label, value in facts)


def facts(m: Model, over: Overlay) -> Labelled | None:
    """Label and raw text of a card of this module; None where it is none."""
    if over.kind == "retry":
        return _retry(m, over.id)
    if over.kind == "patch":
        return _patch(m, over.id)
    found = dag_attempts.find(m, over.id)
    if found is None:
        return None
    graph, s, job = found
    match over.kind:
        case "job":
            return _job(m, graph, s, job, over)
        case "attempt":
            return dag_attempts.attempt(m, graph, s, job, over)
        case "why":
            from ...domain.dag.why import why

            return [("why", why(s, job.spec.id, graph.now(m.now())))]
        case _:
            return None


# -- a job ------------------------------------------------------------------------------------------------------------


def _job(m: Model, graph: Graph, s: DagState, job: JobState, over: Overlay | None) -> Labelled:
    spec = job.spec
    now = graph.now(m.now())
    after = s.dag.dependents[spec.id]
    out = [
        ("job", f"{spec.id}  ({spec.kind}{f', {spec.title}' if spec.title else ''})"),
        ("does", dag_attempts.does(spec)),
    ]
    out += [("state", _state(s, job)), ("error", job.error), ("asks", job.approval and f"{job.approval}: a goes there")]
    out += [("after", _named(s, spec.deps)), ("before", _named(s, after)), *dag_attempts.attempts(m, s, job, over)]
    if job.bars:
        out += [("time", dag_attempts.bars(job, now)), ("", dag_attempts.told(job, now))]
    out.append(("spent", _spent(job)))
    if job.visits > 1 or job.feedback:
        out.append(("came back", f"visit {job.visits} of {spec.visits}: {job.feedback or 'without a word'}"))
    out += [
        ("tries", _tries(spec.retry)),
        ("limits", _limits(spec)),
        ("uses", _uses(s, spec)),
        ("routes", _routes(spec)),
    ]
    out += [("with", _with(s, spec)), ("planned by", job.by), *dag_attempts.answer(graph, over, s, job)]
    return [(label, text) for label, text in out if text]


def _state(s: DagState, job: JobState) -> str:
    said = job.state.replace("_", " ")
    if job.reused:
        said += ", its earlier answer stands"
    if job.cause:
        said += f", because of {job.cause}"
    if job.held or (s.paused and not job.over):
        said += f", {'this branch' if job.held else 'the run'} is paused"
    return said


def _named(s: DagState, idents: tuple[str, ...] | list[str]) -> str:
    known = [f"{ident} ({word(s.jobs[ident])})" for ident in idents[:NAMED] if ident in s.jobs]
    return ", ".join(known) + (f" and {len(idents) - NAMED:,} more" if len(idents) > NAMED else "")


def _spent(job: JobState) -> str:
    return f"{job.tokens:,} tok, ${money(job.usd, job.tokens)}" if job.tokens else ""


def _tries(retry: Retry) -> str:
    if retry.attempts <= 1:
        return "once"
    how = {"none": "at once", "fixed": f"{retry.delay:g} s apart"}.get(
        retry.backoff, f"{retry.delay:g} s apart, times {retry.factor:g} each time, {retry.max:g} s at most"
    )
    return f"{retry.attempts} times, {how}"


def _limits(spec: Job) -> str:
    budget = spec.budget
    out = [
        f"{budget.tokens:,} tok" if budget.tokens else "",
        "" if budget.usd is None else dollars(from_usd(budget.usd)),
    ]
    return ", ".join(filter(None, [*out, f"{spec.deadline:g} s" if spec.deadline else ""]))


def _uses(s: DagState, spec: Job) -> str:
    each = (f"{amount} of {s.spec.resources.get(name, 1)} {name}" for name, amount in spec.uses.items())
    return ", ".join(each)


def _routes(spec: Job) -> str:
    said = [
        f"{r.when}{f' with {r.match}' if r.match else ''}: {'stop' if r.stop else f'back to {r.goto}'}"
        for r in spec.route
    ]
    return "; ".join([*said, *([f"as {spec.router} says"] if spec.router else [])])


def _with(s: DagState, spec: Job) -> str:
    if not spec.of_agent:
        return ""
    tools = s.spec.tools if spec.tools is None else spec.tools
    model = f", model {spec.model}" if spec.model else ""
    return f"{spec.level or s.spec.level}, tools {', '.join(tools) or 'none'}{model}"


# -- a retry, a change of the plan ------------------------------------------------------------------------------------


def _retry(m: Model, ident: str) -> Labelled | None:
    run, _, job = ident.partition("/")
    graph = m.dags.get(run)
    if graph is None or graph.preview is None:
        return None
    p = graph.preview
    saved = f", which saves {p.tokens:,} tok" + ("" if p.usd is None else f" and {dollars(p.usd)}") if p.tokens else ""
    sure = set(p.sure)
    maybe = tuple(ident for ident in p.again if ident not in sure)
    out = [("from", job or "everything that failed"), ("runs again", _some(p.sure))]
    if maybe:
        out += [("perhaps", f"{_some(maybe)}, if it is then given something else")]
    return [*out, ("stands", _some(p.reused) + saved)]


def _some(idents: tuple[str, ...]) -> str:
    names = f": {', '.join(idents[:NAMED])}{', ...' if len(idents) > NAMED else ''}" if idents else ""
    return f"{len(idents):,} job{'' if len(idents) == 1 else 's'}{names}"


def _patch(m: Model, ident: str) -> Labelled | None:
    """For copying: the diff itself is drawn by `graph.diff`."""
    run, _, back = ident.partition("/")
    graph = m.dags.get(run)
    found = patch_of(graph.state, int(back)) if graph and graph.state else None
    if found is None:
        return None
    patch, _ = found
    out = [("change", str(patch.number)), ("by", patch.by), ("why", patch.reason)]
    out += [("widens", each) for each in patch.widens] + [("drops", ", ".join(patch.drop))]
    return [(label, text) for label, text in out if text]
