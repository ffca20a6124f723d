"""The shape of a graph: whether it can be run at all, what follows what, and how long the way to the end is."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from ..errors import UsageError
from .spec import ID_FORM, JOB_ID, KINDS, Job


class Dag:
    """Jobs in an order that can be run, with their dependents. Made anew when the plan changes; linear in its edges.

    Attributes:
        jobs: id -> job, in the plan's order.
        dependents: id -> ids of jobs that wait for it directly, in the plan's order.
        below: id -> jobs on the longest way from it to an end, itself included.
        order: ids, dependencies first.
    """

    def __init__(self, jobs: Mapping[str, Job], order: tuple[str, ...], dependents: dict[str, list[str]]) -> None:
        self.jobs = jobs
        self.order = order
        self.dependents = dependents
        self.below: dict[str, int] = {}
        below = self.below
        for ident in reversed(order):
            after = dependents[ident]
            below[ident] = 1 + max([below[each] for each in after]) if after else 1

    @classmethod
    def from_jobs(cls, jobs: Iterable[Job]) -> Dag:
        """Check and order them. Raises UsageError: a doubled id, an unknown dependency or route, a cycle with its
        path, a job of no kind or of two."""
        found: dict[str, Job] = {}
        for job in jobs:
            if job.id in found:
                raise UsageError(f"Two jobs are called {job.id}.", "Give each job an id of its own.")
            found[job.id] = job
        for job in found.values():
            if job.kind is None:
                raise _no_kind(job)
            for dep in job.deps:
                if dep not in found:
                    raise UsageError(f"The job {job.id} depends on {dep}, which does not exist.", _near(dep, found))
            if job.route or job.back:
                _check_routes(job, found)
        dependents: dict[str, list[str]] = {ident: [] for ident in found}
        for job in found.values():
            for dep in dict.fromkeys(job.deps) if len(job.deps) > 1 else job.deps:
                dependents[dep].append(job.id)
        return cls(found, _ordered(found, dependents), dependents)

    def of(self, jobs: Sequence[Job]) -> bool:
        """Whether it is the shape of exactly these jobs, which saves finding it again."""
        return len(jobs) == len(self.jobs) and all(self.jobs.get(job.id) is job for job in jobs)

    def after(self, start: Iterable[str]) -> list[str]:
        """Everything that follows from these jobs, transitively, without them, in no particular order."""
        seen = set(start)
        queue, found = deque(seen), list[str]()
        while queue:
            for ident in self.dependents[queue.popleft()]:
                if ident not in seen:
                    seen.add(ident)
                    found.append(ident)
                    queue.append(ident)
        return found

    def ranks(self) -> dict[str, int]:
        """id -> jobs before it on the longest way to it."""
        found: dict[str, int] = {}
        for ident in self.order:
            found[ident] = max((found[dep] + 1 for dep in self.jobs[ident].deps), default=0)
        return found


def check_id(ident: str) -> None:
    """Refuse what no job may be called. Raises UsageError."""
    if not JOB_ID.fullmatch(ident):
        raise UsageError(f"{ident[:80]!r} is no id of a job.", f"An id is {ID_FORM}.")


def _no_kind(job: Job) -> UsageError:
    named = job.kinds
    if len(named) > 1:
        return UsageError(f"The job {job.id} is of two kinds: {' and '.join(named)}.", "Make two jobs of it.")
    if not named:
        return UsageError(f"The job {job.id} does nothing.", f"Give it one of: {', '.join(KINDS)}.")
    return UsageError(f"The job {job.id} is a {named[0]}, and says it is of another kind.", "Leave kind out.")


def _check_routes(job: Job, found: Mapping[str, Job]) -> None:
    for goal in filter(None, (*(route.goto for route in job.route), job.back)):
        if goal not in found:
            raise UsageError(f"The job {job.id} may go back to {goal}, which does not exist.", _near(goal, found))


def _near(name: str, found: Mapping[str, Job]) -> str:
    near = get_close_matches(name, found, 1)
    return f"Did you mean {near[0]}?" if near else "Name a job of this plan."


def _ordered(found: Mapping[str, Job], dependents: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Ids, dependencies first. Raises UsageError naming the path of a cycle."""
    unmet = {ident: len(set(job.deps)) for ident, job in found.items()}
    ready = deque(ident for ident, count in unmet.items() if not count)
    order: list[str] = []
    while ready:
        order.append(ident := ready.popleft())
        for each in dependents[ident]:
            unmet[each] -= 1
            if not unmet[each]:
                ready.append(each)
    if len(order) < len(found):
        path = " -> ".join(_cycle(found, {ident for ident, count in unmet.items() if count}))
        raise UsageError(f"The jobs depend on each other in a circle: {path}.", "Take one of these dependencies out.")
    return tuple(order)


def _cycle(found: Mapping[str, Job], left: set[str]) -> list[str]:
    """A way along dependents that ends where it began; each job of `left` waits for another of them."""
    seen: dict[str, int] = {}
    way: list[str] = []
    ident = next(each for each in found if each in left)
    while ident not in seen:
        seen[ident] = len(way)
        way.append(ident)
        ident = next(dep for dep in found[ident].deps if dep in left)
    circle = way[seen[ident] :]
    return [*reversed(circle), circle[-1]]
