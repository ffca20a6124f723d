"""Graphs for drawings, made of the engine's own events, and drawings as text and as cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hypothesis import strategies as st

from harness_tui.console.glyphs import ASCII, UNICODE, Glyphs
from harness_tui.console.graph.layers import Look, draw
from harness_tui.console.graph.shape import Shape, lay_out
from harness_tui.console.lines import Line, cells
from harness_tui.domain import events as ev
from harness_tui.domain.dag.evolve import evolve
from harness_tui.domain.dag.spec import DagSpec, Job, Retry
from harness_tui.domain.dag.state import DagState
from harness_tui.domain.events import Event

SECOND = 1_000_000
CRITICAL = ("fetch-b", "score-b", "merge", "publish")


def job(ident: str, *deps: str) -> Job:
    return Job(ident, deps, wait=0.01)


MOCK_UP = (
    *(job("fetch-a"), job("fetch-b"), job("fetch-c"), job("score-a", "fetch-a")),
    Job("score-b", ("fetch-b",), wait=0.01, retry=Retry(3, "fixed", 3)),
    job("score-c", "fetch-c"),
    Job("approve-plan", ("score-a",), gate="Is this fair?"),
    *(job("merge", "approve-plan", "score-b"), job("publish", "merge")),
)


def planned(jobs: Iterable[Job], *events: Event) -> DagState:
    """A run with this plan, after these events."""
    jobs = tuple(jobs)
    s = DagState("r20")
    first = (ev.DagStarted(DagSpec()), ev.PatchProposed(0, "operator", len(jobs)), ev.JobsPlanned(jobs))
    for event in (*first, ev.PlanApplied(0, "", len(jobs)), *events):
        evolve(s, event)
    return s


def mock_up() -> DagState:
    """The run of the mock-up 13 seconds after its start: one is dead, one is tried again, one asks."""
    t = SECOND
    return planned(
        MOCK_UP,
        *(ev.JobStarted(each, 1, "", 0) for each in ("fetch-a", "fetch-b", "fetch-c")),
        ev.JobFailed("fetch-c", "404", 2 * t, 0, 300, 1_000_000),
        ev.JobDeadLettered("fetch-c", "404", 2 * t),
        ev.JobsCancelled(("score-c",), "fetch-c is dead", 2 * t, "fetch-c"),
        ev.JobSucceeded("fetch-a", "", 4 * t, 2100, 20_000_000),
        ev.JobStarted("score-a", 1, "", 4 * t),
        ev.JobSucceeded("fetch-b", "", 5 * t, 2100, 20_000_000),
        ev.JobStarted("score-b", 1, "", 5 * t),
        ev.JobSucceeded("score-a", "", 9 * t, 100, 10_000_000),
        ev.JobStarted("approve-plan", 1, "", 9 * t),
        ev.JobWaits("approve-plan", "approval", 9 * t, "A-31"),
        ev.JobFailed("score-b", "timeout", 12 * t, 16 * t, 4100, 50_000_000),
    )


def text(lines: Sequence[Line]) -> str:
    """What is read, without spaces at the ends of lines and empty lines at the end."""
    return "\n".join("".join(span.text for span in line).rstrip() for line in lines).rstrip("\n")


def layers(s: DagState, width: int, height: int = 12, glyphs: Glyphs = UNICODE, **look: object) -> str:
    shape = lay_out(s.dag)
    return text(draw(shape, s, Look(glyphs=glyphs, **look), width, height))  # type: ignore[arg-type]


def whole(shape: Shape, s: DagState, look: Look | None = None) -> list[list[str]]:
    """Every cell of the drawing."""
    return [grid(line) for line in draw(shape, s, look or Look(), shape.width, shape.height)]


def grid(line: Line) -> list[str]:
    """A line cell by cell: of a wide character the second is "", marks stand with what they are on."""
    out: list[str] = []
    for char in "".join(span.text for span in line):
        width = cells(char)
        if width == 0 and out:
            out[-1] += char
        else:
            out += [char, *[""] * (width - 1)]
    return out


def cropped(row: list[str], x: int, width: int) -> list[str]:
    """Cells `x` to `x + width` as a window shows them: half a wide character is a space."""
    row = [*row, *[" "] * (x + width + 1 - len(row))]
    part = row[x : x + width]
    if part and part[0] == "":
        part[0] = " "
    if part and row[x + width] == "":
        part[-1] = " "
    return part


LOOKS = st.sampled_from((ASCII, UNICODE))
PLAIN_NAMES = st.text("abcdefgh", min_size=1, max_size=6)
NAMES = st.one_of(
    PLAIN_NAMES,
    st.text("日本語가ｱabc-_é", min_size=1, max_size=12),
    st.text(min_size=1, max_size=40),
    st.builds(lambda stem, n: f"{stem}_ID{n:07d}", PLAIN_NAMES, st.integers(0, 9_999_999)),
)


@st.composite
def plans(draw_: st.DrawFn, names: st.SearchStrategy[str] = PLAIN_NAMES, most: int = 12) -> list[Job]:
    """A plan without circles."""
    idents = draw_(st.lists(names, unique=True, max_size=most))
    jobs: list[Job] = []
    for i, ident in enumerate(idents):
        deps = draw_(st.lists(st.sampled_from(idents[:i]), unique=True, max_size=4)) if i else []
        jobs.append(job(ident, *deps))
    return draw_(st.permutations(jobs))
