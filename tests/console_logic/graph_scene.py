"""Graphs for the console's tests: events made by the engine's own functions, on a clock that stands still."""

from __future__ import annotations

from harness_tui.console import dag_wants
from harness_tui.console.graph.shape import lay_out, suggest
from harness_tui.console.intents import AnalyseDag, FetchAttempt, FetchDag, LayDag
from harness_tui.console.stores.dags import Attempt, own
from harness_tui.domain import events as ev
from harness_tui.domain.dag import decide, steer
from harness_tui.domain.dag.evolve import evolve
from harness_tui.domain.dag.picture import DagPicture, picture, restore
from harness_tui.domain.dag.settle import Room, settle
from harness_tui.domain.dag.spec import DagSpec, Job, Retry
from harness_tui.domain.dag.state import DagState
from harness_tui.domain.events import Envelope, Event, Fact
from harness_tui.domain.messages import Usage

from .scene import BWRAP, MAY, NOW, US, Bench, Log, batch, spec

AGE = 60.0
"""Seconds since the graph of these scenes began."""
PLAN = (
    Job("fetch-a", prompt="read the docs of tool a", title="tool a"),
    Job("fetch-b", prompt="read the docs of tool b"),
    Job("fetch-c", prompt="read the docs of tool c", retry=Retry(attempts=3, backoff="fixed", delay=2.0)),
    Job("score-a", deps=("fetch-a",), call="scores:score"),
    Job("score-b", deps=("fetch-b",), call="scores:score", retry=Retry(attempts=3, backoff="fixed", delay=3.0)),
    Job("score-c", deps=("fetch-c",), call="scores:score"),
    Job("approve-plan", deps=("score-a",), gate="Is the comparison fair?"),
    Job("merge", deps=("approve-plan", "score-b"), call="scores:merge"),
    Job("publish", deps=("merge",), verify=("pytest", "-q")),
)


class Story:
    """One graph's run as the engine would write it; `t` seconds since its start."""

    def __init__(self, log: Log, jobs: tuple[Job, ...], run: str = "r20", **given: object) -> None:
        self.log, self.run, self.t = log, run, 0.0
        self.s = DagState(run)
        self.given = {"goal": "compare three tools", "title": "compare tools", "source": "plan.toml", **given}
        self.say(ev.DagStarted(DagSpec(**self.given), MAY))  # type: ignore[arg-type]
        self.propose(jobs, "operator")
        self.settle()

    def say(self, *events: Event) -> list[Envelope]:
        """Events of its stream, now."""
        for event in events:
            evolve(self.s, event)
        return self.log.add(self.run, AGE - self.t, *events)

    def propose(self, jobs: tuple[Job, ...], by: str, drop: tuple[str, ...] = (), widens: tuple[str, ...] = ()) -> None:
        wish = steer.Propose(by, jobs, drop, widens, "because a fourth tool was named" if self.s.plans else "")
        for part in steer.proposal(self.s, wish):
            self.say(*part)
        if not widens:
            for event in steer.applied(self.s):
                self.say(event)

    def settle(self) -> None:
        """What starts by itself; of agents also the runs that are their attempts."""
        for event in settle(self.s, int(self.t * US), Room()):
            self.log.add(self.run, AGE - self.t, event)
            if isinstance(event, ev.JobStarted) and self.s.jobs[event.job].spec.of_agent:
                self._agent(event)

    def _agent(self, x: ev.JobStarted) -> None:
        number = 31 + sum(envelope.run.startswith("r3") and "/" not in envelope.run for envelope in self.log.all)
        run = f"r{number}"
        from msgspec.structs import replace

        made = replace(spec(f"{x.job} of {self.run}"), dag=self.run, job=f"{x.job}#{x.attempt}")
        self.say(ev.JobBound(x.job, run))
        self.log.add(run, AGE - self.t, ev.RunStarted(made, MAY, *BWRAP))
        self.log.add(f"{run}/1", AGE - self.t, ev.AttemptStarted(run, 1))

    def ended(self, job: str, at: float, error: str = "", tokens: int = 0, cents: int = 0) -> None:
        """The newest attempt of a job ends, `at` seconds after the start, and what follows does."""
        self.t = at
        known = self.s.jobs[job]
        for event in decide.decide(
            self.s,
            decide.Ended(job, known.attempts, error, "" if error else "ab" * 8, "", tokens, cents * 10_000_000),
            int(at * US),
        ):
            self.say(event)
        if known.spec.of_agent:
            word = "failed" if error else "succeeded"
            self.log.add(known.child, AGE - at, ev.RunFinished(word, None, error or "all good", "", "model", 0))
        self.settle()

    def due(self, job: str, at: float) -> None:
        self.t = at
        for event in decide.decide(self.s, decide.Due(job), int(at * US)):
            self.say(event)
        self.settle()

    def asks(self, job: str, at: float, ident: str = "A-31") -> None:
        """A gate asks."""
        self.t = at
        gate = self.s.jobs[job]
        facts = (Fact("goal", self.s.spec.goal), Fact("question", gate.spec.gate or ""), Fact("job", job))
        facts += (Fact("holds up", "2 jobs"), Fact("answer of score-a", "a is fair: 7 of 9"))
        asked = ev.ApprovalRequested(
            ident, f"{job}#1", "gate", "med", "idempotent", f"{job}: {gate.spec.gate}", facts, "9a" * 32, "9a" * 32,
            NOW + 3600 * US, "gate", why="the plan asks a person here",
        )  # fmt: skip
        waits = decide.Waits(job, gate.attempts, "approval", ident, 0, asked)
        for event in decide.decide(self.s, waits, int(at * US)):
            self.say(event)

    def word(self, word: steer.Word, at: float) -> None:
        """What an operator says."""
        self.t = at
        for event in steer.steer(self.s, word, int(at * US)):
            self.say(event)
        self.settle()

    def picture(self) -> DagPicture:
        return own(picture(self.s, int(NOW - AGE * US)))


def halfway(log: Log | None = None) -> Story:
    """Three fetched, one of them dead; a score tried again, a gate that asks, the rest waits."""
    it = Story(log or Log(), PLAN)
    it.ended("fetch-a", 4.1, tokens=2_100, cents=2)
    it.ended("fetch-b", 9.0, tokens=6_000, cents=6)
    it.ended("fetch-c", 3.0 + 7, "404 Not Found", tokens=300)
    it.ended("score-a", 15.0)
    it.asks("approve-plan", 15.0)
    it.due("fetch-c", 16.0)
    it.ended("score-b", 19.2, "exit 1: no such column")
    it.ended("fetch-c", 20.0, "404 Not Found")
    it.due("fetch-c", 22.0)
    it.ended("fetch-c", 24.0, "404 Not Found")
    it.due("score-b", 25.0)
    return it


def replanned() -> Story:
    """The same, changed once by its planner, which wants another change that widens."""
    it = halfway()
    it.t = 30.0
    it.propose(
        (Job("fetch-d", wait=3.0), Job("score-d", deps=("fetch-d",), call="scores:score")), "planner", ("score-c",)
    )
    it.settle()
    it.t = 33.0
    widens = ("fetch-e uses web_fetch, which no job had",)
    it.propose((Job("fetch-e", prompt="read on", tools=("web_fetch",)),), "planner", (), widens)
    paper = "5f" * 32
    asked = ev.ApprovalRequested(
        "A-40", "plan#2", "plan", "high", "destructive", "plan of r20: 1 jobs added or changed, 0 dropped",
        (Fact("by", "planner"), Fact("widens", widens[0])), "7c" * 32, "7c" * 32, 0, "plan", paper=paper,
        why="the plan would be wider",
    )  # fmt: skip
    it.say(asked)
    return it


def fan(count: int, run: str = "r20") -> Story:
    """1 -> count -> 1, all waiting."""
    middle = tuple(Job(f"part-{number:04d}", ("split",), wait=1.0) for number in range(count))
    jobs = (Job("split", wait=1.0), *middle, Job("join", tuple(each.id for each in middle), wait=1.0))
    return Story(Log(), jobs, run)


class GraphBench(Bench):
    """A bench whose engine answers at once what pane 3 wants to know."""

    def __init__(self, story: Story, *, ascii: bool = True, width: int = 80, height: int = 24) -> None:
        super().__init__(ascii=ascii, width=width, height=height)
        self.model.dags.view = "layers"
        self.story, self.asked = story, list[object]()
        self.attempts: dict[str, Attempt] = {}
        self.model.attach(story.log.snapshot())
        self.model.set_link("live")
        self.carry_out(list(self.model.tick(self.at)))

    def press(self, key: str, pause: float = 0.5) -> list[object]:
        out = super().press(key, pause)
        self.carry_out(out)
        self.draw()
        return out

    def tick(self) -> None:
        self.at += 1
        self.carry_out(list(self.model.tick(self.at)))

    def tell(self, *envelopes: Envelope) -> None:
        """What the engine said since."""
        self.model.fold(batch(*envelopes))

    def carry_out(self, wanted: list[object]) -> None:
        while wanted:
            for intent in wanted:
                self.asked.append(intent)
                graph = self.model.dags.get(getattr(intent, "run", ""))
                match intent:
                    case FetchDag() if graph:
                        it = self.story.picture()
                        state = restore(it)
                        graph.folds = suggest(state.dag) if graph.folds is None else graph.folds
                        graph.take(state, it.started)
                    case LayDag(_, laid, dag) if graph:
                        graph.lay(laid, lay_out(dag, laid[1]))
                    case AnalyseDag(_, work) if graph:
                        graph.analysed(work())
                    case FetchAttempt(_, stream, state) if graph:
                        graph.keep((stream, state), self.attempts.get(stream, Attempt(answer="an answer")))
            known = any(isinstance(each, FetchDag | LayDag | AnalyseDag | FetchAttempt) for each in wanted)
            self.model.sync()
            wanted = list(dag_wants.missing(self.model)) if known else []


def usage(tokens: int) -> Usage:
    return Usage(input=tokens)
