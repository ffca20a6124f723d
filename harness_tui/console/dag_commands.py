"""What commands do to graphs: start one, have it planned anew, show many of its jobs as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..domain.dag.state import DagState
from ..domain.safetext import clip as safe_clip
from ..port.commands import ReplanDag
from .intents import Intent, LoadDag, Send
from .panes import dags
from .stores.dags import Graph

if TYPE_CHECKING:
    from .model import Model


def perform(m: Model, verb: str, rest: str) -> list[Intent]:
    """`:dag FILE`, `:replan [WHY]`, `:fold NAME-*`, `:fold rank N`, `:unfold [NAME-*]`."""
    if verb == "dag":
        if rest:
            return [LoadDag(rest)]
        m.notice(":dag FILE of a plan, in TOML or JSON", bad=True)
        return []
    row, graph = dags.selected(m), dags.graph(m)
    if row is None or graph is None or graph.state is None:
        m.notice(f":{verb} is for a graph: 2 picks one, 3 shows it.", bad=True)
    elif verb == "replan":
        return [Send(ReplanDag(row.id, m.by, reason=rest))]
    elif verb == "fold":
        _fold(m, graph, graph.state, rest)
    else:
        _unfold(m, graph, rest)
    return []


def _fold(m: Model, graph: Graph, s: DagState, rest: str) -> None:
    from .graph.shape import suggest

    match rest.split():
        case []:
            more = suggest(s.dag)
            if not more:
                m.notice("Nothing here is so wide that it folds by itself: :fold NAME-*, or :fold rank 3")
        case ["rank", number] if number.isascii() and number.isdigit():
            more = frozenset({f"rank:{int(number[:6])}"})
        case [name] if name.endswith("*") and len(name) > 1:
            count = sum(ident.startswith(name[:-1]) for ident in s.jobs)
            more = frozenset({name}) if count > 1 else frozenset()
            if count < 2:
                m.notice(f"{'One job begins' if count else 'No job begins'} with {safe_clip(name[:-1], 40)}.", bad=True)
        case _:
            more = frozenset()
            m.notice(":fold NAME-* (all jobs that begin so), :fold rank 3, or :fold", bad=True)
    graph.folds = (graph.folds or frozenset()) | more


def _unfold(m: Model, graph: Graph, rest: str) -> None:
    name = rest.replace("rank ", "rank:")
    folds = graph.folds or frozenset()
    if name and name not in folds:
        m.notice(f"{safe_clip(name, 40)} is not folded. :unfold opens all.", bad=True)
        return
    graph.folds = folds - {name} if name else frozenset()


def folded(m: Model) -> list[str]:
    """Names for `:unfold`."""
    graph = dags.graph(m)
    return sorted(graph.folds or ()) if graph else []
