"""Graphs of jobs as pane 3 knows them: fetched once, then folded from their own events with the engine's own function.

At most `KEPT` of them are here. What takes long on a large one (its layout, its analysis) is worked out in a thread
from a copy; what is on the screen stays meanwhile.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

from msgspec.structs import replace

from ...domain import events as ev
from ...domain.dag.evolve import evolve
from ...domain.dag.picture import DagPicture
from ...domain.dag.spec import Job
from ...domain.dag.state import DagState, JobState
from ...domain.errors import UsageError
from ...domain.events import Envelope

if TYPE_CHECKING:  # what draws and works out is imported with the first graph: a console begins without
    from ...domain.dag.analysis import Analysis
    from ...domain.dag.preview import Preview
    from ..graph.outline import OutlineRow
    from ..graph.shape import Shape
    from ..lines import Line

KEPT = 3
AT_ONCE = 60
"""Jobs of a graph that is laid out while the screen waits; a larger one is in a thread."""
SMALL = 300
"""Jobs of a graph that is analysed while the screen waits."""
REST = 2_000_000
"""Us between two analyses of a large graph, for each thousand of its jobs."""
READ = 32
"""Attempts of one graph whose events are kept."""
View = Literal["", "outline", "layers", "gantt"]
Laid = tuple[str, frozenset[str]]
"""What a layout hangs on: the digest of the plan and what is folded."""


class Attempt(NamedTuple):
    """What was fetched of an attempt: its events (of one without an agent), its answer, why it is not here."""

    events: tuple[Envelope, ...] = ()
    answer: str = ""
    error: str = ""


class Graph:
    """One graph, and where the operator is in it.

    Attributes:
        state: None until it was fetched. `stale`: events are missing, it is to be fetched again.
        asked: number of the fetch under way, 0 = none. trouble: why it cannot be had.
        cursor: id of a job or of a fold; "" = the line of the whole run.
        folds: name prefixes (`fetch-*`) and ranks (`rank:3`) that are shown as one; None until it is known how many
            jobs there are.
        x, y, top: first cell of the layers and first row of a list that are on screen.
        shape: the layout, of what `laid` says; `laying`: what is being laid out.
        rows: of the outline, made of `listed`; `matched` those that a filter lets through, at an event.
        attempts: what was fetched of attempts, by stream and the state of the job.
        preview: what `r` would run again, while it is asked.
        patch: a drawn change of the plan, and of what.
        critical: jobs of the way that takes longest; the same object as long as it is the same way.
    """

    def __init__(self, run: str) -> None:
        self.run = run
        self.state: DagState | None = None
        self.stale, self.asked, self.trouble = True, 0, ""
        self.cursor = ""
        self.folds: frozenset[str] | None = None
        self.x = self.y = self.top = 0
        self.shape: Shape | None = None
        self.laid: Laid | None = None
        self.laying: Laid | None = None
        self.rows: list[OutlineRow] = []
        self.listed: object = None
        self.matched: tuple[tuple[int, str], list[OutlineRow]] | None = None
        self.attempts: dict[tuple[str, str], Attempt | None] = {}
        self.preview: Preview | None = None
        self.patch: tuple[tuple[int, int, int], list[Line]] | None = None
        self.critical: frozenset[str] = frozenset()
        self._early: list[Envelope] = []
        self._at = (0, 0)
        self._analysis: Analysis | None = None
        self._analysed = (-1, -REST)
        self._analysing = False

    # -- facts in ------------------------------------------------------------------------------------------------

    def fold(self, envelope: Envelope) -> None:
        """The next event of its stream; after a gap nothing is believed until it was fetched again."""
        if self.asked:
            self._early.append(envelope)
        if self.state is None or self.stale or envelope.seq <= self.state.seq:
            return
        if envelope.seq != self.state.seq + 1:
            self.stale = True
            return
        before = self.state.t
        try:
            evolve(self.state, envelope.event)
        except (KeyError, AssertionError, UsageError):  # it is of a state that is not the one here
            self.stale = True
            return
        if self.state.t != before:
            self._at = (self.state.t, envelope.at)

    def take(self, state: DagState, started: int) -> None:
        """What was fetched, and on top of it what came meanwhile."""
        self.state, self.stale, self.asked, self.trouble = state, False, 0, ""
        self._at = (0, started)
        self._analysed = (-1, -REST)
        self.listed = None
        early, self._early = self._early, []
        for envelope in early:
            self.fold(envelope)

    def failed(self, why: str) -> None:
        self.asked, self.trouble, self._early = 0, why, []

    def attached(self) -> None:
        """Another snapshot: there may be events nobody told of."""
        self.stale, self.asked, self.trouble, self._early = True, 0, "", []
        self.attempts = {key: each for key, each in self.attempts.items() if each is not None and not each.error}

    # -- what follows from it ------------------------------------------------------------------------------------

    def now(self, wall: int) -> int:
        """Us since the run's start, by the newest event that says so."""
        if self.state is None or self.state.finished:
            return self.state.t if self.state else 0
        return max(self.state.t, self._at[0] + wall - self._at[1])

    def analysis(self, wall: int) -> Analysis | None:
        """The newest there is; of a small graph it is that of this moment."""
        from ...domain.dag.analysis import analyse

        s = self.state
        if s and len(s.jobs) <= SMALL:
            moment = (s.seq, self.now(wall) // 1_000_000)
            if self._analysis is None or self._analysed != moment:
                self._keep(analyse(s, self.now(wall)))
                self._analysed = moment
        return self._analysis

    def _keep(self, analysis: Analysis) -> None:
        self._analysis, critical = analysis, frozenset(analysis.critical)
        if critical != self.critical:
            self.critical = critical

    def to_analyse(self, wall: int) -> Callable[[], Analysis] | None:
        """Work for a thread, on a copy; None while there is nothing new to work out."""
        s, t = self.state, self.now(wall)
        if s is None or len(s.jobs) <= SMALL or self._analysing:
            return None
        known, when = self._analysed
        rest = REST * max(1, len(s.jobs) // 1000)
        if self._analysis is not None and (t - when < rest or (known == s.seq and s.finished)):
            return None
        from ...domain.dag.analysis import analyse

        self._analysing, self._analysed = True, (s.seq, t)
        still = frozen(s)
        return lambda: analyse(still, t)

    def analysed(self, analysis: Analysis | None) -> None:
        self._analysing = False
        if analysis:
            self._keep(analysis)

    def to_lay(self) -> Laid | None:
        """What is to be laid out now, or None; said once."""
        if self.state is None or self.folds is None:
            return None
        wish = (self.state.digest, self.folds)
        if wish in (self.laid, self.laying):
            return None
        self.laying = wish
        return wish

    def lay(self, laid: Laid, shape: Shape) -> None:
        """Take a layout, unless another one is wanted by now."""
        if self.laying != laid:
            return
        self.shape, self.laid, self.laying = shape, laid, None
        if self.cursor:  # what it was on may be gone, folded now, or shown by itself again
            node = shape.node(self.cursor)
            self.cursor = node.key if node else ""

    def keep(self, key: tuple[str, str], attempt: Attempt) -> None:
        self.attempts[key] = attempt
        while len(self.attempts) > READ:
            del self.attempts[next(iter(self.attempts))]


class Dags:
    """The graphs that were looked at last. `view`: "" = by the width of the pane."""

    def __init__(self) -> None:
        self.view: View = ""
        self._graphs: dict[str, Graph] = {}
        self._fetches = 0

    def get(self, run: str) -> Graph | None:
        return self._graphs.get(run)

    def open(self, run: str) -> Graph:
        """The graph of this run, the newest from now on; the one nobody looked at for longest makes room."""
        graph = self._graphs.pop(run, None) or Graph(run)
        self._graphs[run] = graph
        while len(self._graphs) > KEPT:
            del self._graphs[next(iter(self._graphs))]
        return graph

    def fold(self, envelope: Envelope) -> None:
        graph = self._graphs.get(envelope.run)
        if graph:
            graph.fold(envelope)

    def attached(self) -> None:
        for graph in self._graphs.values():
            graph.attached()

    def ask(self, graph: Graph) -> int:
        """Number of a fetch that is to begin now, 0 when none is needed."""
        if graph.asked or graph.trouble or not graph.stale:
            return 0
        self._fetches += 1
        graph.asked = self._fetches
        return graph.asked

    def asking(self, run: str, number: int) -> Graph | None:
        """The graph this fetch was for, unless it was let go of or asked for anew."""
        graph = self._graphs.get(run)
        return graph if graph and graph.asked == number else None


def own(picture: DagPicture) -> DagPicture:
    """The same with jobs of its own: those of an engine in this process are shared, and go on changing."""
    return replace(picture, jobs=tuple(map(_own, picture.jobs)))


def _own(job: JobState) -> JobState:
    mine = copy.copy(job)
    mine.bars = [copy.copy(bar) for bar in job.bars]
    mine.children = list(job.children)
    return mine


def frozen(s: DagState) -> DagState:
    """A copy whose jobs stand still, to be read in a thread while the original is folded on; their bars may grow."""
    still = copy.copy(s)
    still.jobs = {ident: copy.copy(job) for ident, job in s.jobs.items()}
    still.ready, still.used, still.requests = list(s.ready), dict(s.used), dict(s.requests)
    return still


def request_of(s: DagState, ident: str) -> str:
    """The request a job waits for, or, of the whole run, the one about its plan."""
    if not ident:
        return s.asked
    job = s.jobs.get(ident)
    return job.approval if job else ""


def any_request(s: DagState) -> str:
    """What waits for a person anywhere in the run: its plan before its jobs."""
    return s.asked or next((job.approval for job in s.jobs.values() if job.approval), "")


def patch_of(s: DagState, back: int) -> tuple[ev.PatchProposed, list[Job]] | None:
    """The change that waits, then those that hold, newest first, with the jobs it brings as far as they are in the
    plan; None: there is no such."""
    if s.proposed and s.proposed.number:
        if back == 0:
            return s.proposed, s.staged
        back -= 1
    applied = s.patches[1:]
    if back >= len(applied):
        return None
    patch, idents = applied[-1 - back]
    return patch, [s.jobs[ident].spec for ident in idents if ident in s.jobs]
