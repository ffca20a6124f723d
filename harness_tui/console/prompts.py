"""The prompt at work. What starts, stops or decides something is taken only when its enter key stands alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..port.commands import CancelAll, CancelRun, StopEngine
from . import commands, dag_keys, decide, loop_keys
from .arming import Lone
from .intents import Intent, Send
from .stores.filter import Filter

if TYPE_CHECKING:
    from .model import Model


def press(m: Model, key: str, at: float, alone: bool) -> list[Intent]:
    """A key that is no text, while a prompt is open."""
    prompt = m.prompt
    if prompt is None:
        return []
    match key:
        case "escape":
            close(m)
            if prompt.kind == "filter":
                apply_filter(m, "")
        case "backspace" if not prompt.text:
            close(m)
        case "enter":
            return _enter(m, at, alone)
        case "tab" if prompt.kind == "command":
            prompt.text = commands.complete(m, prompt.text)
        case "space":
            prompt.type(" ")
            changed(m)
        case _:
            if len(key) == 1:
                prompt.type(key)
                changed(m)
            elif prompt.edit(key):
                changed(m)
    return []


def _enter(m: Model, at: float, alone: bool) -> list[Intent]:
    prompt = m.prompt
    if prompt is None:
        return []
    if prompt.kind == "filter" or (prompt.kind == "command" and not commands.danger(prompt.text)):
        return _submit(m)
    if prompt.kind == "push_back" and not prompt.text.strip():
        m.said = ("say what is to be done otherwise, or esc", False)
    elif alone:
        prompt.entered = Lone(at)
    else:
        m.said = ("press enter again, on its own", False)
    return []


def disturb(m: Model, at: float) -> None:
    """Another key: an enter just before it was part of a burst."""
    if m.prompt and m.prompt.entered and m.prompt.entered.disturbed(at):
        m.prompt.entered = None


def due(m: Model) -> float | None:
    return m.prompt.entered.until if m.prompt and m.prompt.entered else None


def tick(m: Model, at: float) -> list[Intent]:
    """Take the enter that stood alone."""
    if not (m.prompt and m.prompt.entered and m.prompt.entered.stood(at)):
        return []
    out = _submit(m)
    m.sync()
    return out


def close(m: Model) -> None:
    m.prompt = None
    if m.overlay and m.overlay.kind == "retry":  # it says what the prompt asks
        m.overlay = None


def changed(m: Model) -> None:
    """A filter works while it is typed."""
    if m.prompt and m.prompt.kind == "filter":
        apply_filter(m, m.prompt.text)


def apply_filter(m: Model, source: str) -> None:
    """Filter the focused pane: 1 filters the trace, 2 the runs, 3 the jobs of a graph."""
    if m.focus == 1:
        m.world.refilter(source)
    m.filters[m.focus] = Filter(source)


def _submit(m: Model) -> list[Intent]:
    prompt = m.prompt
    if prompt is None:
        return []
    close(m)
    text = prompt.text.strip()
    match prompt.kind:
        case "command":
            if text:
                m.history.append(text)
            return commands.perform(m, text, prompt.subject)
        case "deny" | "push_back":
            if prompt.subject is None or not decide.reachable(m, prompt.subject):
                m.notice("Nothing was sent: the item or the link changed while you typed.", bad=True)
                return []
            act = decide.deny if prompt.kind == "deny" else decide.push_back
            return act(m, prompt.subject, text)
        case "cancel":
            return [Send(CancelRun(run=prompt.run, by=m.by, reason=text))]
        case "stop":
            if text == "stop":
                return [Send(StopEngine())]
            m.notice("The engine was not stopped: the word is stop.")
        case "stop_all":
            if text == "stop all":
                return [Send(CancelAll(m.by))]
            m.notice("Nothing was cancelled: the words are stop all.")
        case kind if kind.startswith("loop_"):
            return loop_keys.submit(m, prompt, text)
        case kind if kind.startswith("dag_"):
            return dag_keys.submit(m, prompt, text)
    return []
