"""What each action does to the model; the action table says which key means which action."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from ..domain.safetext import clip as safe_clip
from ..domain.safetext import safe
from . import dag_keys, decide, loop_keys
from .actions import PANE_NAMES, find
from .intents import Copy, Detach, Export, Intent, Repaint, Resync, Suspend
from .lines import Line
from .panes import budgets, dag_cards, dags, graph, overlays, trace
from .panes.overlays import Overlay
from .place import arrangement
from .stores.prompt import Prompt

if TYPE_CHECKING:
    from .model import Model

COPY = 8 * 1024
"""Characters put on a clipboard at most."""


def press(m: Model, key: str, at: float, alone: bool) -> list[Intent]:
    """A key outside a prompt. A decision key reaches the arming only; every other key cancels what that waits for."""
    meaning = decide.key(m, key)
    if meaning:
        if not m.arming.press(meaning, at, alone):
            m.notice("Not counted: keys decide once the card says armed, one at a time, a moment apart.")
        return []
    m.arming.cancel()
    if key == "ctrl+c":
        m.notice("q leaves the console; the engine runs on.")
        return []
    action = find(key, m.focus)
    if action is None:
        return []
    if action.id.startswith("approvals."):
        if why := decide.useless(m, key):
            m.notice(why)
        return []
    return perform(m, action.id)


def perform(m: Model, ident: str) -> list[Intent]:
    """Do an action by its id."""
    scope, _, verb = ident.partition(".")
    if scope == "pane" and verb not in ("next", "previous", "zoom"):
        return _focus(m, next(number for number, name in PANE_NAMES.items() if name.lower() == verb))
    if scope == "move":
        _move(m, verb)
        return []
    if scope == "queue":
        (decide.mark if verb == "mark" else decide.show_batch)(m)
        return []
    if scope == "loops":
        return loop_keys.press(m, verb)
    if scope == "graph":
        return dag_keys.press(m, verb)
    return _HANDLERS[ident](m)


def _focus(m: Model, pane: int) -> list[Intent]:
    if pane == m.focus and m.overlay is None:
        return _zoom(m)
    m.show(pane)
    return []


def _zoom(m: Model) -> list[Intent]:
    if m.zoom or arrangement(m.width, m.height) in ("middle", "wide"):
        m.zoom = not m.zoom
    return []


def _next(m: Model, by: int) -> list[Intent]:
    m.show((m.focus - 1 + by) % len(PANE_NAMES) + 1)
    return []


# -- moving -----------------------------------------------------------------------------------------------------------

_FAR = 10**9


def _move(m: Model, verb: str) -> None:
    page = max(1, m.inner(m.focus)[1] - 2)
    by = {"down": 1, "up": -1, "page_down": page, "page_up": -page, "top": -_FAR, "bottom": _FAR}[verb]
    if m.overlay and verb in ("down", "up") and dag_keys.pick(m, by):
        return
    if m.overlay:
        rect = m.places(m.width, m.height).get("overlay")
        room = max(1, rect.height - 2) if rect else 1
        count = len(overlays.rows_of(m, m.overlay, rect.width)) if rect else 0
        step = max(-room, min(room, by)) if verb.startswith("page") else by
        m.overlay.top = max(0, min(count - room, m.overlay.top + step))
        return
    match m.focus:
        case 1:
            if verb == "bottom":
                m.trace.follow = True
            m.trace.move(m, by)
        case 2:
            m.runs.move(by)
        case 3 if not dag_keys.move(m, verb, by):
            shown = graph.nodes(m)
            if shown:
                m.node = shown[max(0, min(len(shown) - 1, graph.index(m, shown) + by))].key
        case 4 if verb in ("down", "up") and not m.queue.batch:
            m.queue.move(by, m.world)
        case 4:
            _page_card(m, verb)
        case 5:
            m.budgets.move(by)
        case 7:
            loop_keys.move(m, by)
        case 6:
            m.browser_top = max(0, min(_FAR if by == _FAR else 2000, m.browser_top + by)) if m.browser_text else 0


def _page_card(m: Model, verb: str) -> None:
    """Scroll the payload; a page goes exactly as far as the screen shows, so no line is passed over."""
    form = m.card_form()
    end = max(0, len(m.card_rows(form.width)) - form.rows) if form.rows else 0
    step = {"down": 1, "up": -1, "page_down": form.rows, "page_up": -form.rows, "top": -_FAR, "bottom": _FAR}[verb]
    m.queue.top = max(0, min(end, m.queue.top + step))


# -- cards and copies -------------------------------------------------------------------------------------------------


def _item(m: Model, kind: str) -> str:
    """Id of the run, job or approval the cursor is on."""
    if m.focus == 3 and (ident := dag_keys.item(m, kind)):
        return ident
    if m.focus == 4:
        return m.queue.current
    if m.focus == 7:
        return loop_keys.item(m)
    if m.focus == 1 and not m.trace.follow and (row := m.trace.row(m)):
        return row.run
    return m.runs.current


def _card(kind: str) -> Callable[[Model], list[Intent]]:
    def open_card(m: Model) -> list[Intent]:
        ident = _item(m, kind)
        if m.overlay and m.overlay.kind == kind:
            m.overlay = None
        elif ident:
            m.overlay = Overlay(kind, ident)
        return []

    return open_card


def _open(m: Model) -> list[Intent]:
    if m.overlay:
        dag_keys.deeper(m)
        return []
    match m.focus:
        case 1:
            row = m.trace.row(m)
            if row and row.envelope:
                m.overlay = Overlay("event", row.run, row.envelope)
        case 2 if m.runs.current:
            m.overlay = Overlay("run", m.runs.current)
        case 3 if not dag_keys.enter(m):
            shown = graph.nodes(m)
            node = shown[graph.index(m, shown)] if shown else None
            if node and node.run:
                m.overlay = Overlay("run", node.run.id)
            elif node and node.row and node.row.envelope:
                m.overlay = Overlay("event", node.row.run, node.row.envelope)
        case 4:
            return _zoom(m)
        case 5 if m.budgets.current:
            m.overlay = Overlay("budget", m.budgets.current)
        case 6:
            return _view(m)
        case 7:
            loop_keys.enter(m)
    return []


def _help(m: Model) -> list[Intent]:
    m.overlay = None if m.overlay and m.overlay.kind == "help" else Overlay("help")
    return []


def _back(m: Model) -> list[Intent]:
    if m.overlay:
        m.overlay = m.overlay.under
    elif m.focus == 7 and loop_keys.leave(m):
        pass
    elif m.focus == 4 and m.queue.batch:
        m.queue.close_batch()
    elif m.filters.get(m.focus):
        m.filters.pop(m.focus)
        if m.focus == 1:
            m.world.refilter("")
    elif m.zoom:
        m.zoom = False
    elif m.focus == 1:
        m.trace.follow = True
    return []


def _follow(m: Model) -> list[Intent]:
    if m.trace.follow:
        m.trace.move(m, -1)
    else:
        m.trace.follow = True
    return []


def _view(m: Model) -> list[Intent]:
    m.browser_text, m.browser_top = not m.browser_text, 0
    return []


def _cancel(m: Model) -> list[Intent]:
    if dag_keys.cancel(m):
        return []
    run = m.world.views.runs.get(m.runs.current)
    if run is None or not run.open:
        m.notice("There is no open run under the cursor to cancel.")
        return []
    label = f"cancel {safe_clip(run.id, 20)}: enter cancels, esc keeps it; reason: "
    m.prompt = Prompt("cancel", label, run=run.id)
    return []


def _prompt(kind: str, label: str) -> Callable[[Model], list[Intent]]:
    def open_prompt(m: Model) -> list[Intent]:
        if kind == "filter" and m.focus not in (1, 2) and not (m.focus == 3 and dags.selected(m)):
            m.notice("1 Trace and 2 Runs have filters, and a graph in 3.")
            return []
        old = m.filters[m.focus].source if kind == "filter" and m.focus in m.filters else ""
        history = list(m.history) if kind == "command" else []
        about = m.queue.subject() if kind == "command" and m.focus == 4 else None
        m.prompt = Prompt(kind, label, old, subject=about, history=history, place=len(history))
        return []

    return open_prompt


def _text_of(lines: list[Line]) -> str:
    return "\n".join("".join(span.text for span in line).rstrip() for line in lines).strip()


def _copy(m: Model) -> list[Intent]:
    if m.overlay:
        text = "\n".join(f"{name}: {safe(value, newlines=True)}" for name, value in overlays.facts_of(m, m.overlay))
    elif m.focus == 4 and (request := m.queue.row()):
        facts = "\n".join(f"{safe(fact.label)}: {safe(fact.value, newlines=True)}" for fact in request.facts)
        text = f"{safe(request.id)} {safe(request.summary)}\n{facts}\ndigest {safe(request.digest)}"
    elif m.focus == 1 and (row := m.trace.row(m)):
        text = _text_of([trace.draw(m, row, 1100, with_run=True)])
    elif m.focus == 3 and (card := dag_cards.text(m, dag_keys.item(m, "why"))):
        text = card
    elif m.focus in (2, 3) and (run := m.world.views.runs.get(m.runs.current)):
        text = safe(f"{run.id} {run.state} {run.title}: {run.last}")
    else:
        text = _text_of(m.lines(f"pane{m.focus}", 200, 60))
    return _copied(m, text)


def _copied(m: Model, text: str) -> list[Intent]:
    m.notice(f"copied {min(len(text), COPY):,} characters (OSC 52)")
    return [Copy(text[:COPY])]


def _copy_json(m: Model) -> list[Intent]:
    row: object = m.world.views.runs.get(m.runs.current)
    if m.focus == 4:
        row = m.queue.row()
    elif m.focus == 1:
        shown = m.trace.row(m)
        row = shown.envelope if shown else None
    elif m.focus == 3:
        row = dags.job(m) or row
    elif m.focus == 5:
        row = budgets.current(m)
    elif m.focus == 7:
        row = loop_keys.current_round(m) if m.loops.open else m.loops.row(m.world)
    if row is None:
        m.notice("There is no row under the cursor to copy.")
        return []
    return _copied(m, safe(msgspec.json.encode(row).decode()))


def _export(m: Model) -> list[Intent]:
    if m.focus == 1:
        rows = (m.world.ring.get(seq) for seq in m.world.matched)
        text = _text_of([trace.draw(m, row, 1100, with_run=True) for row in rows if row])
    else:
        text = _text_of(m.lines(f"pane{m.focus}", 200, 500))
    return [Export(f"{PANE_NAMES[m.focus].lower()}.txt", text + "\n")]


def _scope(m: Model, by: int) -> list[Intent]:
    m.runs.move(by)
    m.node = ""
    return []


_HANDLERS: dict[str, Callable[[Model], list[Intent]]] = {
    "item.open": _open,
    "item.why": _card("why"),
    "item.may": _card("may"),
    "runs.cancel": _cancel,
    "trace.follow": _follow,
    "browser.view": _view,
    "run.previous": lambda m: _scope(m, -1),
    "run.next": lambda m: _scope(m, 1),
    "pane.next": lambda m: _next(m, 1),
    "pane.previous": lambda m: _next(m, -1),
    "pane.zoom": _zoom,
    "prompt.filter": _prompt("filter", "/"),
    "prompt.command": _prompt("command", ":"),
    "view.help": _help,
    "view.back": _back,
    "copy.text": _copy,
    "copy.json": _copy_json,
    "copy.export": _export,
    "link.resync": lambda m: [Resync()],
    "screen.repaint": lambda m: [Repaint()],
    "screen.suspend": lambda m: [Suspend()],
    "console.detach": lambda m: [Detach()],
}
