"""The `:` command line; its names come from the action table."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..domain import amounts
from ..domain.errors import UsageError
from ..domain.safetext import clip as safe_clip
from ..domain.views import BudgetRow
from ..port.commands import SetBudget
from . import dag_commands, editing, keys, loop_keys, notice, theme
from .actions import COMMANDS
from .arming import Subject
from .intents import Intent, Pace, RunTask, Send, StartDemo, UseTheme
from .stores.prompt import Prompt

if TYPE_CHECKING:
    from .model import Model


def danger(text: str) -> bool:
    """Whether the command starts or stops something."""
    action = COMMANDS.get(text.split(maxsplit=1)[0] if text.split() else "")
    return bool(action and action.danger)


def perform(m: Model, text: str, about: Subject | None = None) -> list[Intent]:
    """Do what was typed, or say what is wrong with it. `about`: what was under the cursor of 4 when typing began."""
    name, _, rest = text.strip().partition(" ")
    rest = rest.strip()
    action = COMMANDS.get(name)
    if not name:
        return []
    if action is None:
        hint = _near(name, COMMANDS, ":") or " ? lists them."
        m.notice(f"There is no command :{safe_clip(name, 40)}.{hint}", bad=True)
        return []
    match action.id:
        case "demo.start":
            return [StartDemo(rest)]
        case "run.start":
            if rest:
                return [RunTask(rest)]
            m.notice("A run needs a task: :run go to the news site and upvote the first story", bad=True)
        case "approvals.assign":
            return editing.assign(m, about, rest)
        case "theme.use":
            return _theme(m, rest)
        case "screen.pace":
            if rest.isascii() and rest.isdigit() and 1 <= int(rest[:4]) <= 60:
                return [Pace(int(rest[:4]))]
            m.notice("A pace is 1 to 60 frames a second: :fps 5", bad=True)
        case "loops.add":
            return loop_keys.add(m, rest)
        case "loops.promote" | "loops.demote":
            return loop_keys.command(m, name, rest)
        case "graph.start" | "graph.replan" | "graph.fold" | "graph.unfold":
            return dag_commands.perform(m, name, rest)
        case "notices.use":
            _notify(m, rest)
        case "engine.stop":
            _stop(m, rest)
        case "budget.set":
            return _budget(m, rest)
        case _:
            return keys.perform(m, action.id)
    return []


def _near(word: str, known: Iterable[str], before: str = "") -> str:
    """` Did you mean day?`, or ""."""
    near = difflib.get_close_matches(word, list(known), 1)
    return f" Did you mean {before}{near[0]}?" if near else ""


def _stop(m: Model, what: str) -> None:
    """Ask for the words: the engine ends, or every run does."""
    if what == "":
        m.prompt = Prompt("stop", "type stop to end the engine (its runs go on with the next one): ")
    elif what == "all":
        count = sum(run.open for run in m.world.roots())
        m.prompt = Prompt("stop_all", f"type stop all to cancel every open run ({count} now): ")
    else:
        m.notice(":stop ends the engine, :stop all cancels every open run.", bad=True)


def _budget(m: Model, rest: str) -> list[Intent]:
    """`set day 20`, `set run 100k`, `set r17 none`: the limit that is not given stays as it is."""
    match rest.split(maxsplit=2):
        case ["set", scope, limit]:
            pass
        case [verb, *_] if verb != "set":
            m.notice(f"There is no :budget {safe_clip(verb, 20)}; it is :budget set day 20.", bad=True)
            return []
        case _:
            m.notice(":budget set day 20 (dollars), :budget set run 100k (tokens), :budget set run none", bad=True)
            return []
    name = _scope(m, scope)
    if name is None:
        hint = _near(scope, _scopes(m)) or " It is day, run (the selected one), or the id of an open run."
        m.notice(f"There is no budget {safe_clip(scope, 20)}.{hint}", bad=True)
        return []
    budgets = m.world.views.budgets
    now = budgets.get(name) or BudgetRow(name)
    try:
        tokens, usd = (0, None) if limit == "none" else amounts.limit(limit)
    except UsageError as error:
        m.notice(str(error), bad=True)
        return []
    if limit == "none":
        return [Send(SetBudget(name, 0, None, m.by))]
    wish = SetBudget(name, now.limit if tokens is None else tokens, now.usd_limit if usd is None else usd, m.by)
    return [Send(wish)]


def _scopes(m: Model) -> list[str]:
    return ["day", "run", *(run.id for run in m.world.roots() if run.open)]


def _scope(m: Model, word: str) -> str | None:
    """`day`, or `run:ID` of the run that is meant, None when there is none; in 5 the cursor is on a budget's run."""
    if word == "day":
        return "day"
    if word == "run":
        kind, _, on_row = m.budgets.current.partition(":")
        word = on_row if m.focus == 5 and kind == "run" else m.runs.current
    return f"run:{word}" if word in m.world.views.runs else None


def complete(m: Model, text: str) -> str:
    """What the tab key makes of a command: the word being typed as far as it is certain; more than one are named."""
    if text.startswith("edit "):
        return editing.complete(m, text)
    head, space, word = text.rpartition(" ")
    known: Iterable[str] = {
        "": COMMANDS,
        "budget": ("set",),
        "budget set": _scopes(m),
        "stop": ("all",),
        "loop": ("add",),
        "loop add": ("--pattern",),
        "notify": notice.MODES,
        "fold": ("rank",),
        "unfold": dag_commands.folded(m),
        "promote": loop_keys.names(m),
        "demote": loop_keys.names(m),
        "theme": theme.names(),
    }.get(" ".join(head.split()), ())
    fits = sorted(name for name in known if name.startswith(word))
    if not fits:
        return text
    if len(fits) > 1:
        m.said = ("  ".join(fits), False)
    return f"{head}{space}{_common(fits)}{' ' if len(fits) == 1 else ''}"


def _notify(m: Model, how: str) -> None:
    """`:notify bell`; what is on stays on until it is told otherwise."""
    wanted = next((mode for mode in notice.MODES if mode == how), None)
    if wanted is None:
        m.notice(":notify off, :notify bell, or :notify osc9 (bell and a desktop notice)", bad=bool(how))
        return
    m.notices.mode = wanted
    m.notice(f"Notices: {wanted}, at most one in {notice.INTERVAL:.0f} s.")


def _common(names: list[str]) -> str:
    """The longest start of all of them."""
    letters = zip(*names, strict=False)
    return "".join(each[0] for each in itertools.takewhile(lambda each: len(set(each)) == 1, letters))


def _theme(m: Model, name: str) -> list[Intent]:
    known = theme.names()
    if name in known:
        m.theme_name = name
        return [UseTheme(name)]
    m.notice(f"Themes: {', '.join(known)}.", bad=bool(name))
    return []
