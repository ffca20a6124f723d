"""The shell's parts without a screen: pace, pictures, feed, terminal sequences, performed intents."""

from __future__ import annotations

import asyncio
import base64

import pytest

from harness_tui.console import frames, terminal
from harness_tui.console.feed import MAX_PENDING, Feed
from harness_tui.console.intents import FetchFrame
from harness_tui.console.lines import width_of
from harness_tui.console.model import Model
from harness_tui.console.pace import Pace
from harness_tui.console.perform import write_new
from harness_tui.console.run import crash_sentence, prepare_environment
from harness_tui.domain.errors import LinkLost
from harness_tui.port.snapshot import Batch

from .fake_port import NOW, FakeEngine, picture


def test_pace_is_slower_over_ssh_and_slowest_when_nobody_looks():
    assert Pace.of({}).interval == pytest.approx(1 / 12)
    assert Pace.of({"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}).interval == pytest.approx(1 / 5)
    assert Pace(fps=1000).interval == pytest.approx(1 / 30)
    blurred = Pace(ssh=True)
    blurred.blurred = True
    assert blurred.interval == 1.0


@pytest.mark.parametrize("ink", ["true", "256", "none"])
@pytest.mark.parametrize("unicode", [True, False])
def test_a_picture_fits_its_cells_in_every_ink(ink, unicode):
    lines = frames.draw(picture(320, 200), 50, 12, ink=ink, unicode=unicode)
    assert len(lines) == 12
    assert {width_of(line) for line in lines} == {38}
    text = "".join(span.text for line in lines for span in line)
    assert text.isascii() or (unicode and ink != "none")
    coloured = any(span.token.startswith("#") for line in lines for span in line)
    assert coloured == (ink != "none")


def test_the_small_palette_merges_cells():
    true, small = (frames.draw(picture(), 60, 20, ink=ink) for ink in ("true", "256"))
    assert sum(map(len, small)) < sum(map(len, true))


async def test_a_picture_is_fetched_once_and_a_broken_one_is_said():
    fetched: list[str] = []
    drawn: list[tuple[str, str]] = []

    async def fetch(sha: str) -> bytes:
        fetched.append(sha)
        return picture() if sha == "good" else b"not a picture"

    def sink(sha: str, width: int, height: int, lines: list) -> None:
        drawn.append((sha, lines[0][0].text[:9]))

    pictures = frames.Pictures(fetch, sink, interval=lambda: 0.0, ink="none", unicode=False)
    for wish in (FetchFrame("good", 20, 6), FetchFrame("good", 10, 3), FetchFrame("bad", 10, 3)):
        pictures.want(wish)
        await pictures._task
    assert fetched == ["good", "bad"]
    assert [sha for sha, _ in drawn] == ["good", "good", "bad"]
    assert drawn[-1][1] == "the pictu"


def test_clipboard_and_title_carry_no_control_character_of_the_text():
    sequence, _ = terminal.set_clipboard("a\x1b]52;c;x\x07b\nnext")
    assert base64.b64decode(sequence.removeprefix("\x1b]52;c;").removesuffix("\x07")) == rb"a\x1b]52;c;x\x07b" b"\nnext"
    assert len(base64.b64decode(terminal.set_clipboard("x" * 20_000)[0][7:-1])) == 8192
    assert terminal.set_title("a\x07b\x1b[2J") == "\x1b]2;a\\x07b\\x1b[2J\x07"


def test_theme_choice():
    assert terminal.choose_theme({"NO_COLOR": "1", "COLORTERM": "truecolor"}) == "mono"
    assert terminal.choose_theme({"COLORTERM": "truecolor"}) == "dark"
    assert terminal.choose_theme({"TERM": "xterm-256color"}) == "ansi"
    assert terminal.choose_theme({"NO_COLOR": "1"}, "light") == "light"


def test_a_low_textual_fps_is_dropped(monkeypatch):
    monkeypatch.setenv("TEXTUAL_FPS", "5")
    prepare_environment()
    import os

    assert "TEXTUAL_FPS" not in os.environ
    assert os.environ["TEXTUAL_ANIMATIONS"] == "none"


def test_an_export_never_overwrites(tmp_path):
    first = write_new(tmp_path / "x.txt", "one\x1b[2J\n")
    second = write_new(tmp_path / "x.txt", "two")
    assert (first.read_text(), second.name, second.read_text()) == ("one\\x1b[2J\n", "x.txt.2", "two")
    assert first.stat().st_mode & 0o777 == 0o600


def test_a_crash_is_one_sentence_and_its_log_holds_no_value(tmp_path):
    try:
        password = "hunter2"
        raise ValueError(f"bad {password}")
    except ValueError as error:
        sentence = crash_sentence(error, tmp_path / "log")
    logged = (tmp_path / "log").read_text()
    assert "ValueError" in sentence and "\n" not in sentence and "hunter2" not in sentence + logged
    assert "test_shell_parts.py" in logged


class Recorder(Model):
    """A model that counts."""

    def __init__(self) -> None:
        super().__init__(ascii=True, now=lambda: NOW)
        self.folded = 0
        self.links: list[str] = []

    def attach(self, snapshot) -> None:
        self.folded = 0

    def fold(self, batch) -> None:
        self.folded += 1

    def set_link(self, state, **rest) -> None:
        self.links.append(state)


async def until(true) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - the condition is about several objects
            await asyncio.sleep(0.005)


async def test_the_feed_attaches_again_after_a_lost_link_and_after_a_gap():
    engine, model = FakeEngine(), Recorder()
    feed = Feed(engine.connect, model, Pace(fps=30), paint=lambda: True, failed=lambda error: None)
    feed.start()
    await until(lambda: feed.live)
    engine.cut()
    await until(lambda: model.links[-1:] == ["lost"])
    assert not feed.live
    engine.up = True
    feed.resync()
    await until(lambda: feed.live)
    assert model.links == ["starting", "live", "lost", "live"]
    attaches = engine.attaches
    engine.push(Batch(gap=True))
    await until(lambda: engine.attaches == attaches + 1)
    await feed.stop()
    assert engine.ports == []


async def test_every_batch_is_folded_while_the_terminal_takes_no_frame():
    engine, model = FakeEngine(), Recorder()
    frames_offered = []

    def paint() -> bool:
        frames_offered.append(model.folded)
        return False

    feed = Feed(engine.connect, model, Pace(fps=30), paint=paint, failed=lambda error: None)
    feed.start()
    await until(lambda: feed.live)
    for _ in range(MAX_PENDING * 3):
        engine.push(Batch())
    await until(lambda: model.folded == MAX_PENDING * 3)
    assert len(frames_offered) < 100
    await feed.stop()


async def test_an_error_with_an_exit_code_is_not_retried():
    from harness_tui.domain.errors import SetupError

    failed: list[BaseException] = []

    async def connect():
        raise SetupError("The database is newer than this program.")

    feed = Feed(connect, Recorder(), Pace(), paint=lambda: True, failed=failed.append)
    feed.start()
    await until(lambda: failed)
    assert isinstance(failed[0], SetupError)
    await feed.stop()


async def test_the_first_attach_may_have_begun_before():
    engine, model = FakeEngine(), Recorder()
    first: asyncio.Future = asyncio.get_running_loop().create_future()
    first.set_exception(LinkLost("not yet"))
    feed = Feed(engine.connect, model, Pace(), paint=lambda: True, failed=lambda error: None, first=first)
    feed.start()
    await until(lambda: model.links[-1:] == ["lost"])
    feed.resync()
    await until(lambda: feed.live)
    await feed.stop()
