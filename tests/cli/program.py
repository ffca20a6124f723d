"""The program as a shell sees it: real processes, their exit codes, their two streams."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from harness_tui.config.paths import Paths

ARGV = (sys.executable, "-m", "harness_tui")
PATIENCE = 180.0
"""Seconds any one step may take on a loaded machine; a bound, never a measure."""


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        (line,) = self.out.splitlines()
        return json.loads(line)


def run(home: Paths, *words: str) -> Done:
    """Run it to its end, without a terminal and without stdin.

    The 5 s `engine start` gives an engine are short on a loaded machine: when they are over it is asked again.
    """
    until = time.monotonic() + PATIENCE
    while True:
        done = subprocess.run(
            [*ARGV, *words], env=_env(home), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE
        )
        late = words[:2] == ("engine", "start") and re.search(r"not answer(ed)? (within|for) 5 s", done.stderr)
        if not late or time.monotonic() > until:
            return Done(done.returncode, done.stdout, done.stderr)


@dataclass
class Running:
    """A process that runs on; its stderr is read as it comes, until it ends."""

    process: subprocess.Popen[str]
    err: str = ""
    more: threading.Condition = field(default_factory=threading.Condition)

    @classmethod
    def start(cls, home: Paths, *words: str) -> Running:
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [*ARGV, *words], env=_env(home), stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True
        )
        running = cls(process)
        threading.Thread(target=running._listen, daemon=True).start()
        return running

    def _listen(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            with self.more:
                self.err += line
                self.more.notify_all()

    def told(self, pattern: str) -> re.Match[str]:
        """Wait until stderr has said it."""
        with self.more:
            self.more.wait_for(lambda: re.search(pattern, self.err), PATIENCE)
        found = re.search(pattern, self.err)
        assert found, f"never said {pattern}:\n{self.err}"
        return found

    def asked(self) -> tuple[str, str]:
        """Wait for the approval it waits for: (id, digest)."""
        found = self.told(r"decide with: harness-tui approvals approve (\S+) --digest (\w+)")
        return found[1], found[2]

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> Done:
        code = self.process.wait(PATIENCE)
        assert self.process.stdout
        return Done(code, self.process.stdout.read(), self.err)


def _env(home: Paths) -> dict[str, str]:
    return {**os.environ, "HARNESS_TUI_HOME": str(home.home), "PYTHONUNBUFFERED": "1"}
