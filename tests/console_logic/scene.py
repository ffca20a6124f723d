"""Scenes for the console's tests: real events through the real fold, on a clock that stands still."""

from __future__ import annotations

from harness_tui.console.model import Model
from harness_tui.domain import events as ev
from harness_tui.domain.codec import WireEvent
from harness_tui.domain.events import Envelope, Event, Fact
from harness_tui.domain.fold import Views
from harness_tui.domain.messages import Mark, Text, ToolCall, Usage
from harness_tui.domain.money import NANO
from harness_tui.domain.task import Budget, ModelSpec, RunSpec, TaskFile
from harness_tui.port.snapshot import Batch, EngineInfo, Snapshot

US = 1_000_000
NOW = 1_795_265_880 * US  # 2026-11-21 12:58:00 UTC
MAY = {"read_only": "acts", "idempotent": "acts", "destructive": "asks", "network": "asks"}
BWRAP = ("bubblewrap", "bubblewrap", ("writes", "reads", "network", "processes", "controls"), (), True)
ENGINE = EngineInfo(pid=812, version="0.1.0", home="~/.h", host="h1@build-07", started=NOW - 3600 * US)


class Log:
    """Events in commit order, as the engine would send them."""

    def __init__(self) -> None:
        self.pos = 0
        self.heads: dict[str, int] = {}
        self.all: list[Envelope] = []

    def add(self, run: str, ago: float, *events: Event) -> list[Envelope]:
        """Append events of `run` that happened `ago` seconds before NOW."""
        fresh = []
        for event in events:
            self.pos += 1
            self.heads[run] = self.heads.get(run, 0) + 1
            fresh.append(Envelope(self.pos, run, self.heads[run], int(NOW - ago * US), event))
        self.all += fresh
        return fresh

    def snapshot(self, *, engine: EngineInfo = ENGINE, trace: int = 500) -> Snapshot:
        views = Views()
        for envelope in self.all:
            views.apply(envelope)
        return Snapshot(
            engine=engine,
            pos=self.pos,
            at=NOW,
            runs=tuple(views.runs.values()),
            approvals=tuple(row for row in views.approvals.values() if row.open),
            budgets=tuple(views.budgets.values()),
            holds=tuple(views.holds.values()),
            frames=tuple(views.frames.values()),
            trace=tuple(WireEvent.of(envelope) for envelope in self.all[-trace:]),
        )


def batch(*envelopes: Envelope, **more: object) -> Batch:
    return Batch(events=tuple(WireEvent.of(envelope) for envelope in envelopes), **more)  # type: ignore[arg-type]


def spec(title: str, tokens: int = 100_000, usd: float | None = None) -> RunSpec:
    task = TaskFile(prompt=title, budget=Budget(tokens=tokens, usd=usd))
    return RunSpec(task=task, model=ModelSpec("stand-in", "stand-in"), title=title, workspace="~/site")


FACTS = (
    Fact("tool", "browser_click(ref=s1.vote)                        destructive"),
    Fact("page", "https://news.local/   top frame   signed in as demo"),
    Fact("target", '[^] upvote  "Show HN: a durable log, many views"  (story 1)'),
    Fact("sends", "GET https://news.local/vote?id=4811&how=up   cookie yes"),
    Fact("frame", "0412, taken 1 s before the request   (6 shows it)"),
    Fact("effect", "cannot be undone by the harness"),
)


def request(
    ident: str = "A-29",
    *,
    digest: str = "550dcabb" + "0" * 56,
    risk: str = "high",
    kind: str = "action",
    facts: tuple[Fact, ...] = FACTS,
    summary: str = "browser_click: upvote story 1",
    expires: int = NOW + 900 * US,
    call: str = "c3",
) -> ev.ApprovalRequested:
    return ev.ApprovalRequested(
        id=ident,
        call=call,
        tool="browser_click",
        risk=risk,  # type: ignore[arg-type]
        risk_class="destructive",
        summary=summary,
        facts=facts,
        digest=digest,
        action=digest,
        expires=expires,
        kind=kind,  # type: ignore[arg-type]
    )


DOUBT = (
    Fact("effect", "git push origin v0.4.0                    started 11:04:02"),
    Fact("record", "started, no result: the engine stopped 0.3 s later"),
    Fact("checked", "remote has tag v0.4.0 at 4f2c91a          (ls-remote, 11:06:10)"),
    Fact("again", "network, not idempotent: twice is not safe"),
)
DIFF = tuple(Fact("patch" if i == 0 else "", f"+- line {i} of a long change to CHANGELOG.md") for i in range(39))


def busy() -> Log:
    """Six runs in six states, four requests, a frame, budgets."""
    log = Log()
    day = "2026-11-21"
    log.add("r14", 3900, ev.RunStarted(spec("release notes"), MAY, *BWRAP))
    log.add("r14/1", 3890, ev.AttemptStarted("r14", 1))
    log.add(
        "r14/1",
        3720,
        request(
            "A-27",
            digest="4e84327a" + "1" * 56,
            kind="in_doubt",
            facts=DOUBT,
            summary="git push origin v0.4.0",
            expires=0,
        ),
    )
    log.add("r15", 540, ev.RunStarted(spec("flaky-hunt"), MAY, *BWRAP))
    log.add("r15/1", 539, ev.AttemptStarted("r15", 1), ev.ModelRequested("m1", 1, 50_000, day))
    log.add("r15/1", 500, ev.ModelAnswered("m1", (Text("tests fail"),), Usage(38_000, 2_000)))
    log.add("r15", 490, ev.RunFinished("failed", False, "pytest exit 1", "all green", "verifier", 1))
    log.add("r18", 260, ev.RunStarted(spec("deps-bump #14 maker", 40_000), {**MAY, "network": "cannot"}, *BWRAP))
    log.add("r18/1", 259, ev.AttemptStarted("r18", 1), ev.ModelRequested("m1", 1, 4_000, day))
    log.add("r18/1", 200, ev.ModelAnswered("m1", (Text("bump"),), Usage(30_000, 1_400)))
    log.add(
        "r18/1",
        190,
        request(
            "A-28",
            digest="c3e41746" + "2" * 56,
            risk="med",
            facts=DIFF,
            summary="apply patch: CHANGELOG.md +11 -1",
            call="c9",
        ),
    )
    log.add(
        "r19",
        30,
        ev.RunStarted(
            spec("docs-site"),
            {"read_only": "acts", "destructive": "cannot", "network": "cannot", "idempotent": "cannot"},
            sandbox_asked="auto",
            sandbox_notes=("no user namespaces here",),
        ),
    )
    log.add("r19/1", 29, ev.AttemptStarted("r19", 1), ev.ModelRequested("m1", 1, 8_000, day))
    log.add("r17", 90, ev.RunStarted(spec("upvote first story"), MAY, *BWRAP))
    log.add("r17/1", 89, ev.AttemptStarted("r17", 1), ev.EnvironmentOpened("browser", "s1", ("browser unsandboxed",)))
    log.add("r17/1", 80, ev.ModelRequested("m1", 1, 10_000, day))
    calls = (ToolCall("c1", "browser_navigate"), ToolCall("c2", "browser_get_stories"))
    log.add("r17/1", 70, ev.ModelAnswered("m1", calls, Usage(11_000, 1_000)))
    log.add(
        "r17/1",
        60,
        ev.ToolStarted("c1", "browser_navigate", "network", "d" * 64, "browser_navigate https://news.local/"),
    )
    log.add("r17/1", 59, ev.ToolFinished("c1", "browser_navigate", True, "200 OK, Hacker-ish News", 131))
    snapshot = "s1   [^] upvote story 1\ns2   link Show HN: a durable log, many views\ns3   link 12 comments"
    log.add(
        "r17/1",
        58,
        ev.FrameCaptured(
            "0412ab" + "f" * 58, "https://news.local/", "Hacker-ish News", "navigate", 1280, 800, 9000, snapshot
        ),
    )
    log.add("r17/1", 50, ev.LoginHandled(True, "http://news.local", "signed in as demo"))
    log.add("r17/1", 15, request())
    return log


DAY = "2026-11-21"
CENT = NANO // 100


def spends(
    log: Log,
    run: str,
    ago: float,
    tokens: int,
    cents: int | None,
    *,
    held: tuple[int, int] = (0, 0),
    model: str = "",
    mark: Mark = "priced",
    notes: tuple[str, ...] = (),
) -> None:
    """One settled call of a run's first attempt, and perhaps another one under way that holds (tokens, cents)."""
    scopes = (f"run:{run}", f"day:{DAY}")
    call = f"m{log.pos}"
    log.add(f"{run}/1", ago, ev.ModelRequested(call, 1, tokens, DAY, hold_usd=0, scopes=scopes))
    usd = None if cents is None else cents * CENT
    answered = ev.ModelAnswered(
        call, (Text("I read on."),), Usage(tokens), usd=usd, mark=mark, model=model, notes=notes
    )
    log.add(f"{run}/1", ago - 1, answered)
    if any(held):
        asks = ev.ModelRequested(f"{call}x", 2, held[0], DAY, hold_usd=held[1] * CENT, scopes=scopes)
        log.add(f"{run}/1", 3, asks)


def spending() -> Log:
    """A day with a money limit, runs near and at their own limits, one that a model asked for patience."""
    log = Log()
    log.add("engine", 9000, ev.BudgetSet("day", 0, 20 * NANO, "ada (cli)"))
    for number, cents in (("r11", 40), ("r12", 60)):
        log.add(number, 8000, ev.RunStarted(spec("nightly triage"), MAY, *BWRAP), ev.AttemptLaunched(1, f"{number}/1"))
        log.add(f"{number}/1", 7990, ev.AttemptStarted(number, 1))
        spends(log, number, 7000, 50_000, cents)
        log.add(number, 6900, ev.RunFinished("succeeded", True, "the page says so", "", "goal", 0))
    log.add("r18", 860, ev.RunStarted(spec("deps-bump #14 maker", 40_000), MAY, *BWRAP))
    log.add("r18/1", 859, ev.AttemptStarted("r18", 1))
    spends(log, "r18", 840, 11_000, 12, model="small-1")
    spends(log, "r18", 400, 20_400, 23, held=(4_000, 10), notes=("temperature is not taken by big-2 and was left out",))
    log.add("r18/1", 398, ev.BudgetWarned("run:r18", 40_000, 31_400, "tokens"))
    log.add("r19", 500, ev.RunStarted(spec("docs-site", 1_000_000, usd=2.0), MAY, *BWRAP))
    log.add("r19/1", 499, ev.AttemptStarted("r19", 1))
    spends(log, "r19", 450, 90_000, 130)
    spends(log, "r19", 100, 40_000, 60, held=(9_000, 10))
    log.add("r19/1", 98, ev.BudgetWarned("run:r19", 2 * NANO, 190 * CENT, "usd"))
    log.add("r20", 300, ev.RunStarted(spec("release notes"), MAY, *BWRAP))
    log.add("r20/1", 299, ev.AttemptStarted("r20", 1))
    spends(log, "r20", 200, 12_000, 7, mark="estimated")
    late = ev.ModelFailed("m9", "big-2 allows no call for a while.", "retry", retry_at=NOW + 4920 * US)
    log.add("r20/1", 90, ev.ModelRequested("m9", 2, 5_000, DAY, scopes=("run:r20",)), late)
    return log


class Bench:
    """A model with hands: a clock that is set, keys that are pressed, frames that are acknowledged."""

    def __init__(self, log: Log | None = None, *, ascii: bool = True, width: int = 80, height: int = 24) -> None:
        self.at = 100.0
        self.wall = NOW
        self.model = Model(ascii=ascii, now=lambda: self.wall, ssh=True, title="~/site", by="1000@pts/3")
        self.log = log or Log()
        self.model.resized(width, height, self.at)
        if log is not None:
            self.model.attach(log.snapshot())
            self.model.set_link("live")

    def wait(self, seconds: float) -> list[object]:
        """Let time pass, with every timer on its moment."""
        end, out = self.at + seconds, []
        while (due := self.model.due()) is not None and due <= end:
            self.at = max(self.at, due)
            out += self.model.tick(self.at)
        self.at = end
        return out

    def draw(self) -> list[object]:
        """One frame, acknowledged at once; returns nothing of what was drawn."""
        stamp = self.model.wants_ack
        for name, rect in self.model.places(self.model.width, self.model.height).items():
            self.model.lines(name, rect.width, rect.height)
        if stamp is not None:
            self.model.acknowledged(self.at, stamp)
        return []

    def press(self, key: str, pause: float = 0.5) -> list[object]:
        """One key, drawn, and time after it."""
        out: list[object] = list(self.model.key(key, self.at))
        self.draw()
        return out + self.wait(pause)

    def arm(self) -> None:
        """Go to 4 and do what an operator does: look."""
        if self.model.focus != 4:
            self.press("4")
        for _ in range(3):
            self.draw()
            self.wait(0.6)

    def screen(self) -> tuple[list[str], list[str]]:
        """The whole screen: its text, and the token of every cell as a letter (see `letters`)."""
        m = self.model
        text = [[" "] * m.width for _ in range(m.height)]
        token = [["?"] * m.width for _ in range(m.height)]
        for name, rect in m.places(m.width, m.height).items():
            lines = m.lines(name, rect.width, rect.height)
            assert len(lines) == rect.height, name
            for dy, line in enumerate(lines):
                cells = [(c, span.token) for span in line for c in span.text]
                assert len(cells) == rect.width, (name, dy, line)
                for dx, (char, tok) in enumerate(cells):
                    text[rect.y + dy][rect.x + dx], token[rect.y + dy][rect.x + dx] = char, tok
        return ["".join(row) for row in text], [" ".join(_runs(row)) for row in token]


def _runs(row: list[str]) -> list[str]:
    """`base*12 dim*4`: a row of tokens, shortened."""
    out: list[str] = []
    start = 0
    for i in range(1, len(row) + 1):
        if i == len(row) or row[i] != row[start]:
            out.append(f"{row[start].replace(' ', '+')}*{i - start}")
            start = i
    return out
