"""A change of the plan as a diff by job id: what it adds, replaces and drops, whose it is, and why it widens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

import msgspec

from ...domain.dag.spec import Job
from ...domain.dag.state import DagState
from ...domain.events.dag import PatchProposed
from ...domain.safetext import clip
from ..lines import Line, Span, blank, fit, marked

TEXT = 400
"""Characters of one value that are shown."""
_FIELDS = tuple(field.name for field in msgspec.structs.fields(Job) if field.name not in ("id", "kind"))


def draw_patch(
    s: DagState,
    patch: PatchProposed,
    jobs: Sequence[Job],
    width: int,
    height: int,
    top: int = 0,
    before: Mapping[str, Job] | None = None,
) -> list[Line]:
    """`height` lines of `width` cells, from line `top` on.

    Args:
        jobs: what it adds or replaces: of a proposed change `s.staged`.
        before: the plan it changes; left out, it is that of `s` while the change is proposed, and else not known, as
            a change that holds has put its jobs in the place of the old ones.
    """
    shown = [fit(line, width) for line in islice(_lines(s, patch, jobs, before), max(0, top), max(0, top) + height)]
    return [*shown, *[blank(width)] * (height - len(shown))]


def size(s: DagState, patch: PatchProposed, jobs: Sequence[Job], before: Mapping[str, Job] | None = None) -> int:
    """Lines of the whole."""
    return sum(1 for _ in _lines(s, patch, jobs, before))


def _lines(
    s: DagState, patch: PatchProposed, jobs: Sequence[Job], before: Mapping[str, Job] | None
) -> Iterator[Iterable[Span]]:
    known = before
    if known is None and s.proposed is patch:
        known = {ident: job.spec for ident, job in s.jobs.items()}
    replaced = [job for job in jobs if known and job.id in known]
    added = [job for job in jobs if not known or job.id not in known]
    name = f"change {patch.number} of the plan" if patch.number else "the plan"
    yield Span(f"{name}, by "), Span(clip(patch.by, 60), "title"), Span(_counts(known, added, replaced, patch), "dim")
    for each in patch.widens:
        yield Span("widens  ", "warn_text"), *marked(clip(each, TEXT))
    if patch.reason:
        yield Span("reason  ", "dim"), *marked(clip(patch.reason, TEXT))
    yield ()
    for ident in patch.drop:
        yield from _job("-", "del", known[ident] if known and ident in known else None, ident)
    for job in replaced:
        yield Span("~ ", "hunk"), *marked(clip(job.id, TEXT), "hunk")
        yield from _changes(known[job.id] if known else job, job)
    for job in added:
        yield from _job("*" if known is None else "+", "add", job, job.id)


def _counts(known: object, added: Sequence[Job], replaced: Sequence[Job], patch: PatchProposed) -> str:
    if known is None:
        return f"   *{len(added)} added or replaced  -{len(patch.drop)}"
    return f"   +{len(added)} ~{len(replaced)} -{len(patch.drop)}"


def _job(sign: str, token: str, job: Job | None, ident: str) -> Iterator[Iterable[Span]]:
    """A job that comes or goes, and what it is made of."""
    yield Span(f"{sign} ", token), *marked(clip(ident, TEXT), token)
    for name in _FIELDS if job else ():
        if getattr(job, name) != _DEFAULT[name]:
            yield Span(f"  {sign} {name} = ", token), *marked(_value(getattr(job, name)), token)


def _changes(old: Job, new: Job) -> Iterator[Iterable[Span]]:
    """What is different, field by field."""
    for name in _FIELDS:
        was, now = getattr(old, name), getattr(new, name)
        if was == now:
            continue
        if was != _DEFAULT[name]:
            yield Span(f"  - {name} = ", "del"), *marked(_value(was), "del")
        if now != _DEFAULT[name]:
            yield Span(f"  + {name} = ", "add"), *marked(_value(now), "add")


def _value(value: object) -> str:
    if isinstance(value, str):
        return clip(value, TEXT)
    return clip(msgspec.json.encode(value, order="deterministic").decode(), TEXT)


_NONE = Job("")
_DEFAULT = {name: getattr(_NONE, name) for name in _FIELDS}
