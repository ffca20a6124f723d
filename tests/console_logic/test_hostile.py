"""Hostile text, odd sizes and arbitrary keys: nothing steers the terminal, nothing raises, geometry always holds."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from harness_tui.console.actions import ACTIONS
from harness_tui.console.lines import cells
from harness_tui.console.panes import diff
from harness_tui.domain import events as ev
from harness_tui.domain.events import Fact, Flow
from harness_tui.domain.messages import Text, Usage

from .scene import Bench, Log, batch, busy, request, spec

HOSTILE = [
    "\x1b]52;c;U0VDUkVU\x1b\\ and \x1b]52;c;QQ==\x07",
    "\x1b]0;T\x07\x1b]2;T\x1b\\",
    "\x1b[21t\x1b[6n\x1b[c",
    "\x1b]8;;http://evil\x1b\\https://bank\x1b]8;;\x1b\\",
    "\x9b31m \x9d0;x\x9c",
    "\x1bPq\x1b\\ \x1b_x\x1b\\ \x1b^p\x1b\\ \x1bXs\x1b\\",
    "\x1b]0;abc",
    "instruction\x1b[2K\r",
    "safe\rrm -rf /\b\b\b",
    "\x1bc\x1b[?1049l\x1b[?2004l",
    "[@click=app.quit]x[/] [link='https://e']x[/link]",
    "x [/nope] [link=https://a.b]x[/link]",
    "\u061c\u200e\u200f\u202a\u202e\u2066\u2069gnp.exe",
    "if access != 'user\u202e \u2066// admin\u2069 \u2066': pass",
    "\u200b\u200d\u2060\ufeff\U000e0041\U000e007f",
    "a" + "\u0301" * 10_000,
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f44d\U0001f3fd \U0001f1e9\U0001f1ea",
    "r\u0435ad_file",
    "\x1b[8mhidden\x1b[0m",
    "\x1b_Gf=100;AAAA\x1b\\ \x1b]1337;File=:QQ==\x07",
    "\t\v\f\0\x7f\x85\u2028\u2029",
    "日本語の題名 全角 " * 20,
    " " * 500 + "rm -rf /",
    "\n" * 200 + "below",
    "x" * 5_000,
]


def scene(text: str) -> Log:
    """A log with `text` in every place a stranger can write to."""
    log = Log()
    log.add("r1", 60, ev.RunStarted(spec(text), {text: text}, text))
    log.add("r1/1", 59, ev.AttemptStarted("r1", 1), ev.EnvironmentOpened(text, text, (text,)))
    log.add("r1/1", 58, ev.ModelRequested("m", 1, 10, "2026-11-21"), ev.ModelAnswered("m", (Text(text),), Usage(1, 1)))
    log.add("r1/1", 57, ev.ToolStarted("c", text, "network", text, text), ev.ToolFinished("c", text, False, text))
    log.add("r1/1", 56, ev.FrameCaptured(text, text, text, text, 1280, 800, 1, text), ev.LoginHandled(True, text, text))
    facts = (Fact(text, text), Fact("sends", text))
    log.add("r1/1", 55, request("A-1", summary=text, facts=facts), request("A-2", facts=(), digest=text or "0"))
    log.add("r2", 54, ev.RunStarted(spec(text)), ev.RunFinished("failed", False, text, text, text, 1, text))
    log.add("r3", 54, ev.RunStarted(spec(text)))
    return log


def sane(bench: Bench) -> None:
    """Exact geometry, and no character that steers a terminal or hides, on the whole screen."""
    m = bench.model
    for name, rect in m.places(m.width, m.height).items():
        assert rect.x >= 0
        assert rect.x + rect.width <= m.width, (name, rect)
        assert rect.y >= 0
        assert rect.y + rect.height <= m.height, (name, rect)
        lines = m.lines(name, rect.width, rect.height)
        assert len(lines) == rect.height, name
        for line in lines:
            assert sum(cell_len(span.text) for span in line) == rect.width, (name, line)
            for span in line:
                assert span.text.isprintable(), (name, span)
    assert m.title_text.isprintable()


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_in_every_place(text: str) -> None:
    started = time.process_time()
    bench = Bench(scene(text), ascii=False)
    bench.model.fold(batch(flow=(Flow("r3", text, text, 1), Flow("r3", "step", text, 2))))
    bench.model.notice(text)
    for size in ((80, 24), (200, 60), (20, 6)):
        bench.model.resized(*size, bench.at)
        for pane in "1234567":
            bench.model.key(pane, bench.at)
            sane(bench)
        bench.model.key("4", bench.at)
        for key in ("w", "i", "escape", "question_mark", "escape", "j", "space", "y", "Y"):
            for intent in bench.model.key(key, bench.at):
                assert all(row.isprintable() for row in intent.text.split("\n")), intent  # type: ignore[union-attr]
            sane(bench)
        bench.model.key("1", bench.at)
        bench.model.key("enter", bench.at)
        sane(bench)
        bench.model.key("escape", bench.at)
    assert time.process_time() - started < 20, "a line of ten thousand marks must not stall"


def test_a_lone_surrogate_from_the_terminal_is_shown_as_an_escape() -> None:
    """It cannot come from the engine (the wire is UTF-8), but a terminal may send one."""
    bench = Bench(busy())
    bench.press("slash")
    bench.model.paste("\ud800", bench.at)
    bench.model.notice("\udfff")
    sane(bench)


def test_a_card_hides_nothing_behind_spaces() -> None:
    bench = Bench(scene(" " * 500 + "rm -rf /"))
    bench.arm()
    text = "\n".join(bench.screen()[0])
    assert "<500 spaces>" in text


def test_a_card_is_wrapped_at_spaces_and_never_cut() -> None:
    value = "GET https://news.local/vote?id=4811&how=up and then some more words so that it must wrap cookie yes"
    log = Log()
    log.add("r1", 9, ev.RunStarted(spec("x")))
    log.add("r1", 8, request("A-1", facts=(Fact("sends", value),)))
    for width in (60, 80, 130):
        bench = Bench(log, width=width, height=24)
        bench.arm()
        rows = [row.line for row in bench.model.card_rows(bench.model.card_form().width)]
        words = " ".join("".join(span.text for span in row).strip() for row in rows).split()
        assert words[1 : 1 + len(value.split())] == value.split()


KEYS = sorted({key for action in ACTIONS for key in action.keys} | {"delete", "f1", "ctrl+u", "up", "é", "日"})
COMMANDS = ["stop", "theme dark", "fps 5", "help", "trace", "demo", "", "zzz", "why"]
STEP = st.one_of(
    st.tuples(st.just("key"), st.sampled_from(KEYS)),
    st.tuples(st.just("text"), st.text(max_size=8)),
    st.tuples(st.just("paste"), st.sampled_from(HOSTILE)),
    st.tuples(st.just("size"), st.tuples(st.integers(1, 300), st.integers(1, 100))),
    st.tuples(st.just("command"), st.sampled_from(COMMANDS)),
    st.tuples(st.just("link"), st.sampled_from(["live", "lost", "starting", "stalled"])),
    st.tuples(st.just("event"), st.sampled_from(["A-27", "A-28", "A-29", "r17", "new", "flow", "resync"])),
    st.tuples(st.just("wait"), st.floats(0, 4)),
    st.tuples(st.just("focus"), st.booleans()),
)


@given(st.lists(STEP, max_size=25))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_nothing_raises_and_geometry_holds(steps: list[tuple[str, object]]) -> None:
    bench = Bench(busy())
    for what, value in steps:
        act(bench, what, value)
    sane(bench)


def act(bench: Bench, what: str, value: object) -> None:
    m = bench.model
    match what:
        case "key":
            bench.press(str(value), 0.05)
        case "text" if m.typing:
            m.text(str(value), bench.at)
        case "paste":
            m.paste(str(value), bench.at)
        case "size":
            m.resized(*value, bench.at)  # type: ignore[misc]
            sane(bench)
        case "command":
            bench.press("colon")
            m.text(str(value), bench.at)
            bench.wait(0.5)
            bench.press("enter")
        case "link":
            m.set_link(value)  # type: ignore[arg-type]
        case "event":
            event(bench, str(value))
        case "wait":
            bench.wait(float(value))  # type: ignore[arg-type]
        case "focus":
            (m.focus_in if value else m.focus_out)(bench.at)


def event(bench: Bench, which: str) -> None:
    log, m = bench.log, bench.model
    match which:
        case "flow":
            m.fold(batch(flow=(Flow("r19/1", "model", "x", 3),), dropped=2))
        case "resync":
            m.attach(log.snapshot(trace=3))
        case "r17":
            m.fold(batch(*log.add("r17", 0, ev.RunFinished("cancelled", None, "cancelled", "", "cancelled", 8))))
        case "new":
            ident = f"r{40 + log.pos}"
            m.fold(batch(*log.add(ident, 0, ev.RunStarted(spec("a new one")), request(f"A-{log.pos}"))))
        case approval:
            m.fold(batch(*log.add("r17/1", 0, ev.ApprovalDecided(approval, "denied", "x", "0"))))


@pytest.mark.parametrize("width", [1, 2, 5, 19, 20, 59, 60, 99, 100, 159, 160, 300])
def test_every_size(width: int) -> None:
    bench = Bench(busy(), ascii=False)
    for height in (1, 2, 3, 4, 5, 6, 15, 16, 19, 20, 29, 30, 44, 45, 100):
        bench.model.resized(width, height, bench.at)
        for pane in "1243567":
            bench.model.key(pane, bench.at)
            sane(bench)


@given(
    st.lists(st.text(st.characters(exclude_characters="\n"), max_size=60), max_size=12),
    st.sampled_from("+- \\"),
    st.integers(1, diff.SIDES - 1),
)
@settings(max_examples=150, deadline=None)
def test_a_diff_is_shown_whole_and_safe_at_every_width(texts: list[str], sign: str, width: int) -> None:
    count = len(texts) + 1
    value = f"--- a\n+++ a\n@@ -1,{count} +1,{count} @@\n \n" + "".join(f"{sign}{text}\n" for text in texts)
    laid = [each.rows for each in diff.lay(diff.parse(value), width, "|")]
    assert len(laid) == 4 + len(texts), "one source line a line"
    for raw, rows in zip(texts, laid[4:], strict=True):
        assert rows[0][0].text == f"  {sign}"
        assert all(row[0].text == f"  {diff.ON}" for row in rows[1:])
        shown = "".join(span.text for row in rows for span in row[1:])
        assert all(char.isprintable() for char in shown)
        if raw.isascii() and raw.isprintable() and "  " not in raw and not raw.endswith(" "):
            assert shown == raw
        assert all(sum(cells(span.text) for span in row) <= max(width, 5) for row in rows)
