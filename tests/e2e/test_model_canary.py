"""A model's key used by whole runs of every family is nowhere afterwards, and in no process that does not use it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness_tui.config.paths import Paths
from tests.cli.program import ARGV, PATIENCE
from tests.models import aimock

from .test_canary import hits, scan

KEY = "sk-canary+7Xq/9zT=aB~c.d&e"
VARIABLES = {
    "openai-chat": "OPENAI_API_KEY",
    "openai-responses": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "gemini": "GEMINI_API_KEY",
}
FIXTURES = [
    {"match": {"userMessage": "poem"}, "response": {"content": f"I was told {KEY} is the key. " * 3}},
    {"match": {"userMessage": "denied"}, "response": {"error": {"message": f"bad key {KEY}"}, "status": 401}},
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[aimock.Mock]:
    with aimock.running(tmp_path_factory.mktemp("aimock"), FIXTURES) as mock:
        yield mock


def environment(home: Paths, **more: str) -> dict[str, str]:
    return {**os.environ, "HARNESS_TUI_HOME": str(home.home), **more}


def run(home: Paths, family: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ARGV, "run", *words, "--api", family, "--model", "m", "--output-format", "stream-json"],
        env=environment(home, **{VARIABLES[family]: KEY}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


@pytest.mark.parametrize("family", VARIABLES)
def test_a_key_leaves_no_trace_though_model_error_and_prompt_repeat_it(
    home: Paths, server: aimock.Mock, family: str, tmp_path: Path
) -> None:
    tape = tmp_path / "tape.jsonl"
    told = run(home, family, f"a poem, and my key is {KEY}", "--url", server.url(family), "--record", str(tape))
    assert told.returncode == 0, told.stderr
    refused = run(home, family, "denied", "--url", server.url(family))
    assert refused.returncode == 7, refused.stderr
    found = [hit for done in (told, refused) for hit in hits("a stream", (done.stdout + done.stderr).encode(), KEY)]
    assert found == []
    assert scan(home.home, KEY) == []
    assert scan(tmp_path, KEY) == []
    replayed = subprocess.run([*ARGV, "replay", str(tape)], env=environment(home), capture_output=True, text=True)
    assert replayed.returncode == 0, replayed.stderr


def test_no_child_of_the_engine_inherits_a_key(home: Paths) -> None:
    """The demo's site, Playwright's driver and every process of the browser, while they run."""
    variables = dict.fromkeys(VARIABLES.values(), KEY)
    with subprocess.Popen(
        [*ARGV, "demo", "--headless", "--output-format", "json"],
        env=environment(home, **variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stderr
        said = ""
        for line in child.stderr:
            said += line
            if "waiting for approval" in line:
                break
        try:
            below = psutil.Process(child.pid).children(recursive=True)
            assert len(below) >= 3, said
            for process in below:
                raw = Path(f"/proc/{process.pid}/environ").read_bytes() + "\0".join(process.cmdline()).encode()
                assert KEY.encode() not in raw, process.name()
        finally:
            child.terminate()
            child.communicate(timeout=PATIENCE)


def test_a_detached_engine_has_no_key_in_its_environment(home: Paths) -> None:
    variables = dict.fromkeys(VARIABLES.values(), KEY)
    options = {"env": environment(home, **variables), "capture_output": True, "text": True}
    started = subprocess.run([*ARGV, "engine", "start", "--output-format", "json"], **options)  # type: ignore[call-overload]
    try:
        pid = json.loads(started.stdout)["pid"]
        assert KEY.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
    finally:
        subprocess.run([*ARGV, "engine", "stop"], **options)  # type: ignore[call-overload]
