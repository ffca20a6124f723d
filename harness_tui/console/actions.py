"""One table of actions: keys, `:` commands, the hint line, help and the README's key table are all read from it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Action:
    """One thing an operator can do.

    Attributes:
        id: `scope.verb`.
        keys: Textual key names; empty for what only has a command.
        title: two or three words for the hint line.
        help: one line for help and the README.
        panes: where its keys act; empty = everywhere.
        command: its name after `:`, or "".
        takes: what the command wants after its name, as help shows it.
        danger: starts, stops or decides something; its last key must stand alone.
    """

    id: str
    keys: tuple[str, ...]
    title: str
    help: str
    panes: tuple[int, ...] = ()
    command: str = ""
    takes: str = ""
    danger: bool = False


PANE_NAMES = {1: "Trace", 2: "Runs", 3: "Graph", 4: "Approvals", 5: "Budgets", 6: "Browser", 7: "Loops"}

ACTIONS: tuple[Action, ...] = (
    Action("approvals.approve", ("a",), "approve", "approve this item (high risk: twice)", (4,), danger=True),
    Action("approvals.deny", ("d",), "deny", "deny this item", (4,), danger=True),
    Action("approvals.deny_reason", ("D",), "reason", "deny and say why", (4,), danger=True),
    Action("approvals.edit", ("e",), "edit", "edit this item in $EDITOR", (4,), danger=True),
    Action("approvals.push_back", ("b",), "push back", "a change or gate: have it done otherwise", (4,), danger=True),
    Action("approvals.happened", ("h",), "it happened", "in doubt: the effect happened", (4,), danger=True),
    Action("approvals.did_not", ("n",), "it did not", "in doubt: the effect did not happen", (4,), danger=True),
    Action("approvals.again", ("r",), "run it again", "in doubt: run it again (twice)", (4,), danger=True),
    Action("loops.run", ("r",), "run now", "start a round now (asks)", (7,), danger=True),
    Action("loops.pause", ("p",), "pause", "pause with a reason, or resume", (7,), danger=True),
    Action(
        "loops.promote", ("P",), "promote", "one level up, by the loop's name", (7,), "promote", "NAME", danger=True
    ),
    Action("loops.demote", ("D",), "demote", "one level down, by the loop's name", (7,), "demote", "NAME", danger=True),
    Action("loops.preview", ("v",), "preview", "its next ten fires and what a day costs", (7,), "preview"),
    Action("loops.maker", ("m",), "maker", "go to the maker's run of this round", (7,)),
    Action("loops.checker", ("c",), "checker", "go to the checker's run of this round", (7,)),
    Action("graph.view", ("v",), "next view", "a graph: outline, layers or time", (3,)),
    Action("graph.left", ("left", "h"), "before", "a graph: to what this job waits for", (3,)),
    Action("graph.right", ("right", "l"), "after", "a graph: to what waits for this job", (3,)),
    Action("graph.retry", ("r",), "retry", "again from this job, showing what stands (asks)", (3,), danger=True),
    Action("graph.pause", ("p",), "pause", "pause the whole graph, or resume it (asks)", (3,), danger=True),
    Action("graph.hold", ("P",), "pause branch", "pause this job and what follows, or resume", (3,), danger=True),
    Action("graph.gate", ("a",), "to its request", "go to what this job asks, decided in 4", (3,)),
    Action("graph.patch", ("d",), "plan change", "the newest change of the plan; again: older", (3,)),
    Action("queue.mark", ("m",), "mark", "mark this item for a batch, or not", (4,)),
    Action("queue.batch", ("M",), "batch", "all marked items on one card, or back", (4,)),
    Action("approvals.assign", (), "edit", "change one argument in 4", (), "edit", "KEY=VALUE", danger=True),
    Action("item.open", ("enter",), "open", "open what the cursor is on", command="open"),
    Action("item.why", ("w",), "why", "why it does not run, or was asked", (1, 2, 3, 4, 7), command="why"),
    Action("item.may", ("i",), "may it do harm", "what it may do without asking", (1, 2, 3, 4, 7), command="may"),
    Action(
        "runs.cancel", ("x",), "cancel", "cancel the run; in 3 the branch (asks why)", (2, 3), "cancel", danger=True
    ),
    Action("trace.follow", ("f",), "follow", "follow the newest event, or hold still", (1,)),
    Action("browser.view", ("v",), "view", "picture, or the page's text", (6,)),
    Action("run.previous", ("left_square_bracket", "less_than_sign"), "previous run", "previous run as scope"),
    Action("run.next", ("right_square_bracket", "greater_than_sign"), "next run", "next run as scope"),
    *(
        Action(f"pane.{name.lower()}", (str(number),), name, f"go to {name}; again: zoom", (), name.lower())
        for number, name in PANE_NAMES.items()
    ),
    Action("pane.next", ("tab",), "next pane", "next pane"),
    Action("pane.previous", ("shift+tab",), "previous pane", "previous pane"),
    Action("pane.zoom", ("z",), "zoom", "this pane alone, or all", command="zoom"),
    Action("move.down", ("j", "down"), "down", "down"),
    Action("move.up", ("k", "up"), "up", "up"),
    Action("move.page_down", ("space", "pagedown"), "page", "page down; pages a card in 4"),
    Action("move.page_up", ("pageup",), "page up", "page up"),
    Action("move.top", ("g", "home"), "top", "first"),
    Action("move.bottom", ("G", "end"), "bottom", "last; in Trace: follow"),
    Action("prompt.filter", ("slash",), "filter", "filter: kind: run: state: text !not"),
    Action("prompt.command", ("colon",), "command", "command line; tab completes"),
    Action("view.help", ("question_mark",), "help", "keys of this pane", command="help"),
    Action("copy.text", ("y",), "copy", "copy this row or card as text", command="copy"),
    Action("copy.json", ("Y",), "copy JSON", "copy this row as JSON"),
    Action("copy.export", ("E",), "export", "write this pane's rows to a file", command="export"),
    Action("link.resync", ("R",), "resync", "retry the link, or attach again", command="resync"),
    Action("screen.repaint", ("ctrl+l",), "repaint", "draw the screen again", command="repaint"),
    Action("screen.suspend", ("ctrl+z",), "suspend", "suspend the console (job control)"),
    Action("view.back", ("escape", "backspace"), "back", "back: close a card, clear a filter"),
    Action("console.detach", ("q",), "detach", "leave the console; the engine runs on", command="quit"),
    Action("demo.start", (), "demo", "the keyless tour", command="demo", takes="[NAME]", danger=True),
    Action("graph.start", (), "graph", "start a graph of jobs from a plan", command="dag", takes="FILE", danger=True),
    Action("graph.replan", (), "replan", "ask the planner now", command="replan", takes="[WHY]", danger=True),
    Action("graph.fold", (), "fold", "a graph: show many jobs as one", command="fold", takes="NAME-*"),
    Action("graph.unfold", (), "unfold", "a graph: show them again", command="unfold", takes="[NAME-*]"),
    Action("run.start", (), "run", "start one run", command="run", takes="TASK", danger=True),
    Action(
        "engine.stop", (), "stop", "stop the engine; all: cancel every run (asks)", (), "stop", "[all]", danger=True
    ),
    Action(
        "budget.set",
        (),
        "limit",
        "limit a day or run: 20 dollars, 100k tokens, none",
        (),
        "budget",
        "set day/run LIMIT",
        danger=True,
    ),
    Action("loops.add", (), "add", "register a loop: a file, or a pattern", (), "loop", "add FILE", danger=True),
    Action("notices.use", (), "notices", "notices: off, bell, osc9", command="notify", takes="HOW"),
    Action("theme.use", (), "theme", "use another theme", command="theme", takes="NAME"),
    Action("screen.pace", (), "pace", "draw data at most N times a second", command="fps", takes="N"),
)

BY_ID = {action.id: action for action in ACTIONS}
COMMANDS = {action.command: action for action in ACTIONS if action.command}

_SHOWN = {
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "slash": "/",
    "colon": ":",
    "question_mark": "?",
    "pagedown": "pgdn",
    "pageup": "pgup",
    "escape": "esc",
}


def shown(key: str) -> str:
    """A key as people write it."""
    return _SHOWN.get(key, key)


def find(key: str, pane: int) -> Action | None:
    """What a key does in a pane: an action of the pane itself before one of all panes."""
    hits = [action for action in ACTIONS if key in action.keys and (not action.panes or pane in action.panes)]
    return min(hits, key=lambda action: not action.panes, default=None)


def in_scope(pane: int) -> list[Action]:
    """Actions with keys in a pane, its own first."""
    hits = [action for action in ACTIONS if action.keys and (not action.panes or pane in action.panes)]
    return sorted(hits, key=lambda action: not action.panes)


def key_table() -> str:
    """The README's key table, in Markdown."""
    rows = ["| keys | where | what |", "|---|---|---|"]
    for action in ACTIONS:
        keys = " ".join(f"`{shown(key)}`" for key in action.keys)
        command = f"`:{action.command}{' ' + action.takes if action.takes else ''}`" if action.command else ""
        where = " ".join(str(pane) for pane in action.panes) or "all"
        rows.append(f"| {' '.join(filter(None, (keys, command)))} | {where} | {action.help} |")
    return "\n".join(rows)
