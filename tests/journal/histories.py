"""Random histories of runs that could have happened: legal events only, in many streams, for folds and crashes."""

from __future__ import annotations

from collections.abc import Callable

from harness_tui.domain import events as ev
from harness_tui.domain.events import Event, Fact, Write
from harness_tui.domain.fold import Views
from harness_tui.domain.messages import Message, Text, ToolCall, Usage
from harness_tui.domain.rules import Rule
from harness_tui.domain.task import Budget, ModelSpec, RunSpec, TaskFile

TABLES = ("runs", "approvals", "budgets", "holds", "frames", "rules", "trusted")
SPEC = RunSpec(
    TaskFile("upvote the first story", budget=Budget(5000, 0.5)), ModelSpec("stand-in", "scripted"), title="t"
)


def rows(views: Views) -> dict[str, object]:
    """All of a fold, comparable."""
    return {"pos": views.pos, **{name: getattr(views, name) for name in TABLES}}


class TickClock:
    """A clock that moves one millisecond a look, and sometimes back."""

    def __init__(self, start: int = 1_790_000_000_000_000) -> None:
        self.at = start
        self.looks = 0

    def now(self) -> int:
        self.looks += 1
        self.at += 1000 if self.looks % 7 else -5000
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += int(seconds * 1_000_000)


class _Run:
    def __init__(self, uid: str) -> None:
        self.uid = uid
        self.attempt = 0
        self.call = ""
        self.tool = ""
        self.approval = ""
        self.approved = ""
        self.iteration = 0
        self.over = False

    @property
    def child(self) -> str:
        return f"{self.uid}/{self.attempt}"


class History:
    """Draws the next append from what is legal now; `heads` counts what was drawn."""

    def __init__(self, prefix: str = "r") -> None:
        self.prefix = prefix
        self.heads: dict[str, int] = {}
        self.runs: list[_Run] = []
        self.serial = 0

    def step(self, which: int, what: int) -> list[Write]:
        """The writes of one append: `which` picks the run (or a new one), `what` one of its legal moves."""
        which %= len(self.runs) + 2
        if which == 0:
            return self._writes((f"{self.prefix}engine", (self._governed(what),)))
        if which == 1:
            return self._start()
        moves = self._moves(self.runs[which - 2])
        return moves[what % len(moves)]()

    def _governed(self, what: int) -> Event:
        ident, path = f"R-{self.prefix}{what % 2}", f"/w{what % 2}"
        return (
            ev.EngineRecovered(len(self.runs), 0),
            ev.RuleAdded(Rule("allow", "browser_*", host="example.org", id=ident, by="me")),
            ev.RuleRevoked(ident, "me"),
            ev.WorkspaceTrusted(path, "d" * 64, "me"),
            ev.WorkspaceDistrusted(path, "me"),
        )[what % 5]

    def _writes(self, *parts: tuple[str, tuple[Event, ...]]) -> list[Write]:
        writes = []
        for run, happened in parts:
            head = self.heads.get(run, 0)
            writes.append(Write(run, head, happened))
            self.heads[run] = head + len(happened)
        return writes

    def _name(self, letter: str) -> str:
        self.serial += 1
        return f"{letter}{self.prefix}{self.serial}"

    def _start(self) -> list[Write]:
        run = _Run(f"{self.prefix}{len(self.runs) + 1}")
        self.runs.append(run)
        started = (ev.RunStarted(SPEC, {"read_only": "acts"}, "none"),)
        return self._writes((run.uid, started)) + self._attempt(run)

    def _attempt(self, run: _Run) -> list[Write]:
        run.attempt += 1
        run.iteration = 0
        begun = (
            ev.AttemptStarted(run.uid, run.attempt),
            ev.EnvironmentOpened("browser", "s1", ("browser unsandboxed",)),
        )
        return self._writes((run.uid, (ev.AttemptLaunched(run.attempt, run.child),)), (run.child, begun))

    def _moves(self, run: _Run) -> list[Callable[[], list[Write]]]:
        if run.over:
            return [
                lambda: self._writes((run.uid, (ev.CancelRequested("late", "too late"),))),
                lambda: self._reopen(run),
            ]
        if run.call:
            return [lambda: self._answer(run), lambda: self._fail(run)]
        if run.tool:
            return [lambda: self._effect(run, True), lambda: self._effect(run, False)]
        if run.approval:
            return [lambda: self._decide(run, way) for way in range(4)]  # noqa: B023
        return [
            lambda: self._ask_model(run),
            lambda: self._use(run, "read_only"),
            lambda: self._use(run, "destructive"),
            lambda: self._request(run, "action"),
            lambda: self._request(run, "in_doubt"),
            lambda: self._note(run),
            lambda: self._job(run),
            lambda: self._end(run, None),
            lambda: self._end(run, True),
        ]

    def _in(self, run: _Run, *happened: Event) -> list[Write]:
        return self._writes((run.child, happened))

    def _ask_model(self, run: _Run) -> list[Write]:
        run.call, run.iteration = self._name("c"), run.iteration + 1
        return self._in(run, ev.ModelRequested(run.call, run.iteration, 300, f"2026-11-{20 + run.iteration % 3}"))

    def _answer(self, run: _Run) -> list[Write]:
        call, run.call = run.call, ""
        parts = (Text("I click."), ToolCall("t1", "browser_click", {"selector": "#up", "n": [1, None, "ü"]}))
        return self._in(run, ev.ModelAnswered(call, parts, Usage(100, 20, 10)))

    def _fail(self, run: _Run) -> list[Write]:
        call, run.call = run.call, ""
        return self._in(run, ev.ModelFailed(call, "429", "retry", 7, 1_790_000_009_000_000))

    def _use(self, run: _Run, risk: str) -> list[Write]:
        run.tool, run.approved, approval = self._name("t"), "", run.approved
        rules = "" if approval else f"R-{self.prefix}0 R-{self.prefix}1"
        started = ev.ToolStarted(run.tool, "browser_click", risk, "d" * 64, "click", None, approval, rules)  # type: ignore[arg-type]
        return self._in(run, started)

    def _effect(self, run: _Run, ok: bool) -> list[Write]:
        tool, run.tool = run.tool, ""
        sha = f"{self.serial:064x}"
        frame = ev.FrameCaptured(sha, "http://127.0.0.1/", "News", "after click", 640, 400, 1234, "story one")
        return self._in(run, ev.ToolFinished(tool, "browser_click", ok, "clicked", 3), frame)

    def _request(self, run: _Run, kind: str) -> list[Write]:
        run.approval = self._name("A")
        request = ev.ApprovalRequested(
            id=run.approval,
            call="t1",
            tool="browser_click",
            risk="high",
            risk_class="destructive",
            summary="click",
            facts=(Fact("URL", "x"),),
            digest="d" * 64,
            action="a" * 64,
            expires=0,
            kind=kind,  # type: ignore[arg-type]
            arguments={"selector": "#up"},
        )
        return self._in(run, request)

    def _decide(self, run: _Run, way: int) -> list[Write]:
        ident, run.approval = run.approval, ""
        if way == 0:
            run.approved = ident
        return self._in(
            run,
            (
                ev.ApprovalDecided(ident, "approved", "me", "d" * 64),
                ev.ApprovalExpired(ident),
                ev.ApprovalWithdrawn(ident, "the page changed"),
                ev.ApprovalResolved(ident, "happened", "me"),
            )[way],
        )

    def _note(self, run: _Run) -> list[Write]:
        said = ev.MessageAdded(Message.say("user", "try again"), "retry")
        login = ev.LoginHandled(True, "http://127.0.0.1", "signed in")
        return self._in(run, said, login, ev.ToolRefused("t9", "rm", "unknown_tool", "no such tool"), ev.TurnEnded(1))

    def _job(self, run: _Run) -> list[Write]:
        job, t = self._name("j"), self.serial
        started, done = ev.JobStarted(job, 1, "f" * 16, t), ev.JobSucceeded(job, "r" * 16, t)
        task = (ev.TaskResumed("function"), ev.TaskFinished({"rows": t}))
        return self._writes((run.uid, (started, done)), (f"{run.uid}/{job}#1", task))

    def _reopen(self, run: _Run) -> list[Write]:
        run.over = False
        return self._writes((run.uid, (ev.RunReopened("me", "once more"),))) + self._attempt(run)

    def _end(self, run: _Run, passed: bool | None) -> list[Write]:
        reason = "gone" if passed else "nothing verified the claim"
        done = "succeeded" if passed else "failed"
        child = (
            ev.LoopStopped("model", "said so", "voted"),
            ev.Verified(passed, reason),
            ev.AttemptFinished(done, reason),  # type: ignore[arg-type]
        )
        ended = (ev.AttemptEnded(run.attempt, passed, reason),)
        writes = self._writes((run.child, child), (run.uid, ended))
        if not passed and run.attempt < 2:
            return writes + self._attempt(run)
        run.over = True
        finished = (ev.RunFinished(done, passed, reason, "voted", "model", 0 if passed else 1),)  # type: ignore[arg-type]
        return writes + self._writes((run.uid, finished))
