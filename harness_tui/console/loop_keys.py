"""What the keys and commands of pane 7 do. Whatever starts, stops or changes a loop is confirmed in the prompt."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Literal

from ..domain.errors import UsageError
from ..domain.loop import find, levels
from ..domain.loop.rows import LoopRow, RoundRow
from ..domain.safetext import clip as safe_clip
from ..port.commands import PauseLoop, ResumeLoop, RunLoop, SetLevel
from .intents import FetchLoop, Intent, LoadLoop, PlanFires, Ring, Send
from .panes.overlays import Overlay
from .stores.prompt import Prompt
from .stores.selection import Selection

if TYPE_CHECKING:
    from .model import Model

CARDS: dict[str, Literal["why", "preview"]] = {"why": "why", "preview": "preview"}
"""Cards that are worked out away from the screen."""
SMALL = 12
"""Lines under which a list of rounds gets the whole screen."""


# -- keys -------------------------------------------------------------------------------------------------------------


def press(m: Model, verb: str) -> list[Intent]:
    """A key of pane 7, by the verb of its action."""
    if verb in ("maker", "checker"):
        return _jump(m, verb)
    row = m.loops.row(m.world)
    if row is None:
        m.notice("There is no loop under the cursor.")
        return []
    name = safe_clip(row.name, 40)
    match verb:
        case "run":
            _ask(m, "loop_run", row, f"run {name} now: enter runs it, esc does not")
        case "pause" if row.state == "paused":
            _ask(m, "loop_resume", row, f"resume {name}: enter resumes it, esc does not")
        case "pause":
            _ask(m, "loop_pause", row, f"pause {name}: enter pauses it, esc does not; reason: ")
        case "promote" | "demote":
            _level(m, verb, row)
        case "preview":
            show = not (m.overlay and m.overlay.kind == verb)
            m.overlay = Overlay(verb, row.id) if show else None
    return []


def _ask(m: Model, kind: str, row: LoopRow, label: str) -> None:
    m.overlay = None
    m.prompt = Prompt(kind, label, run=row.id)


def _level(m: Model, verb: str, row: LoopRow) -> None:
    """Ask for the loop's name, with the level it would get."""
    level = (levels.after if verb == "promote" else levels.before)(row.level)
    name = safe_clip(row.name, 40)
    if level is None:
        m.notice(f"{name} stands at {row.level}: there is no {'higher' if verb == 'promote' else 'lower'} level.")
        return
    _ask(m, f"loop_{verb}", row, f"type {name} to {verb} it from {row.level} to {level}: ")


def _jump(m: Model, role: str) -> list[Intent]:
    """Go to the maker's or checker's run of the round that is shown."""
    shown = current_round(m)
    run = (shown.maker if role == "maker" else shown.checker) if shown else ""
    if not run:
        m.notice(f"This round has no {role} yet." if shown else "There is no round here.")
    elif run not in m.world.views.runs:
        m.notice(f"{safe_clip(run, 20)} is not in memory any more: harness-tui runs show {safe_clip(run, 20)}")
    else:
        m.filters.pop(2, None)
        m.show(2)
        m.sync()
        m.runs.current = run
        m.sync()
    return []


def current_round(m: Model) -> RoundRow | None:
    """The round on the card, under the cursor, or the newest of the loop under the cursor."""
    if m.overlay and m.overlay.kind == "round":
        return m.loops.find_round(m.world, m.overlay.id)
    if m.loops.open:
        return m.loops.find_round(m.world, m.loops.round.current)
    return next(iter(m.loops.rounds(m.world, m.loops.chosen.current)), None)


def item(m: Model) -> str:
    """What `w` and `i` are about."""
    return m.loops.chosen.current


# -- the rounds of a loop ---------------------------------------------------------------------------------------------


def enter(m: Model) -> None:
    """From the loops to the rounds of one, from there to the card of one."""
    loops = m.loops
    if loops.open:
        if loops.round.current:
            m.overlay = Overlay("round", loops.round.current)
    elif loops.chosen.current:
        loops.open, loops.zoomed = True, not m.zoom and m.inner(7)[1] < SMALL
        m.zoom = m.zoom or loops.zoomed
        loops.round = Selection()


def leave(m: Model) -> bool:
    """Back to the loops; False when they are what is shown."""
    if not m.loops.open:
        return False
    m.loops.open = False
    if m.loops.zoomed:
        m.zoom = m.loops.zoomed = False
    return True


def move(m: Model, by: int) -> None:
    (m.loops.round if m.loops.open else m.loops.chosen).move(by)


# -- the prompt and the command line ----------------------------------------------------------------------------------


def submit(m: Model, prompt: Prompt, text: str) -> list[Intent]:
    """Take what a prompt of pane 7 was answered."""
    row = m.world.views.loops.get(prompt.run)
    if row is None or row.state == "removed":
        m.notice("Nothing was sent: the loop is gone.", bad=True)
        return []
    match prompt.kind:
        case "loop_run":
            return [Send(RunLoop(row.id, m.by))]
        case "loop_pause":
            return [Send(PauseLoop(row.id, m.by, text))]
        case "loop_resume":
            return [Send(ResumeLoop(row.id, m.by))]
        case "loop_promote" | "loop_demote":
            verb = prompt.kind.removeprefix("loop_")
            if text == row.name:
                return _set_level(m, row, verb)
            m.notice(f"Nothing was changed: to {verb} it, type its name, {safe_clip(row.name, 40)}.", bad=True)
    return []


def _set_level(m: Model, row: LoopRow, verb: str, reason: str = "") -> list[Intent]:
    level = (levels.after if verb == "promote" else levels.before)(row.level)
    if level is None:
        word = "higher" if verb == "promote" else "lower"
        m.notice(f"{safe_clip(row.name, 40)} stands at {row.level}: there is no {word} level.", bad=True)
        return []
    return [Send(SetLevel(row.id, level, m.by, reason))]


def command(m: Model, verb: str, rest: str) -> list[Intent]:
    """`:promote NAME [REASON]`, `:demote NAME [REASON]`: the name is the confirmation, so it must be whole."""
    name, _, reason = rest.partition(" ")
    if not name:
        m.notice(f":{verb} NAME of a loop, whole: :{verb} {_some_name(m)}", bad=True)
        return []
    try:
        row = find.loop(m.world.views.loops.values(), name)
    except UsageError as error:
        m.notice(error.what, bad=True)
        return []
    return _set_level(m, row, verb, reason.strip())


def names(m: Model) -> list[str]:
    """Of all loops, for completion."""
    return [m.world.views.loops[ident].name for ident in m.loops.chosen.ids]


def _some_name(m: Model) -> str:
    row = m.loops.row(m.world)
    return safe_clip(row.name, 40) if row else "changelog-drafter"


USE = ":loop add FILE.toml, or :loop add --pattern daily_triage; --fast allows intervals under a minute"


def add(m: Model, rest: str) -> list[Intent]:
    """`:loop add FILE`, `:loop add --pattern NAME`, `--fast` with either."""
    try:
        words = shlex.split(rest)
    except ValueError:
        words = []
    fast = "--fast" in words
    match [word for word in words if word != "--fast"]:
        case ["add", "--pattern", name] if not name.startswith("-"):
            return [LoadLoop(name, pattern=True, fast=fast)]
        case ["add", file] if not file.startswith("-"):
            return [LoadLoop(file, fast=fast)]
    m.notice(USE, bad=True)
    return []


# -- what time brings -------------------------------------------------------------------------------------------------


def tick(m: Model, at: float) -> list[Intent]:
    """What must be fetched or worked out for what is on the screen, and a notice when a human is needed."""
    out: list[Intent] = []
    out += missing(m)
    if text := m.notices.tick(waiting(m), at):
        out.append(Ring(text))
    return out


def missing(m: Model) -> list[Intent]:
    """What of the loops on the screen is not known yet."""
    if m.link.state not in ("live", "stalled"):
        return []
    out: list[Intent] = []
    over = m.overlay
    card = m.world.views.loops.get(over.id) if over and over.kind in CARDS else None
    if over and card and m.loops.ask_card(over.kind, card):
        out.append(FetchLoop(CARDS[over.kind], card.id))
    rows = m.inner(7)[1]
    row = m.loops.row(m.world)
    if not rows or row is None:
        return out
    ids, at = m.loops.chosen.ids, m.loops.chosen.index
    near = (m.world.views.loops[ident] for ident in ids[max(0, at - rows) : at + rows])
    if plans := m.loops.plans(near, m.now()):
        out.append(PlanFires(plans))
    if row.id not in m.world.views.specs and m.loops.ask("spec", row.id):
        out.append(FetchLoop("spec", row.id))
    if m.loops.open and m.loops.ask("rounds", row.id):
        out.append(FetchLoop("rounds", row.id))
    return out


def waiting(m: Model) -> dict[str, str]:
    """What needs a human, oldest first: requests, and loops that paused themselves; id to whose it is."""
    out = {row.id: whose(m, row.run) for row in m.world.waiting()}
    for row in m.world.views.loops.values():
        if row.state == "paused" and row.paused_by == "harness":
            out[f"{row.name} paused itself"] = ""
    return out


def whose(m: Model, stream: str) -> str:
    """A round by the name of its loop, a job's run by its graph and job, a run by its id (plain text)."""
    run = m.world.views.runs.get(stream)
    if run and run.job:
        return f"{run.parent} {run.job.partition('#')[0]}"
    loop = m.world.views.loops.get(stream.partition("/")[0])
    return loop.name if loop else stream
