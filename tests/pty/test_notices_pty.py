"""Notices on a real pty: a burst of requests is one bell and one desktop notice, counted in bytes."""

from __future__ import annotations

import re

import pytest

from .terminal import Terminal

OSC = re.compile(rb"\x1b\][^\x07]*\x07")


def count(output: bytes) -> tuple[int, list[bytes]]:
    """(bells, texts of OSC 9); the bell that ends a sequence is none."""
    texts = [found[4:-1] for found in OSC.findall(output) if found.startswith(b"\x1b]9;")]
    return OSC.sub(b"", output).count(b"\a"), texts


@pytest.mark.parametrize(("env", "notices"), [({}, 1), ({"TMUX": "/tmp/x,1,0"}, 0)], ids=["plain", "tmux"])
def test_a_burst_is_one_bell_and_one_notice(env: dict[str, str], notices: int) -> None:
    with Terminal.console("asks", env={"STY": "", **env}) as terminal:
        terminal.wait_for(b"\x1b]2;(22) harness-tui ~/site\x07")
        # Each key is followed by what falls due: all chances to ring again are taken before it leaves.
        for _ in range(20):
            terminal.send("j")
            terminal.pump(0.2)
        terminal.send("q")
        assert terminal.wait_end() == 0
        bells, texts = count(terminal.output)
        assert bells == 1
        assert len(texts) == notices
        assert all(text.startswith(b"harness-tui: ") and b" wait: A-101 r18, " in text for text in texts)
        assert b"\x1b]9;4" not in terminal.output, "no text of an agent becomes a sequence"


def test_what_waits_at_the_attach_is_silent() -> None:
    with Terminal.console("busy") as terminal:
        terminal.wait_for(b"\x1b]2;(2) harness-tui ~/site\x07")
        for _ in range(10):
            terminal.send("j")
            terminal.pump(0.2)
        terminal.send("q")
        assert terminal.wait_end() == 0
        assert count(terminal.output) == (0, [])
