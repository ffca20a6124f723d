"""Four loops in the states an operator meets, by real events through the real fold."""

from __future__ import annotations

from hashlib import sha256

from harness_tui.domain import events as ev
from harness_tui.domain.events import Envelope, Event, Fact
from harness_tui.domain.fold import Views
from harness_tui.domain.loop.rows import SpecRow
from harness_tui.domain.loop.spec import Accept, Action, Caps, Gate, LoopSpec, digest
from harness_tui.domain.messages import Text, Usage
from harness_tui.domain.money import NANO
from harness_tui.domain.task import Budget, ModelSpec, RunSpec, TaskFile

from .fake_port import NOW, FakeEngine, FakePort

US = 1_000_000
DAY = "2026-11-21"
STAND_IN = ModelSpec("stand-in", "stand-in")
MAY = {"read_only": "acts", "idempotent": "acts", "destructive": "asks", "network": "cannot"}
DIFF = b"""diff --git a/CHANGELOG.md b/CHANGELOG.md
index 4f2c91a..77aa10b 100644
--- a/CHANGELOG.md
+++ b/CHANGELOG.md
@@ -1,3 +1,4 @@
 # Changelog
-## Unreleased
+## 0.4.0 - 2026-11-20
+- A missed slot after a restart is a row with a reason, never a gap.
 """
CHANGE = ev.Change(
    base="4f2c91a0" * 5, onto="main", branch="loops/changelog-drafter-214", commit="77aa10b2" * 5, tree="5e" * 20,
    diff=sha256(DIFF).hexdigest(), files=("CHANGELOG.md", "docs/releases.md"), added=11, removed=1,
)  # fmt: skip
REPORT = """Drafted the section for 0.4.0 from 14 commits since v0.3.0.

added    the scheduler, missed slots as rows with a reason
changed  the console redraws only what changed
fixed    a lost link no longer decides anything

Not sure about: commit 9c1e2f0 says "misc" and was left out.
"""


def spec(
    name: str, *, level: str = "L2", schedule: str = "", zone: str = "Europe/Berlin", cents: int = 100
) -> LoopSpec:
    task = TaskFile(prompt=f"do what {name} is for", tools=("git_log", "read_file", "edit_file"))
    return LoopSpec(
        name, f"Keeps what {name} is for in order.", task, {"maker": STAND_IN, "checker": STAND_IN}, "/home/op/site",
        level=level, schedule=schedule, zone=zone, budget=Caps(200_000, 0.5, 0, cents / 100),  # type: ignore[arg-type]
        checker=TaskFile(prompt="check it", tools=("read_file",)),
        action=Action("apply-patch", "commit") if level != "L1" else Action(),
        gate=Gate("allowlist", ("apply-patch",), ("CHANGELOG.md", "docs/**"), ("docs/legal/**",)),
        accept=Accept(("mdlint", "CHANGELOG.md")),
    )  # fmt: skip


class Story:
    """Events in commit order, `ago` seconds before NOW."""

    def __init__(self, pos: int = 0) -> None:
        self.pos = pos
        self.heads: dict[str, int] = {}
        self.log: list[Envelope] = []
        self.runs = 40

    def say(self, stream: str, ago: float, *told: Event) -> None:
        for event in told:
            self.pos += 1
            self.heads[stream] = self.heads.get(stream, 0) + 1
            at = int(NOW - ago * US)
            self.log.append(Envelope(self.pos, stream, self.heads[stream], at, event))

    def add(self, ident: str, made: LoopSpec, ago: float, level: str = "") -> None:
        added = ev.LoopAdded(
            made,
            digest(made),
            f"/home/op/loops/{made.name}.toml",
            "ab" * 32,
            level or made.level,
            "ada@pts/1",  # type: ignore[arg-type]
        )
        self.say(ident, ago, added)

    def round(
        self,
        loop: str,
        number: int,
        ago: float,
        outcome: str = "reported",
        *,
        verdict: str = "clean",
        quiet: bool = False,
        level: str = "L2",
        change: ev.Change | None = None,
        report: str = "",
        reasons: tuple[str, ...] = (),
        end: bool = True,
    ) -> str:
        """A whole round of a maker and a checker, or with end=False one whose maker still works."""
        stream, slot = f"{loop}/{number}", int(NOW - ago * US)
        self.say(loop, ago, ev.SlotFired(slot, number))
        self.say(stream, ago, ev.RoundStarted(number, "slot", level, "ab" * 32, slot))  # type: ignore[arg-type]
        self._worker(stream, "maker", ago - 1, 12_000, 4 * NANO // 100, end)
        if not end:
            return stream
        if change or outcome == "escalated":
            self.say(stream, ago - 30, ev.ChangeTaken(change))
        if outcome not in ("exhausted", "failed"):
            self._worker(stream, "checker", ago - 31, 6_000, 2 * NANO // 100, end)
            self.say(stream, ago - 50, ev.VerdictGiven(verdict, reasons))  # type: ignore[arg-type]
            self.say(stream, ago - 51, ev.AcceptanceRun(("mdlint",), 0, seconds=4.0))
            gate = {"escalated": "escalate", "proceeded": "proceed"}.get(outcome, "report")
            self.say(stream, ago - 52, ev.Gated(gate, f"the gate says {gate}", verdict == "clean"))  # type: ignore[arg-type]
        if outcome == "escalated":
            self.say(stream, ago - 53, asked(f"A-{number}", change or CHANGE))
        why = {
            "failed": "maker: the model did not answer after 5 tries",
            "exhausted": "the round's 200,000 tok are spent",
        }
        said = why.get(outcome, "nothing new since v0.3.0" if quiet else "one section drafted")
        self.say(stream, ago - 55, ev.RoundFinished(outcome, said, report, quiet))  # type: ignore[arg-type]
        return stream

    def _worker(self, stream: str, role: str, ago: float, tokens: int, usd: int, end: bool) -> None:
        self.runs += 1
        run, scopes = f"r{self.runs}", (f"round:{stream}", f"{stream.partition('/')[0]}:{DAY}")
        task = RunSpec(TaskFile("work", budget=Budget(100_000)), STAND_IN, title=f"{stream} {role}", parent=stream)
        self.say(run, ago, ev.RunStarted(task, MAY))
        self.say(stream, ago, ev.WorkerStarted(role, run))  # type: ignore[arg-type]
        self.say(f"{run}/1", ago, ev.AttemptStarted(run, 1))
        asks = ev.ModelRequested("m1", 1, tokens, DAY, hold_usd=0, scopes=(f"run:{run}", *scopes))
        self.say(f"{run}/1", ago, asks)
        if not end:
            return
        answer = ev.ModelAnswered("m1", (Text("done"),), Usage(tokens), usd=usd, mark="priced")
        self.say(f"{run}/1", ago - 1, answer)
        self.say(run, ago - 2, ev.RunFinished("succeeded", None, "", "drafted", "model", 0))
        claim = "Drafted the section for 0.4.0." if role == "maker" else "It matches the commits."
        self.say(stream, ago - 2, ev.WorkerEnded(role, run, "succeeded", claim, tokens=tokens, usd=usd))  # type: ignore[arg-type]


def asked(ident: str, change: ev.Change, *, risk: str = "med") -> ev.ApprovalRequested:
    facts = (Fact("loop", "changelog-drafter, round 214, at L2"), Fact("base", "main 4f2c91a"))
    return ev.ApprovalRequested(
        id=ident, call="gate", tool="loop:apply-patch", risk=risk, risk_class="destructive", facts=facts,  # type: ignore[arg-type]
        summary=f"apply-patch: CHANGELOG.md +{change.added} -{change.removed}", digest="c3e41746" + "2" * 56, action="",
        expires=NOW + 14 * 86_400 * US, kind="change", change=change,
    )  # fmt: skip


def story() -> Story:
    told = Story()
    told.add("l1", spec("changelog-drafter", schedule="50 * * * *"), 9 * 86_400)
    told.add("l2", spec("post-merge-cleanup", schedule="every 10m", cents=50), 8 * 86_400)
    told.add("l3", spec("dependency-sweeper", schedule="0 */2 * * *", cents=20), 8 * 86_400)
    told.add("l4", spec("issue-triage", level="L1", schedule="daily 09:00"), 3600)
    told.say("l2", 86_400, ev.LevelSet("L3", "ada@pts/1", "promoted on evidence"))
    told.say("l3", 7000, ev.LevelSet("L1", "harness", "two failed rounds at L2"))
    for number in (208, 209):
        told.round("l1", number, 30_000 - number, quiet=True)
    first = told.round("l1", 212, 14_000, "escalated", change=CHANGE, report=REPORT, reasons=("the list is complete",))
    told.say(first, 13_000, ev.ApprovalDecided("A-212", "approved", "ada@pts/1", "c3e41746"))
    told.say(first, 12_999, ev.ActionStarted("commit", "c3e41746", "ada@pts/1", "A-212"))
    receipt = ev.Receipt("commit", "1 commit on main", "77aa10b2" + "0" * 56, "refs/heads/main", "4f2c91a" * 5,
                         "77aa10b" * 5, "git -C /home/op/site revert --no-edit 77aa10b")  # fmt: skip
    told.say(first, 12_998, ev.ActionFinished(True, "main moved", receipt))
    told.round("l1", 213, 8_000, "reported", verdict="concerns", reasons=("two commits are missing",))
    told.round("l1", 214, 3_960, "escalated", change=CHANGE, report=REPORT, reasons=("reads well", "no link is dead"))
    for number in range(61, 66):
        told.round("l2", number, 7_000 - number * 100, "proceeded", level="L3", change=CHANGE)
    told.round("l2", 66, 45, level="L3", end=False)
    told.round("l3", 11, 26_000)
    for number in (12, 13, 14):
        told.round("l3", number, 24_000 - number * 1000, "failed", level="L2")
    told.round("l3", 15, 7_200, "exhausted", level="L1")
    told.say("l3", 7_100, ev.LoopPaused("harness", "4 rounds in a row failed"))
    told.say("l4", 600, ev.SourceSeen("changed"))
    return told


def engine(told: Story | None = None) -> LoopEngine:
    return LoopEngine(told or story())


class LoopEngine(FakeEngine):
    """The double with loops in it."""

    def __init__(self, told: Story) -> None:
        super().__init__(busy=False)
        self.views = Views()
        for envelope in told.log:
            self.views.apply(envelope)
        v = self.views
        self.log = told.log
        self.rows = {
            "runs": tuple(v.runs.values()),
            "approvals": tuple(row for row in v.approvals.values() if row.open),
            "budgets": tuple(v.budgets.values()),
            "loops": tuple(v.loops.values()),
            "rounds": tuple(row for row in v.rounds.values() if row.number > 210 or row.loop != "l1"),
        }
        self.blobs[CHANGE.diff] = DIFF
        self.asked: list[tuple[str, str]] = []

    async def connect(self) -> FakePort:
        await super().connect()
        self.ports[-1] = LoopPort(self)
        return self.ports[-1]


class LoopPort(FakePort):
    engine: LoopEngine

    async def loop(self, name: str) -> SpecRow:
        self.engine.asked.append(("spec", name))
        return self.engine.views.specs[name]

    async def rounds(self, loop: str, limit: int = 20) -> list[object]:
        self.engine.asked.append(("rounds", loop))
        rows = [row for row in self.engine.views.rounds.values() if row.loop == loop]
        return sorted(rows, key=lambda row: -row.number)[:limit]
