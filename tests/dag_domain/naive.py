"""A graph's run as one would write it without a thought of speed: sets, scans, and nothing kept that can be derived."""

from __future__ import annotations

from collections.abc import Iterable

from harness_tui.domain.dag.spec import Job

OVER = {"succeeded", "dead_lettered", "cancelled"}
GONE = {"dead_lettered", "cancelled"}
SECOND = 1_000_000


class Naive:
    """`todo` is both pending and ready: which of them, follows from the dependencies."""

    def __init__(self, jobs: Iterable[Job], concurrency: int, resources: dict[str, int]) -> None:
        self.jobs = {job.id: job for job in jobs}
        self.concurrency, self.resources = concurrency, resources
        self.index = {ident: at for at, ident in enumerate(self.jobs)}
        self.word = dict.fromkeys(self.jobs, "todo")
        self.attempts = dict.fromkeys(self.jobs, 0)
        self.tries = dict.fromkeys(self.jobs, 0)
        self.visits = dict.fromkeys(self.jobs, 1)
        self.feedback = dict.fromkeys(self.jobs, "")
        self.cause = dict.fromkeys(self.jobs, "")
        self.due = dict.fromkeys(self.jobs, 0)
        self.given: dict[str, object] = {}
        self.good: dict[str, tuple[object, str]] = {}
        self.anew: set[str] = set()
        self.held: set[str] = set()
        self.paused = self.cancelled = self.finished = False

    # -- shape -------------------------------------------------------------------------------------------------------

    def after(self, start: Iterable[str]) -> set[str]:
        start = set(start)
        found: set[str] = set()
        while more := {i for i, j in self.jobs.items() if set(j.deps) & (start | found)} - found - start:
            found |= more
        return found

    def below(self, ident: str) -> int:
        best, layer = 0, {ident}
        while layer:
            best += 1
            layer = {i for i, j in self.jobs.items() if set(j.deps) & layer}
        return best

    def words(self) -> dict[str, str]:
        return {ident: self.shown(ident) for ident in self.jobs}

    def shown(self, ident: str) -> str:
        if self.word[ident] != "todo":
            return self.word[ident]
        return "ready" if all(self.word[dep] == "succeeded" for dep in self.jobs[ident].deps) else "pending"

    def inputs(self, ident: str) -> object:
        job = self.jobs[ident]
        return job.call, job.wait, [(dep, self.good[dep][1] if dep in self.good else "") for dep in job.deps], \
            self.feedback[ident]  # fmt: skip

    # -- what follows by itself --------------------------------------------------------------------------------------

    def settle(self, busy: int) -> None:
        while not self.finished and self._step(busy):
            pass

    def _step(self, busy: int) -> bool:
        left = {ident for ident, word in self.word.items() if word not in OVER}
        shown = self.words()
        if left and self.cancelled:
            return self._cancel(left, "")
        if "running" not in shown.values() and "ready" not in shown.values():
            for ident in self.jobs:
                lost = [dep for dep in self.jobs[ident].deps if self.word[dep] in GONE]
                if shown[ident] == "pending" and lost:
                    return self._cancel({ident} | self.after({ident}), lost[0])
        if self._starts(shown):
            return True
        if not left and not busy:
            self.finished = True
        return False

    def _starts(self, shown: dict[str, str]) -> bool:
        if self.paused or self.cancelled:
            return False
        free = self.concurrency - sum(word == "running" for word in shown.values())
        used: dict[str, int] = {}
        for ident, word in shown.items():
            for name, amount in self.jobs[ident].uses.items() if word in ("running", "waiting") else ():
                used[name] = used.get(name, 0) + amount
        ready = sorted(
            (-self.below(i), self.index[i], i) for i, w in shown.items() if w == "ready" and i not in self.held
        )
        moved = False
        for _, _, ident in ready:
            uses = self.jobs[ident].uses
            if free <= 0:
                break
            if any(used.get(name, 0) + amount > self.resources.get(name, 1) for name, amount in uses.items()):
                continue
            moved = True
            if ident not in self.anew and ident in self.good and self.good[ident][0] == self.inputs(ident):
                self.word[ident] = "succeeded"
                continue
            free -= 1
            self.given[ident] = self.inputs(ident)
            self.word[ident] = "running"
            self.attempts[ident] += 1
            self.tries[ident] += 1
            for name, amount in uses.items():
                used[name] = used.get(name, 0) + amount
        return moved

    def _cancel(self, jobs: set[str], cause: str) -> bool:
        for ident in jobs:
            if self.word[ident] not in OVER:
                self.word[ident], self.cause[ident] = "cancelled", cause
        return True

    # -- attempts ----------------------------------------------------------------------------------------------------

    def current(self, ident: str, attempt: int) -> bool:
        known = ident in self.jobs and self.attempts[ident] == attempt
        return known and self.word[ident] in ("running", "waiting")

    def succeed(self, ident: str, attempt: int, result: str) -> None:
        if not self.current(ident, attempt):
            return
        route = self.jobs[ident].route
        goal = route[0].goto if route and route[0].match in result else ""
        if goal and self.visits[goal] >= self.jobs[goal].visits:
            self._die(ident)
            return
        self.word[ident] = "succeeded"
        self.good[ident] = (self.given[ident], result)
        self.anew.discard(ident)
        if goal:
            self.visits[goal] += 1
            self._reset(goal, {goal} | self.after({goal}), result)

    def fail(self, ident: str, attempt: int, t: int, final: bool) -> None:
        if not self.current(ident, attempt):
            return
        retry = self.jobs[ident].retry
        if final or self.tries[ident] >= retry.attempts:
            self._die(ident)
            return
        self.word[ident] = "retrying"
        self.due[ident] = max(1, t + int((0 if retry.backoff == "none" else retry.delay) * SECOND))

    def wait(self, ident: str, attempt: int) -> None:
        if self.current(ident, attempt):
            self.word[ident] = "waiting"

    def go(self, ident: str, attempt: int) -> None:
        if self.current(ident, attempt):
            self.word[ident] = "running"

    def time(self, t: int) -> list[str]:
        """Ids whose backoff is over."""
        return [ident for ident in self.jobs if self.word[ident] == "retrying" and self.due[ident] <= t]

    def _die(self, ident: str) -> None:
        self.word[ident] = "dead_lettered"
        self._cancel(self.after({ident}), ident)

    def _reset(self, target: str, jobs: set[str], feedback: str = "") -> None:
        for ident in jobs:
            self.word[ident], self.tries[ident], self.cause[ident] = "todo", 0, ""
        self.anew.add(target)
        self.feedback[target] = feedback

    # -- words -------------------------------------------------------------------------------------------------------

    def cancel(self, ident: str) -> None:
        self._cancel({ident} | self.after({ident}), ident)

    def hold(self, ident: str) -> None:
        self.held |= {ident} | self.after({ident})

    def release(self, ident: str) -> None:
        self.held -= {ident} | self.after({ident})

    def retry(self, ident: str, feedback: str) -> None:
        self.finished = self.finished and not self._open()
        self._reset(ident, {ident} | self.after({ident}), feedback)

    def retry_lost(self) -> None:
        lost = {i for i, word in self.word.items() if word in GONE}
        first = lost - self.after(lost)
        self.finished = self.finished and not self._open()
        for ident in first:
            self._reset(ident, {ident} | self.after({ident}))

    def lost(self) -> bool:
        return any(word in GONE for word in self.word.values())

    def _open(self) -> bool:
        self.cancelled = self.paused = False
        return True

    def replan(self, jobs: list[Job], drop: set[str]) -> None:
        done: set[str] = set(drop)
        replaced = [job.id for job in jobs if job.id in self.jobs]
        orphans = [ident for ident in self.jobs if self.word[ident] == "cancelled" and self.cause[ident] in drop]
        for ident in (*replaced, *orphans):
            if ident not in done:
                again = ({ident} | self.after({ident})) - done
                done |= again
                self._reset(ident, again)
        for ident in drop:
            del self.jobs[ident]
        for job in jobs:
            if job.id not in self.index:
                self.index[job.id] = len(self.index)
                self.attempts[job.id] = 0
            self.jobs[job.id] = job
            self.word[job.id], self.tries[job.id], self.visits[job.id] = "todo", 0, 1
            self.feedback[job.id] = self.cause[job.id] = ""
            self.anew.discard(job.id)
        for table in (self.word, self.tries, self.visits, self.feedback, self.cause, self.due, self.good, self.given):
            for ident in drop:
                table.pop(ident, None)  # type: ignore[attr-defined]
        self.held -= drop
