"""What the operator asks of a graph at work: the longest way, how much room beside it, who is waited for, the end.

Everything is made anew from a state when somebody looks; linear in jobs and edges but for the heap of the forecast.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable

import msgspec

from .state import OVER, DagState, JobState

SECOND = 1_000_000
_HUMAN = frozenset({"ask", "doubt"})
_PERSON = frozenset({"approval", "in_doubt"})


class Analysis(msgspec.Struct, frozen=True):
    """A graph's run at one moment; all times in us.

    Attributes:
        ranks: id -> jobs before it on the longest way to it.
        critical: ids of the way that takes longest, from its beginning to its end, what is done included.
        slack: id -> by how much it could take longer without making that way longer.
        human: for how long at least one job has waited for a person; `asked` id -> how long that one has.
        waiting: ids of jobs that wait for a person now, in the plan's order.
        holds: of these, id -> how many jobs cannot begin before it is decided.
        finish: when the rest will be done, since the run's start; None where nobody can tell: it is paused, waits for
            a person or will, or nothing has ended yet that tells how long things take.
    """

    ranks: dict[str, int]
    critical: tuple[str, ...]
    slack: dict[str, int]
    human: int
    asked: dict[str, int]
    waiting: tuple[str, ...]
    holds: dict[str, int]
    finish: int | None


def analyse(s: DagState, t: int) -> Analysis:
    """The analysis at `t` (us since the run's start)."""
    spent = {ident: _spent(job, t) for ident, job in s.jobs.items()}
    usual = _Usual(s, spent)
    length = {i: spent[i] if job.state in OVER else max(spent[i], usual.of(job)) for i, job in s.jobs.items()}
    ranks, critical, slack = _longest(s, length)
    waiting = tuple(ident for ident, job in s.jobs.items() if job.state == "waiting" and job.waits in _PERSON)
    asked = {i: total for i, job in s.jobs.items() if len(job.bars) > 1 and (total := _human(job, t))}
    finish = None if waiting or s.asked else _finish(s, t, usual)
    return Analysis(ranks, critical, slack, _union(s.jobs.values(), t), asked, waiting, _holds(s, waiting), finish)


# -- how long a job takes -------------------------------------------------------------------------------------------


class _Usual:
    """How long jobs of each kind have taken, as a mean; `known` once any has ended."""

    def __init__(self, s: DagState, spent: dict[str, int]) -> None:
        sums: dict[str | None, list[int]] = {}
        for ident, job in s.jobs.items():
            if job.state in ("succeeded", "dead_lettered") and job.bars:
                took = spent[ident]
                for kind in (job.spec.kind, ""):
                    entry = sums.setdefault(kind, [0, 0])
                    entry[0] += took
                    entry[1] += 1
        self.mean = {kind: total // count for kind, (total, count) in sums.items()}
        self.known = bool(sums)

    def of(self, job: JobState) -> int:
        """What an attempt of it is thought to take. A `wait` says so; without any figure all are alike: a second."""
        if job.spec.wait is not None:
            return int(job.spec.wait * SECOND)
        return self.mean.get(job.spec.kind, self.mean.get("", SECOND))

    def tells(self, job: JobState) -> bool:
        """Whether `of` is more than a guess; of a person only what a person has taken tells anything."""
        if job.spec.kind == "gate":
            return "gate" in self.mean
        return self.known or job.spec.wait is not None


def _spent(job: JobState, t: int) -> int:
    """Us from the beginning to the end of each of its stretches, waits and backoff included."""
    total = 0
    for bar in job.bars:
        total += (bar.end if bar.end >= 0 else max(t, bar.start)) - bar.start
    return total


# -- the longest way ------------------------------------------------------------------------------------------------


def _longest(s: DagState, length: dict[str, int]) -> tuple[dict[str, int], tuple[str, ...], dict[str, int]]:
    """Ranks, the ids of the longest way, and each job's room beside it. Of equally long ways that with more jobs."""
    jobs, dependents = s.dag.jobs, s.dag.dependents
    ranks: dict[str, int] = {}
    head: dict[str, tuple[int, int]] = {}
    before: dict[str, str] = {}
    for ident in s.dag.order:
        rank, best, via = 0, (-1, 0), ""
        for dep in jobs[ident].deps:
            if ranks[dep] >= rank:
                rank = ranks[dep] + 1
            if head[dep] > best:
                best, via = head[dep], dep
        ranks[ident], before[ident] = rank, via
        head[ident] = (best[0] + length[ident], best[1] + 1) if via else (length[ident], 1)
    tail: dict[str, int] = {}
    for ident in reversed(s.dag.order):
        rest = 0
        for each in dependents[ident]:
            if tail[each] > rest:
                rest = tail[each]
        tail[ident] = rest + length[ident]
    if not head:
        return ranks, (), {}
    last = max(head, key=head.__getitem__)
    whole = head[last][0]
    path = [last]
    while before[path[-1]]:
        path.append(before[path[-1]])
    slack = {ident: whole - head[ident][0] - tail[ident] + took for ident, took in length.items()}
    return ranks, tuple(reversed(path)), slack


# -- people ---------------------------------------------------------------------------------------------------------


def _human(job: JobState, t: int) -> int:
    return sum((b.end if b.end >= 0 else max(t, b.start)) - b.start for b in job.bars if b.what in _HUMAN)


def _union(jobs: Iterable[JobState], t: int) -> int:
    """Us in which at least one of them waited for a person."""
    spans = sorted(
        (bar.start, bar.end if bar.end >= 0 else max(t, bar.start))
        for job in jobs
        for bar in job.bars
        if bar.what in _HUMAN
    )
    total, until = 0, 0
    for start, end in spans:
        total += max(0, end - max(start, until))
        until = max(until, end)
    return total


def _holds(s: DagState, waiting: tuple[str, ...]) -> dict[str, int]:
    """id -> jobs behind it that are not over; a bit for each id runs along the edges, so one pass counts for all."""
    if not waiting:
        return {}
    bits = {ident: 1 << at for at, ident in enumerate(waiting)}
    behind: dict[str, int] = {}
    masks: Counter[int] = Counter()
    for ident in s.dag.order:
        mask = 0
        for dep in s.dag.jobs[ident].deps:
            mask |= behind[dep]
        if mask and not s.jobs[ident].over:
            masks[mask] += 1
        behind[ident] = mask | bits.get(ident, 0)
    counts = dict.fromkeys(waiting, 0)
    for mask, count in masks.items():
        while mask:
            bit = mask & -mask
            mask ^= bit
            counts[waiting[bit.bit_length() - 1]] += count
    return counts


# -- the end --------------------------------------------------------------------------------------------------------

_Uses = tuple[tuple[str, int], ...]


def _finish(s: DagState, t: int, usual: _Usual) -> int | None:
    """When the rest will be done: it is played through with the run's slots and resources, longest way first."""
    if not s.left:
        return s.t
    if s.paused or any(job.state not in OVER and (job.held or not usual.tells(job)) for job in s.jobs.values()):
        return None
    return _Play(s, t, usual).end()


class _Play:
    """What is left of a run, played through: ready jobs in one heap for each way resources are used."""

    def __init__(self, s: DagState, t: int, usual: _Usual) -> None:
        self.s, self.now, self.usual = s, t, usual
        self.free = s.spec.concurrency - s.running
        self.used = dict(s.used)
        self.unmet: dict[str, int] = {}
        self.ready: dict[_Uses, list[tuple[int, int, str]]] = {}
        self.later: list[tuple[int, int, str]] = []  # (when, 0 = it ends with its slot, 1 without, 2 = it is due; id)
        for ident, job in s.jobs.items():
            if job.state == "pending":
                self.unmet[ident] = job.unmet
            elif job.state == "ready":
                self._ready(ident)
            elif job.state == "retrying":
                self.later.append((max(job.due, t), 2, ident))
            elif not job.over:
                begun = job.bars[-1].start if job.bars else t
                self.later.append((max(t, begun + usual.of(job)), 0 if job.state == "running" else 1, ident))
        heapq.heapify(self.later)

    def end(self) -> int | None:
        last = self.now
        self._start()
        while self.later:
            self.now, what, ident = heapq.heappop(self.later)
            if what == 2:
                self._ready(ident)
            else:
                last = self.now
                self._ended(ident, what)
            self._start()
        return None if any(self.ready.values()) else last

    def _ready(self, ident: str) -> None:
        uses = tuple(self.s.jobs[ident].spec.uses.items())
        entry = (-self.s.dag.below[ident], self.s.jobs[ident].index, ident)
        heapq.heappush(self.ready.setdefault(uses, []), entry)

    def _ended(self, ident: str, what: int) -> None:
        self.free += what == 0
        for name, amount in self.s.jobs[ident].spec.uses.items():
            self.used[name] = self.used.get(name, 0) - amount
        unmet = self.unmet
        for each in self.s.dag.dependents[ident]:
            if each in unmet:
                unmet[each] -= 1
                if not unmet[each]:
                    self._ready(each)

    def _start(self) -> None:
        while self.free > 0:
            fit = [(heap[0], uses) for uses, heap in self.ready.items() if heap and self._fits(uses)]
            if not fit:
                return
            uses = min(fit)[1]
            ident = heapq.heappop(self.ready[uses])[2]
            job = self.s.jobs[ident]
            end = self.now + self.usual.of(job)
            slot = job.spec.kind != "gate"  # whoever waits for a person holds none
            self.free -= slot
            for name, amount in uses:
                self.used[name] = self.used.get(name, 0) + amount
            heapq.heappush(self.later, (end, 0 if slot else 1, ident))

    def _fits(self, uses: _Uses) -> bool:
        return all(self.used.get(name, 0) + amount <= self.s.spec.resources.get(name, 1) for name, amount in uses)
