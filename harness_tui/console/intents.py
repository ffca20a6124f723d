"""What the console wants from the world: the model returns these, the shell performs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..domain.dag.graph import Dag
from ..domain.views import ApprovalRow
from ..port.commands import AnyCommand, Decide, EditApproval
from .arming import Subject
from .stores.dags import Laid
from .stores.fires import Plan
from .stores.papers import Paper

if TYPE_CHECKING:
    from ..domain.dag.analysis import Analysis


@dataclass(frozen=True, slots=True)
class Send:
    """Send a command; the answer goes back through `Model.notice(reply.text)`, a refusal with `bad=True`."""

    command: AnyCommand


@dataclass(frozen=True, slots=True)
class SendBatch:
    """Send decisions one after the other, whatever becomes of each: say it to `Cards.batch_said`, then `batch_over`."""

    commands: tuple[Decide, ...]


@dataclass(frozen=True, slots=True)
class SendEdit:
    """As `Send`; when it is refused, the operator's text is still there."""

    command: EditApproval


@dataclass(frozen=True, slots=True)
class EditText:
    """Give the terminal to the operator's editor with this text in a file; the outcome goes to `editing.back`."""

    subject: Subject
    text: str
    suffix: str


@dataclass(frozen=True, slots=True)
class FetchPaper:
    """Fetch what an item's card shows beyond its row (as it is now), and give it to `Cards.take_paper`."""

    row: ApprovalRow


@dataclass(frozen=True, slots=True)
class LayPaper:
    """Lay a long paper out in a thread, and give it to `Cards.take_sheets`."""

    subject: Subject
    paper: Paper
    width: int
    rule: str


@dataclass(frozen=True, slots=True)
class FetchFrame:
    """Fetch a frame's JPEG by `port.blob(sha)`, draw it into width x height cells, call `Model.set_frame`."""

    sha: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Detach:
    """Leave the console with exit 0; the engine runs on."""


@dataclass(frozen=True, slots=True)
class Copy:
    """Put safe text on the operator's clipboard (OSC 52)."""

    text: str


@dataclass(frozen=True, slots=True)
class Export:
    """Write safe text to a new file and say its path through `Model.notice`."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Repaint:
    """Draw everything again and assert the terminal's modes again."""


@dataclass(frozen=True, slots=True)
class Resync:
    """Retry the link now, or attach again."""


@dataclass(frozen=True, slots=True)
class Suspend:
    """Job control (ctrl+z)."""


@dataclass(frozen=True, slots=True)
class StartDemo:
    """`:demo`: start the keyless tour in the engine."""

    name: str = ""


@dataclass(frozen=True, slots=True)
class RunTask:
    """`:run TASK`: start one run of this text in the engine."""

    text: str


@dataclass(frozen=True, slots=True)
class LoadLoop:
    """`:loop add`: register a loop from a file, or from a pattern that ships; `fast`: more often than once a minute."""

    source: str
    pattern: bool = False
    fast: bool = False


@dataclass(frozen=True, slots=True)
class FetchLoop:
    """Fetch what of a loop is not in its row, or work it out, and give it to `Model.loops`."""

    what: Literal["spec", "rounds", "preview", "why"]
    loop: str


@dataclass(frozen=True, slots=True)
class PlanFires:
    """Work out when these fire next, away from the screen, and give it to `Model.loops.planned`."""

    plans: tuple[Plan, ...]


@dataclass(frozen=True, slots=True)
class LoadDag:
    """`:dag FILE`: start a graph of jobs from a plan file."""

    source: str


@dataclass(frozen=True, slots=True)
class FetchDag:
    """Fetch a graph with all its jobs, and give it to the fetch of this number in `Model.dags`."""

    run: str
    number: int


@dataclass(frozen=True, slots=True)
class LayDag:
    """Lay a graph out in a thread, and give it to `Graph.lay`."""

    run: str
    laid: Laid
    dag: Dag


@dataclass(frozen=True, slots=True)
class AnalyseDag:
    """Do this work in a thread, and give what it came to to `Graph.analysed`."""

    run: str
    work: Callable[[], Analysis]


@dataclass(frozen=True, slots=True)
class FetchAttempt:
    """Fetch events and answer of a job's attempt (its stream, in this state), and give them to `Graph.keep`."""

    run: str
    stream: str
    state: str


@dataclass(frozen=True, slots=True)
class Ring:
    """A human is needed: ring and say so, as `:notify` allows. Plain (unsafe) text."""

    text: str


@dataclass(frozen=True, slots=True)
class UseTheme:
    name: str


@dataclass(frozen=True, slots=True)
class Pace:
    """`:fps N`: draw data at most so many times a second."""

    fps: int


Intent = (
    Send
    | SendBatch
    | SendEdit
    | EditText
    | FetchPaper
    | LayPaper
    | FetchFrame
    | Detach
    | Copy
    | Export
    | Repaint
    | Resync
    | Suspend
    | StartDemo
    | RunTask
    | UseTheme
    | Pace
    | LoadLoop
    | FetchLoop
    | PlanFires
    | LoadDag
    | FetchDag
    | LayDag
    | AnalyseDag
    | FetchAttempt
    | Ring
)
