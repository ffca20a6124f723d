"""`budget` and the kill switch from a shell: real processes, a real engine, a model endpoint that never gets on."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from harness_tui.config.clock import SystemClock
from harness_tui.config.paths import Paths
from harness_tui.domain import events as ev
from harness_tui.domain.events import Write
from harness_tui.domain.messages import Text, Usage
from harness_tui.domain.task import Budget, ModelSpec, RunSpec, TaskFile
from harness_tui.journal.journal import Journal

from .program import PATIENCE, Running, run

pytestmark = pytest.mark.timeout(3 * PATIENCE)
JSON = ("--output-format", "json")


class Endpoint(ThreadingHTTPServer):
    """A model API: under /hangs a call never returns, under /busy it is refused for a minute, else it answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []
        self.more = threading.Condition()
        self.over = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, kind: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{kind}/v1"

    def calls(self, count: int) -> None:
        """Wait until so many calls came."""
        with self.more:
            assert self.more.wait_for(lambda: len(self.asked) >= count, PATIENCE)


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        kind = self.path.split("/")[1]
        with self.server.more:
            self.server.asked.append(kind)
            self.server.more.notify_all()
        if kind == "hangs":
            self.server.over.wait(PATIENCE)
            return
        self.send_response(503)
        self.send_header("Retry-After", "50")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def engine(home: Paths) -> Iterator[Paths]:
    """A home whose engine runs apart."""
    assert run(home, "engine", "start").code == 0
    yield home
    run(home, "engine", "stop", "--now")


def started(home: Paths, endpoint: Endpoint) -> list[Running]:
    """A run in a model call, one that is refused and waits to try again."""
    words = ("run", "count to three", "--api", "openai-chat", "--model", "m", *JSON)
    running = [Running.start(home, *words, "--url", endpoint.url(kind)) for kind in ("hangs", "busy")]
    endpoint.calls(2)
    running[1].told("(?i)503|busy|overloaded|again")
    return running


def states(home: Paths) -> list[str]:
    return sorted(row["state"] for row in run(home, "runs", "list", *JSON).json)


def test_cancel_all_halts_runs_in_a_call_in_a_retry_and_in_the_queue(engine: Paths, endpoint: Endpoint) -> None:
    running = [*started(engine, endpoint), Running.start(engine, "demo", "--headless")]
    running[2].asked()
    shown = {row["scope"]: row for row in run(engine, "budget", "show", *JSON).json}
    assert len(shown) == 4
    assert shown["run:r1"]["tokens"]["held"] + shown["run:r2"]["tokens"]["held"] > 0
    done = run(engine, "runs", "cancel", "--all", "--reason", "enough", *JSON)
    asked = len(endpoint.asked)
    assert done.code == 0, done.err
    assert done.json["text"] == "3 runs are being cancelled."
    assert [each.end().code for each in running] == [8, 8, 8]
    assert states(engine) == ["cancelled"] * 3
    assert len(endpoint.asked) == asked == 2
    (day,) = run(engine, "budget", "show", *JSON).json
    assert (day["tokens"]["held"], day["usd"]["held"]) == (0, 0)
    assert run(engine, "approvals", "list", *JSON).json == []


def test_stop_now_halts_everything_and_leaves_it_for_the_next_engine(engine: Paths, endpoint: Endpoint) -> None:
    running = started(engine, endpoint)
    assert run(engine, "engine", "stop", "--now").code == 0
    assert all(each.end().code != 0 for each in running)
    assert len(endpoint.asked) == 2
    assert not set(states(engine)) & {"succeeded", "failed", "cancelled"}
    rows = run(engine, "budget", "show", *JSON).json
    assert {row["scope"] for row in rows[1:]} == {"run:r1", "run:r2"}, "read without an engine"


def test_limits_are_set_one_at_a_time_and_shown(engine: Paths) -> None:
    assert run(engine, "budget", "show", *JSON).json == []
    done = run(engine, "budget", "set", "day", "--usd", "20")
    assert (done.code, done.err) == (0, "The limits of each day are set.\n")
    assert run(engine, "budget", "set", "day", "--tokens", "1.5M", *JSON).json["exit"] == 0
    (day,) = run(engine, "budget", "show", *JSON).json
    assert day["scope"].startswith("day:")
    assert (day["tokens"]["limit"], day["usd"]["limit"]) == (1_500_000, 20)
    assert day["set_by"].endswith("(cli)")
    assert "$20.00" in run(engine, "budget", "show").out
    run(engine, "budget", "set", "day", "--tokens", "5k", "--no-limit")
    (day,) = run(engine, "budget", "show", *JSON).json
    assert (day["tokens"]["limit"], day["usd"]["limit"]) == (5000, None)
    missing = run(engine, "budget", "set", "r77", "--tokens", "5k", *JSON)
    assert (missing.code, missing.json["exit"]) == (2, 2)
    assert "There is no run r77." in missing.err


async def record(home: Paths) -> None:
    """Three runs as an engine left them: one priced, one partly unknown, one still open with a call under way."""
    home.ensure()
    journal = await Journal.open(home.journal, SystemClock())
    day = datetime.date.today().isoformat()
    known = {"m1": ("big-2", 250_000_000, "priced"), "m2": ("small-1", 1_000_000, "priced")}
    unknown = {"m1": ("big-2", 50_000_000, "priced"), "m2": ("odd-0", None, "unknown")}
    for uid, calls in (("r1", known), ("r2", unknown)):
        spec = RunSpec(TaskFile("x", budget=Budget(tokens=1000)), ModelSpec("test", "big-2"))
        await journal.append([Write(uid, 0, (ev.RunStarted(spec), ev.AttemptLaunched(1, f"{uid}/1")))])
        told: list[ev.Event] = [ev.AttemptStarted(uid, 1)]
        for call, (model, usd, mark) in calls.items():
            told.append(ev.ModelRequested(call, 1, 500, day, hold_usd=usd, scopes=(f"run:{uid}", f"day:{day}")))
            answer = ev.ModelAnswered(call, (Text("."),), Usage(90, 10), usd=usd, mark=mark, model=model)  # type: ignore[arg-type]
            told.append(answer)
        await journal.append([Write(f"{uid}/1", 0, tuple(told))])
    await journal.append([Write("r1", 2, (ev.RunFinished("succeeded", True, "seen", "", "goal", 0),))])
    scopes = ("run:r2", f"day:{day}")
    await journal.append([Write("r2/1", 5, (ev.ModelRequested("m3", 2, 300, day, scopes=scopes),))])
    await journal.close()


async def test_reports_over_stored_runs_need_no_engine(home: Paths) -> None:
    await record(home)
    models = run(home, "budget", "show", "--by", "model", *JSON).json
    assert models == [
        {"model": "big-2", "calls": 2, "tokens": 200, "usd": 0.3, "mark": "priced"},
        {"model": "small-1", "calls": 1, "tokens": 100, "usd": 0.001, "mark": "priced"},
        {"model": "odd-0", "calls": 1, "tokens": 100, "usd": None, "mark": "unknown"},
    ]
    runs = run(home, "budget", "show", "--by", "run", *JSON).json
    assert [(row["run"], row["tokens"], row["usd"]) for row in runs] == [("r1", 200, 0.251), ("r2", 200, None)]
    (day,) = run(home, "budget", "show", "--by", "day", *JSON).json
    assert (day["calls"], day["usd"], day["mark"]) == (4, None, "unknown")
    text = run(home, "budget", "show", "--by", "model").out.splitlines()
    assert text[0].split() == ["MODEL", "CALLS", "TOK", "$", "MARK"]
    assert text[3].split() == ["odd-0", "1", "100", "unknown", "unknown"]
    assert run(home, "budget", "set", "day", "--usd", "5").code == 78


async def test_scopes_of_a_home_without_an_engine(home: Paths) -> None:
    await record(home)
    today, open_run = run(home, "budget", "show", *JSON).json
    assert (today["tokens"], today["mark"]) == ({"spent": 400, "held": 300, "limit": None}, "unknown")
    assert today["usd"] == {"spent": None, "held": None, "limit": None}, "never zero for unknown"
    assert (open_run["scope"], open_run["tokens"]["limit"]) == ("run:r2", 1000)
    told = run(home, "budget", "show").out
    assert max(map(len, told.splitlines())) <= 80
    assert "$0" not in told
