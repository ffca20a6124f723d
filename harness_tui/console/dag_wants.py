"""What of the graph on the screen is not here, not laid out, or not worked out as of now: each is asked for once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .intents import AnalyseDag, FetchAttempt, FetchDag, Intent, LayDag
from .panes import dag_attempts, dags
from .stores.dags import AT_ONCE, Graph

if TYPE_CHECKING:
    from .model import Model

LINK = ("live", "stalled")


def missing(m: Model) -> list[Intent]:
    """What to begin now; nothing while pane 3 is not on the screen."""
    row = dags.selected(m)
    if row is None or not m.inner(3)[1]:
        return []
    graph, out = m.dags.open(row.id), list[Intent]()
    if m.link.state in LINK and (number := m.dags.ask(graph)):
        out.append(FetchDag(row.id, number))
    s = graph.state
    if s is None:
        return out
    if (laid := graph.to_lay()) is not None:
        if len(s.jobs) <= AT_ONCE:
            from .graph.shape import lay_out

            graph.lay(laid, lay_out(s.dag, laid[1]))
        else:
            out.append(LayDag(row.id, laid, s.dag))
    if work := graph.to_analyse(m.now()):
        out.append(AnalyseDag(row.id, work))
    return out + _read(m, graph)


def _read(m: Model, graph: Graph) -> list[Intent]:
    """The attempt whose answer or events a card shows."""
    over = m.overlay
    if over is None or over.kind not in ("job", "attempt") or m.link.state not in LINK:
        return []
    key = dag_attempts.wanted(m, over)
    if key is None or key in graph.attempts:
        return []
    graph.attempts[key] = None
    return [FetchAttempt(graph.run, *key)]
