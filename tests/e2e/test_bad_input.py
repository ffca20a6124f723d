"""What goes wrong from outside: one clear sentence with the next step, the right exit code, and nothing lost."""

from __future__ import annotations

import json
import resource
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness_tui.cli.checks import state
from harness_tui.config.paths import Paths
from harness_tui.demo.tour import TASK
from tests.cli.program import PATIENCE, Done, Running, run
from tests.models.endpoint_server import chunk, sse, status

from .shell import call, model_server, one_sentence, say

pytestmark = pytest.mark.timeout(3 * PATIENCE)

JSON = ("--output-format", "json")


def ask(home: Paths, url: str, *more: str) -> Done:
    return run(home, "run", "say hi", "--url", url, "--api", "openai-chat", "--model", "x", *more, *JSON)


def whole(home: Paths) -> None:
    """The journal passes its own check, and no run of it is left open."""
    assert [check.detail for check in state.all_of(home) if not check.ok] == []
    for row in run(home, "runs", "list", *JSON).json:
        assert row["state"] in ("succeeded", "failed", "cancelled"), row


# -- model servers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "code", "words"),
    [
        ([status(401, {"error": {"message": "no"}})], 7, ("asks for a key", "OPENAI_API_KEY")),
        ([status(500, {"error": {"message": "boom"}}, retry_after="0")], 5, ("HTTP 500", "Try again later", "4 tries")),
        ([[*sse(chunk(content="half an")), ...]], 5, ("middle of an answer", "server's log", "4 tries")),
        ([sse('{"choices": [{"del')], 5, ("broken JSON", "--url", "4 tries")),
        ([status(200, b"<html>hello</html>")], 5, ("text/html", "HTML page")),
    ],
    ids=["401", "500", "cut", "broken", "html"],
)
def test_a_model_server_that_fails(home: Paths, answers: list[list[Any]], code: int, words: tuple[str, ...]) -> None:
    with model_server(*answers) as server:
        done = ask(home, server.url)
    said = one_sentence(done, code, *words)
    assert done.json["tools"] == []
    assert done.err.count(said) <= 2, "told where it happened and at the end, not five times over"
    assert len(server.seen) == (4 if "4 tries" in said else 1)
    whole(home)


def test_a_refused_key_names_where_it_came_from_and_is_not_shown(home: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789")
    with model_server(status(403, {"error": {"message": "bad key sk-canary-0123456789"}})) as server:
        done = ask(home, server.url)
    one_sentence(done, 7, "refused the key", "OPENAI_API_KEY")
    assert "canary" not in done.err + done.out


def test_429_is_waited_for_as_long_as_the_server_asks(home: Paths) -> None:
    with model_server(status(429, {"error": {"message": "slow down"}}, Retry_After="1"), say("hi")) as server:
        done = ask(home, server.url)
    assert (done.code, done.json["answer"]) == (0, "hi"), done.err
    assert "limits how fast" in done.err
    assert len(server.seen) == 2


def test_nobody_listens(home: Paths) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        done = ask(home, f"http://127.0.0.1:{probe.getsockname()[1]}/v1")
    one_sentence(done, 5, "Nothing listens at", "Start the model server, or check --url.")


def test_a_budget_that_is_too_small_spends_nothing(home: Paths) -> None:
    with model_server(say("hi")) as server:
        done = ask(home, server.url, "--budget-tokens", "20")
    one_sentence(done, 3, "20 of the run's 20 are left", "--budget-tokens")
    assert server.seen == []
    assert sum(done.json["tokens"].values()) == 0
    whole(home)


def test_wrong_calls_are_answered_and_the_run_goes_on(home: Paths, news: str) -> None:
    """Malformed arguments, an unknown tool, a selector that is not there: the model is told, each time."""
    answers = [
        call("browser_navigate", '{"url": ', "c1"),
        call("browser_clik", '{"selector": "a"}', "c2"),
        call("browser_click", '{"selektor": "a"}', "c3"),
        call("browser_navigate", json.dumps({"url": news}), "c3a"),
        call("browser_click", '{"selector": "#nowhere"}', "c4"),
        call("browser_click", '{"selector": "a["}', "c5"),
        say("I could not do it."),
    ]
    with model_server(*answers) as server:
        done = ask(home, server.url, "--browser-url", news)
        last = json.dumps(server.seen[-1].body["messages"])
    assert (done.code, done.json["claim"]) == (1, "I could not do it."), done.err
    for told in ("not JSON", r"the nearest is \"browser_click\"", "selector is missing", "No element matches #nowhere"):
        assert told in last, told
    assert "is not understood" in last
    assert done.json["tools"].count("browser_click") >= 2
    whole(home)


# -- files and homes -----------------------------------------------------------------------------------------------


def test_a_task_file_with_an_unknown_key(home: Paths, tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text('prompt = "x"\n\n[login]\nuser_feild = "#u"\n')
    done = run(home, "run", "--task", str(tmp_path / "t.toml"), *JSON)
    assert done.code == 2
    assert 't.toml:4: unknown key "user_feild" in [login]; did you mean "user_field"?' in done.json["error"]
    assert not home.journal.exists(), "nothing was started"


def test_a_home_that_cannot_be_used(home: Paths, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    blocked = Paths(tmp_path / "file" / "home")
    for words in (("demo", "--headless"), ("run", "x", "--url", "http://127.0.0.1:9/v1", "--model", "x")):
        done = run(blocked, *words, *JSON)
        assert done.code == 78, done.err
        assert "Set HARNESS_TUI_HOME" in done.json["error"]
    assert run(blocked, "engine", "start").code == 78


def test_a_journal_of_a_newer_version(home: Paths) -> None:
    with model_server(say("hi")) as server:
        assert ask(home, server.url).code == 0
        with sqlite3.connect(home.journal) as db:
            db.execute("PRAGMA user_version = 99")
        db.close()
        before = home.journal.read_bytes()
        done = ask(home, server.url)
    assert done.code == 78, done.err
    assert "newer" in done.json["error"]
    assert run(home, "runs", "list").code == 78
    assert run(home, "engine", "start").code == 78
    assert home.journal.read_bytes() == before


def test_a_missing_browser(home: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_TUI_BROWSER", "/nonexistent")
    done = run(home, "demo", "--headless", *JSON)
    assert done.code == 78, done.err
    assert "HARNESS_TUI_BROWSER names /nonexistent" in done.json["error"]
    one_sentence(run(home, "run", "x", "--browser-url", "http://127.0.0.1:9/", "--api", "stand-in", *JSON), 78, "names")


def test_a_second_engine(home: Paths) -> None:
    assert run(home, "engine", "start").code == 0
    try:
        done = run(home, "engine", "serve")
        assert done.code == 78
        assert "An engine already runs" in done.err and "harness-tui engine stop" in done.err
        assert run(home, "engine", "start").code == 0, "one that runs is as good"
        with model_server(say("hi")) as server:
            assert ask(home, server.url).code == 0, "a run uses the one that runs"
    finally:
        assert run(home, "engine", "stop").code == 0
    whole(home)


def test_a_stale_socket_is_in_nobodys_way(home: Paths) -> None:
    home.ensure()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(home.socket))
    assert run(home, "engine", "status", *JSON).json["running"] is False
    with model_server(say("hi")) as server:
        assert ask(home, server.url).code == 0
    whole(home)


# -- the demo's site, browser and disk -----------------------------------------------------------------------------


@pytest.fixture
def news(tmp_path: Path) -> Iterator[str]:
    """The demo's site on its own; its first page's URL."""
    from tests.demo.demo_site import SiteProcess

    site = SiteProcess(tmp_path)
    yield f"http://127.0.0.1:{site.port}/news"
    site.end(signal.SIGKILL)


@pytest.fixture
def demo(home: Paths) -> Iterator[Running]:
    running = Running.start(home, "demo", "--headless", *JSON)
    yield running
    if running.process.poll() is None:
        running.process.kill()
    run(home, "engine", "stop", "--now")


def test_a_site_that_is_down_at_the_start(home: Paths) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/news"
        done = run(home, "run", "upvote", "--browser-url", url, "--api", "stand-in", *JSON)
    assert "cannot be reached: " in done.err
    assert "Traceback" not in done.err
    assert (done.code, done.json["verified"]) == (1, False)
    assert "could not open" in done.json["claim"]
    whole(home)


def test_a_credential_that_is_not_set(home: Paths, tmp_path: Path, news: str) -> None:
    origin = news.removesuffix("/news")
    task = tmp_path / "mine.toml"
    task.write_text(TASK.read_text().replace("http://127.0.0.1:8765", origin).replace("HARNESS_TUI_DEMO_", "NOT_SET_"))
    running = Running.start(home, "run", "--task", str(task), "--api", "stand-in", *JSON)
    approval, digest = running.asked()
    assert run(home, "approvals", "approve", approval, "--digest", digest).code == 0
    one_sentence(running.end(), 7, "NOT_SET_USER is not set", "Set NOT_SET_USER")
    whole(home)


def browser_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    found = [p for p in psutil.Process(process.pid).children(recursive=True) if "chrom" in p.name()]
    return [p for p in found if "--type=" not in " ".join(p.cmdline())]


def test_a_browser_killed_while_the_run_waits(home: Paths, demo: Running) -> None:
    approval, digest = demo.asked()
    for process in browser_of(demo.process):
        process.kill()
    run(home, "approvals", "approve", approval, "--digest", digest)
    demo.told(r"(?s)attempt 2.*approvals approve (A-\d+)|exit 0")
    waiting = run(home, "approvals", "list", *JSON).json
    for row in waiting:
        run(home, "approvals", "approve", row["id"], "--digest", row["digest"])
    done = demo.end()
    assert "Traceback" not in done.err
    assert (done.code, done.json["verified"], len(done.json["site"]["votes"])) == (0, True, 1), done.err
    whole(home)


def test_a_full_disk_refuses_what_it_cannot_save(home: Paths, demo: Running) -> None:
    approval, digest = demo.asked()
    limit(demo.process.pid, 4096)
    refused = run(home, "approvals", "approve", approval, "--digest", digest, *JSON)
    assert refused.code == 78
    assert "Nothing was lost" in refused.json["error"] and "Make room" in refused.json["error"]
    (row,) = run(home, "approvals", "list", *JSON).json
    assert (row["id"], row["state"]) == (approval, "requested"), "it was not decided"
    limit(demo.process.pid, resource.RLIM_INFINITY)
    assert run(home, "approvals", "approve", approval, "--digest", digest).code == 0
    done = demo.end()
    assert (done.code, done.json["verified"]) == (0, True), done.err
    whole(home)


def test_a_disk_that_fills_under_a_run_halts_it_for_the_next_engine(home: Paths) -> None:
    with model_server(say("hi there")) as server:
        gate = Running.start(home, "run", "say hi", "--url", server.url, "--model", "x", *JSON)
        gate.told("started: say hi")
        limit(gate.process.pid, 4096)
        done = gate.end()
        assert done.code == 78, done.err
        assert "r1 halted" in done.json["error"] and "Make room" in done.json["error"]
        assert "Traceback" not in done.err
        assert run(home, "runs", "list", *JSON).json[0]["state"] == "running"
        assert run(home, "engine", "start").code == 0
        try:
            tail = run(home, "runs", "tail", "r1")
            assert tail.code == 0, tail.err
        finally:
            run(home, "engine", "stop")
    assert run(home, "runs", "show", "r1", *JSON).json["answer"] == "hi there"
    whole(home)


def limit(pid: int, size: int) -> None:
    """From now on the process can write no file past `size` bytes: what a full disk is like, and it can be lifted."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
