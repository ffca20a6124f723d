"""What an empty pane says: one sentence, then keys or commands that fill it. None is blank."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lines import Line, Span, blank, fit, wrap

if TYPE_CHECKING:
    from ..model import Model

DEMO = (":demo", "the keyless tour, 20 s")
RUN = (":run TASK", "one run")
DAG_DEMO = (":demo dag", "a graph of jobs, keyless")
DAG = (":dag FILE", "start one: harness-tui dag run FILE")
UNFILTER = ("esc", "clear the filter")
WORDS: dict[int, tuple[str, tuple[tuple[str, str], ...]]] = {
    1: ("Nothing has happened yet.", (DEMO, RUN)),
    2: ("No runs yet.", (DEMO, RUN)),
    3: ("There is no run to show.", (("2", "pick a run"), DAG_DEMO, DAG)),
    4: ("Nothing waits for you.", (("2 i", "what each run may do without asking"),)),
    5: (
        "No spend yet. No limit is set.",
        ((":budget set day 20", "20 dollars for each day"), (":budget set day 2M", "or tokens"), RUN),
    ),
    6: ("No browser is open. A run with browser tools shows here.", (DEMO,)),
    7: (
        "No loops yet. They start runs on a schedule, at a level you set.",
        (
            (":loop add --pattern daily_triage", "L1: reports only, nothing can change"),
            (":loop add FILE", "one of your own"),
            (":run TASK", "one run now, without one"),
        ),
    ),
}


def lines(
    m: Model, pane: int, width: int, height: int, sentence: str = "", helps: tuple[tuple[str, str], ...] = ()
) -> list[Line]:
    """The pane's empty state in exactly `height` lines; while there is no engine yet it says so instead."""
    text, helps = WORDS[pane][0], helps or WORDS[pane][1]
    if m.link.state == "starting" and m.world.engine is None:
        text, helps = "The engine is starting.", (("q", "leave"),)
    elif m.link.state == "lost" and m.world.engine is None:
        text, helps = "No engine answers.", (("R", "retry now"), ("q", "leave"))
    out = [
        blank(width),
        *(fit((Span(f" {row}"),), width) for row in wrap(sentence or text, max(1, width - 2))),
        blank(width),
    ]
    keys = max(12, *(len(key) + 2 for key, _ in helps))
    for key, what in helps:
        out.append(fit((Span(f" {key:<{keys}s}", "key"), Span(what, "dim")), width))
    return [*out, *[blank(width)] * height][:height]
