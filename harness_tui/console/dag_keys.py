"""What keys do to a graph in pane 3. Whatever starts, stops or repeats jobs is confirmed in the prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ..domain.dag.state import DagState, JobState
from ..domain.errors import UsageError
from ..domain.safetext import clip as safe_clip
from ..domain.views import RunRow
from ..port.commands import CancelJob, PauseDag, ResumeDag, RetryDag
from .intents import Intent, Send
from .panes import dag_attempts, dags
from .panes.overlays import Overlay
from .stores.dags import Graph, any_request, patch_of, request_of
from .stores.filter import Filter
from .stores.prompt import Prompt

if TYPE_CHECKING:
    from .model import Model

ARROWS: dict[str, Literal["up", "down"]] = {"up": "up", "down": "down"}


# -- keys -------------------------------------------------------------------------------------------------------------


def press(m: Model, verb: str) -> list[Intent]:
    """A key of pane 3, by the verb of its action."""
    row, graph = dags.selected(m), dags.graph(m)
    if row is None:
        m.notice("This run has no graph: 2 picks another one.")
        return []
    if graph is None or graph.state is None:
        m.notice("The graph is on its way.")
        return []
    s = graph.state
    match verb:
        case "view":
            m.dags.view = dags.after(dags.view(m, m.inner(3)[0]))
        case "left" | "right":
            _beside(m, graph, s, verb)
        case "retry":
            _retry(m, row, graph, s)
        case "pause":
            _pause(m, row, s)
        case "hold":
            _hold(m, row, graph, s)
        case "gate":
            _gate(m, row, graph, s)
        case "patch":
            _patch(m, row, s)
    return []


def _beside(m: Model, graph: Graph, s: DagState, direction: Literal["left", "right"]) -> None:
    """Along an edge: in layers the nearest one drawn there, elsewhere a dependency or what follows."""
    if dags.drawn(m, graph) == "layers":
        graph.cursor = dags.neighbour(graph, direction)
    elif job := s.jobs.get(graph.cursor):
        near = job.spec.deps if direction == "left" else s.dag.dependents[job.spec.id]
        shown = set(dags.order(m, graph))
        graph.cursor = next((ident for ident in near if ident in shown), graph.cursor)


def _ask(m: Model, kind: str, row: RunRow, job: str, label: str) -> None:
    m.prompt = Prompt(f"dag_{kind}", label, run=row.id, job=job)


def _job(m: Model, graph: Graph, s: DagState) -> JobState | None:
    """The job under the cursor; None, and said, where there is none."""
    job = s.jobs.get(graph.cursor)
    if job is None:
        m.notice("Several jobs are folded here: enter shows them." if graph.cursor else "Put the cursor on a job.")
    return job


def _retry(m: Model, row: RunRow, graph: Graph, s: DagState) -> None:
    """Show what would be done again and what stands, and ask."""
    from ..domain.dag.preview import preview

    job = ""
    if graph.cursor:
        under = _job(m, graph, s)
        if under is None:
            return
        job = under.spec.id
    try:
        graph.preview = preview(s, job)
    except UsageError as error:
        m.notice(f"{error.what}{'' if job else ' Put the cursor on the job to begin with.'}")
        return
    m.overlay = Overlay("retry", f"{row.id}/{job}")
    named = f"from {safe_clip(job, 24)}" if job else "all that failed"
    _ask(m, "retry", row, job, f"retry {named}: enter does, esc does not; feedback: ")


def _pause(m: Model, row: RunRow, s: DagState) -> None:
    name = safe_clip(row.id, 20)
    if s.finished:
        m.notice(f"{name} is over: {s.finished.state}. r tries again.")
    elif s.paused:
        _ask(m, "resume", row, "", f"resume {name}: enter resumes it, esc does not")
    else:
        _ask(m, "pause", row, "", f"pause {name}: nothing more starts, what runs ends; reason: ")


def _hold(m: Model, row: RunRow, graph: Graph, s: DagState) -> None:
    """Pause or resume the branch that begins with the job under the cursor."""
    job = _job(m, graph, s)
    if job is None:
        return
    name = safe_clip(job.spec.id, 30)
    if s.finished:
        m.notice(f"{safe_clip(row.id, 20)} is over: {s.finished.state}. r tries again.")
    elif job.held:
        _ask(m, "resume", row, job.spec.id, f"resume {name}{_more(s, job)}: enter resumes, esc does not")
    else:
        _ask(m, "pause", row, job.spec.id, f"pause {name}{_more(s, job)}; reason: ")


def _more(s: DagState, job: JobState) -> str:
    """` and 3 after it`."""
    count = sum(not s.jobs[ident].over for ident in s.dag.after((job.spec.id,)))
    return f" and {count} after it" if count else ""


def cancel(m: Model) -> bool:
    """`x` in pane 3: the branch under the cursor; False where the whole run is meant."""
    row, graph = dags.selected(m), dags.graph(m)
    if m.focus != 3 or row is None or graph is None or graph.state is None or not graph.cursor:
        return False
    job = _job(m, graph, graph.state)
    if job is None:
        return True
    name = safe_clip(job.spec.id, 30)
    if job.over:
        m.notice(f"{name} is over: {job.state.replace('_', ' ')}.")
    else:
        label = f"cancel {name}{_more(graph.state, job)}: enter cancels, esc keeps; reason: "
        _ask(m, "cancel", row, job.spec.id, label)
    return True


def _gate(m: Model, row: RunRow, graph: Graph, s: DagState) -> None:
    """Go to the request in 4, where alone it is decided, armed as ever."""
    ident = request_of(s, graph.cursor) or any_request(s)
    if not ident:
        m.notice("Nothing here waits for you.")
    elif ident not in m.world.views.approvals:
        shown = safe_clip(ident, 20)
        m.notice(f"{shown} is not in memory: harness-tui approvals show {shown}")
    else:
        m.queue.close_batch()
        m.queue.current = ident
        m.show(4)


def _patch(m: Model, row: RunRow, s: DagState) -> None:
    """The change that waits, or the newest that holds; again: the one before it."""
    back = int(m.overlay.id.partition("/")[2]) + 1 if m.overlay and m.overlay.kind == "patch" else 0
    if patch_of(s, back) is not None:
        m.overlay = Overlay("patch", f"{row.id}/{back}")
    else:
        m.notice("The plan was not changed before that." if back else "The plan was not changed.")


# -- moving and opening -----------------------------------------------------------------------------------------------


def move(m: Model, verb: str, by: int) -> bool:
    """Move the cursor in a graph; False where pane 3 shows none."""
    graph = dags.graph(m)
    if dags.selected(m) is None:
        return False
    if graph is None or graph.state is None:
        return True
    way = ARROWS.get(verb)
    if dags.drawn(m, graph) == "layers" and way and graph.cursor:
        near = dags.neighbour(graph, way)
        graph.cursor = "" if near == graph.cursor and verb == "up" else near
        return True
    shown = ["", *dags.order(m, graph)]
    at = shown.index(graph.cursor) if graph.cursor in shown else 0
    graph.cursor = shown[max(0, min(len(shown) - 1, at + by))]
    return True


def enter(m: Model) -> bool:
    """What the cursor is on, in full: the run, a job, or what is folded; False where pane 3 shows no graph."""
    row, graph = dags.selected(m), dags.graph(m)
    if row is None:
        return False
    if graph is None or graph.state is None or not graph.cursor:
        m.overlay = Overlay("run", row.id)
    elif graph.cursor in graph.state.jobs:
        m.overlay = Overlay("job", f"{row.id}/{graph.cursor}")
    else:
        _unfold_node(graph)
    return True


def deeper(m: Model) -> None:
    """Enter on a job's card: the attempt that is marked, as a run of its own in 1 or as a card."""
    over = m.overlay
    found = dag_attempts.find(m, over.id) if over and over.kind == "job" else None
    if over is None or found is None:
        return
    streams = dag_attempts.streams(found[1], found[2])
    if not streams:
        m.notice("It was not tried yet.")
        return
    stream = streams[dag_attempts.picked(over, streams)]
    if "/" in stream:
        m.overlay = Overlay("attempt", stream, under=over)
        return
    shown = safe_clip(stream, 20)
    m.filters[1] = Filter(f"run:{stream}")
    m.world.refilter(m.filters[1].source)
    m.show(1)
    m.trace.follow = True
    if not m.world.tail(stream):
        m.notice(f"Its events are not on this screen: harness-tui runs show {shown}")


def pick(m: Model, by: int) -> bool:
    """Up and down on a job's card mark another attempt; False when there is no choice."""
    over = m.overlay
    found = dag_attempts.find(m, over.id) if over and over.kind == "job" else None
    if over is None or found is None:
        return False
    streams = dag_attempts.streams(found[1], found[2])
    if len(streams) < 2:
        return False
    over.pick = max(0, min(len(streams) - 1, dag_attempts.picked(over, streams) + by))
    return True


def item(m: Model, kind: str) -> str:
    """What `w` and `i` are about in pane 3: `r20/score-b`, a job's run, or ""."""
    row, graph = dags.selected(m), dags.graph(m)
    job = graph.state.jobs.get(graph.cursor) if graph and graph.state else None
    if row is None or job is None:
        return ""
    if kind == "may":
        return job.child if job.child in m.world.views.runs else row.id
    return f"{row.id}/{job.spec.id}"


def _unfold_node(graph: Graph) -> None:
    """Open what is folded under the cursor, which goes to the first job of it."""
    node = graph.shape.node(graph.cursor) if graph.shape else None
    fold = graph.cursor.rpartition("@")[0]
    graph.folds = (graph.folds or frozenset()) - {fold}
    graph.cursor = node.jobs[0] if node else ""


# -- the prompt ----------------------------------------------------------------------------------


def submit(m: Model, prompt: Prompt, text: str) -> list[Intent]:
    """Take what a prompt of a graph was answered."""
    run, job = prompt.run, prompt.job
    match prompt.kind:
        case "dag_retry":
            return [Send(RetryDag(run, m.by, job, text))]
        case "dag_cancel":
            return [Send(CancelJob(run, job, m.by, text))]
        case "dag_pause":
            return [Send(PauseDag(run, m.by, text, job))]
        case "dag_resume":
            return [Send(ResumeDag(run, m.by, job))]
    return []
