"""The main job through the program itself: a real engine, a real Chromium, a real site, and decisions by shell."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from harness_tui.config.paths import Paths

from .program import PATIENCE, Running, run

pytestmark = pytest.mark.timeout(3 * PATIENCE)

FIELDS = {"run", "state", "answer", "claim", "verified", "reason", "stopped_by", "attempts", "iterations", "tools"}
FIELDS |= {"tokens", "usd", "exit", "error"}


@pytest.fixture
def demo(home: Paths) -> Iterator[Running]:
    """A demo that waits for its vote's approval, hosted in its own process."""
    running = Running.start(home, "demo", "--headless", "--output-format", "json")
    yield running
    if running.process.poll() is None:
        running.process.kill()
    run(home, "engine", "stop", "--now")


def test_yes_votes_and_is_verified(home: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a user has it: with the whole browser."""
    monkeypatch.delenv("HARNESS_TUI_BROWSER", raising=False)
    done = run(home, "demo", "--headless", "--yes")
    assert done.code == 0, done.err
    result = done.json
    assert set(result) == FIELDS | {"site", "stage"}
    assert result["verified"] is True
    assert result["state"] == "succeeded"
    assert [vote["user"] for vote in result["site"]["votes"]] == ["demo"]
    assert "harness_auto_login" in result["tools"]
    assert "approved by --yes" in done.err
    (listed,) = run(home, "runs", "list", "--output-format", "json").json
    assert set(listed) == {"id", "parent", "kind", "title", "workspace", "state", "started", "tokens", "usd"}
    (decided,) = run(home, "approvals", "list", "--all", "--output-format", "json").json
    assert (decided["state"], run(home, "approvals", "list", "--output-format", "json").json) == ("done", [])
    assert run(home, "doctor").code == 0, "the journal is whole"


def test_stages_say_what_the_site_says(home: Paths) -> None:
    """Through one engine that runs apart: what is verified is exactly what was voted."""
    assert run(home, "engine", "start").code == 0
    try:
        for stage in (1, 2, 3):
            done = run(home, "demo", "--headless", "--yes", "--stage", str(stage), "--output-format", "json")
            result = done.json
            assert done.code == 1, done.err
            assert result["stage"] == stage
            assert result["verified"] is False
            assert result["site"] == {"votes": []}
            if stage < 3:
                assert result["reason"] == "nothing verified the claim"
            assert result["attempts"] == (3 if stage == 3 else 1)
    finally:
        assert run(home, "engine", "stop").code == 0


def test_a_second_shell_decides_once(home: Paths, demo: Running) -> None:
    approval, digest = demo.asked()
    (waiting,) = run(home, "approvals", "list", "--output-format", "json").json
    assert (waiting["id"], waiting["state"], waiting["risk"]) == (approval, "requested", "high")
    assert waiting["digest"].startswith(digest)
    wrong = run(home, "approvals", "approve", approval, "--digest", "0" * 12, "--output-format", "json")
    assert (wrong.code, wrong.json["exit"]) == (4, 4)
    assert run(home, "approvals", "approve", approval, "--digest", digest).code == 0
    late = run(home, "approvals", "deny", approval, "--digest", digest)
    assert late.code == 4
    assert "(cli)" in late.err, "it says who decided"
    done = demo.end()
    assert (done.code, done.json["verified"]) == (0, True), done.err


def test_a_denial_ends_with_four(home: Paths, demo: Running) -> None:
    approval, digest = demo.asked()
    assert run(home, "approvals", "deny", approval, "--digest", digest, "--reason", "not today").code == 0
    done = demo.end()
    assert (done.code, done.json["site"]) == (4, {"votes": []}), done.err


def test_ctrl_c_cancels(demo: Running) -> None:
    demo.asked()
    demo.send(signal.SIGINT)
    done = demo.end()
    assert (done.code, done.json["state"], done.json["site"]) == (8, "cancelled", {"votes": []}), done.err


def test_no_wait_leaves_it_parked(home: Paths) -> None:
    done = run(home, "demo", "--headless", "--no-wait", "--output-format", "json")
    assert (done.code, done.json["exit"], done.json["state"]) == (4, 4, "waiting"), done.err
    (waiting,) = run(home, "approvals", "list", "--output-format", "json").json
    assert waiting["state"] == "requested"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_what_waits_outlives_its_host(home: Paths, demo: Running, how: signal.Signals) -> None:
    approval, digest = demo.asked()
    demo.send(how)
    assert demo.end().code == (143 if how == signal.SIGTERM else -how)
    (waiting,) = run(home, "approvals", "list", "--output-format", "json").json
    assert waiting["id"] == approval
    assert run(home, "engine", "start").code == 0
    tail = Running.start(home, "runs", "tail", "r1")
    assert run(home, "approvals", "approve", approval, "--digest", digest).code == 0
    done = tail.end()
    assert done.code == 0, done.err
    shown = run(home, "runs", "show", "r1", "--output-format", "json").json
    assert (shown["state"], shown["verified"], shown["exit"]) == ("succeeded", True, 0), done.out
