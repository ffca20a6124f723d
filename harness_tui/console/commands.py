"""The `:` command line; its names come from the action table."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from ..domain.safetext import clip as safe_clip
from . import keys, theme
from .actions import COMMANDS
from .intents import Intent, Pace, RunTask, StartDemo, UseTheme
from .stores.prompt import Prompt

if TYPE_CHECKING:
    from .model import Model


def danger(text: str) -> bool:
    """Whether the command starts or stops something."""
    action = COMMANDS.get(text.split(maxsplit=1)[0] if text.split() else "")
    return bool(action and action.danger)


def perform(m: Model, text: str) -> list[Intent]:
    """Do what was typed, or say what is wrong with it."""
    name, _, rest = text.strip().partition(" ")
    rest = rest.strip()
    action = COMMANDS.get(name)
    if not name:
        return []
    if action is None:
        near = difflib.get_close_matches(name, COMMANDS, 1)
        hint = f" Did you mean :{near[0]}?" if near else " ? lists them."
        m.notice(f"There is no command :{safe_clip(name, 40)}.{hint}", bad=True)
        return []
    match action.id:
        case "demo.start":
            return [StartDemo(rest)]
        case "run.start":
            if rest:
                return [RunTask(rest)]
            m.notice("A run needs a task: :run go to the news site and upvote the first story", bad=True)
        case "theme.use":
            return _theme(m, rest)
        case "screen.pace":
            if rest.isascii() and rest.isdigit() and 1 <= int(rest[:4]) <= 60:
                return [Pace(int(rest[:4]))]
            m.notice("A pace is 1 to 60 frames a second: :fps 5", bad=True)
        case "engine.stop":
            m.prompt = Prompt("stop", "type stop to end the engine (its runs go on with the next one): ")
        case _:
            return keys.perform(m, action.id)
    return []


def _theme(m: Model, name: str) -> list[Intent]:
    known = theme.names()
    if name in known:
        m.theme_name = name
        return [UseTheme(name)]
    m.notice(f"Themes: {', '.join(known)}.", bad=bool(name))
    return []
