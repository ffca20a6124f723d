"""Answers of jobs, read from the one place each is stored in, and kept for a while: a fan-in passes references."""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from ..domain import events as ev
from ..domain.dag.state import DagState, JobState
from . import work
from .kit import Answer, DagKit

KEPT = 32 * 1024 * 1024
"""Bytes of answers kept in memory, about; the journal has them all."""


class Answers:
    """Answers of one run, by the stream of the attempt that gave them."""

    def __init__(self, kit: DagKit) -> None:
        self._kit = kit
        self._kept: OrderedDict[str, tuple[Answer, int]] = OrderedDict()
        self._size = 0

    def keep(self, child: str, answer: Answer, size: int) -> None:
        if child in self._kept:
            return
        self._kept[child] = answer, size
        self._size += size
        while self._size > KEPT and len(self._kept) > 1:
            _, (_, freed) = self._kept.popitem(last=False)
            self._size -= freed

    def at_hand(self, s: DagState, job: JobState) -> dict[str, Answer] | None:
        """As `given`, where all of them are in memory; else None."""
        found: dict[str, Answer] = {}
        for dep in job.spec.deps:
            good = s.jobs[dep].good
            kept = self._kept.get(good.child) if good else None
            if good is None or kept is None:
                return None
            self._kept.move_to_end(good.child)
            found[dep] = kept[0]
        return found

    async def given(self, s: DagState, job: JobState) -> dict[str, Answer]:
        """What a job's dependencies answered, in their order."""
        return {dep: await self.of(s.jobs[dep]) for dep in job.spec.deps}

    async def prior(self, s: DagState, job: JobState) -> Answer | None:
        """The last answer of a job that was sent back; None when it never had one."""
        return await self._at(job, job.prior) if job.prior else None

    async def of(self, job: JobState) -> Answer:
        """A job's answer. Raises HarnessError when it cannot be read any more."""
        return await self._at(job, job.good.child) if job.good and job.good.child else Answer(job.spec.id)

    async def _at(self, job: JobState, child: str) -> Answer:
        if child in self._kept:
            self._kept.move_to_end(child)
            return self._kept[child][0]
        found = await (self._of_agent(job, child) if job.spec.of_agent else self._of_task(job, child))
        self.keep(child, found, len(found.text) + 200)
        return found

    async def _of_agent(self, job: JobState, run: str) -> Answer:
        row = await self._kit.runs.ended(run)
        told = work.outcome(job, row, await self._kit.runs.events(run))
        return await whole(Answer(job.spec.id, told.value, told.text, told.blob), self._kit)

    async def _of_task(self, job: JobState, child: str) -> Answer:
        ends = [e.event for e in await self._kit.log.stream(child) if isinstance(e.event, ev.TaskFinished)]
        if not ends:
            return Answer(job.spec.id)
        return await answer_of(job.spec.id, ends[-1], self._kit)


async def whole(answer: Answer, kit: DagKit) -> Answer:
    """What an agent run answered, with all of its text as the value where that is long."""
    if not answer.blob:
        return answer
    text = (await kit.blobs.get(answer.blob)).decode(errors="replace")
    return Answer(answer.job, text, text, answer.blob)


async def answer_of(job: str, end: ev.TaskFinished, kit: DagKit) -> Answer:
    """The answer of an attempt without an agent."""
    value = msgspec.json.decode(await kit.blobs.get(end.blob)) if end.blob else end.value
    return Answer(job, value, text_of(value), end.blob)


def text_of(value: object) -> str:
    """An answer as text: itself, or as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
