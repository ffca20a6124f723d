"""The console's figures on a real pty, as JSON: `python -m tests.bench.console_bench`. On demand, on a quiet machine.

first_paint_ms: process start to the first byte that shows rows of the engine, median of 5, bytecode warm.
import_ratio: that, as a multiple of a bare `import textual.app` in the same run.
idle: bytes/s and CPU over 10 s. load: 10,000 events/s for 2 s at 160x50, bytes/s at 5 fps, key to paint meanwhile.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import time

from tests.pty.terminal import REPO, Terminal

WARM = {"PYTHONDONTWRITEBYTECODE": ""}


def first_paint(rounds: int = 5) -> list[float]:
    took = []
    for _ in range(rounds + 1):
        with Terminal.console("busy", env=WARM) as terminal:
            until = terminal.began + 20
            while b"deps-bump" not in terminal.output and time.monotonic() < until:
                terminal.pump(0.005)
            took.append((time.monotonic() - terminal.began) * 1000)
            terminal.send("q")
            terminal.wait_end()
    return took[1:]


def bare_import(rounds: int = 5) -> float:
    took = []
    for _ in range(rounds):
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", "import textual.app"], check=True, cwd=REPO, env={**os.environ, **WARM})
        took.append((time.monotonic() - began) * 1000)
    return statistics.median(took)


def cpu_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def idle(cols: int, rows: int, seconds: float = 10.0) -> dict[str, float]:
    with Terminal.console("busy", cols=cols, rows=rows, env=WARM) as terminal:
        terminal.wait_for("deps-bump")
        while terminal.pump(1.5):
            pass
        before, cpu, began = len(terminal.output), cpu_seconds(terminal.pid), time.monotonic()
        while time.monotonic() - began < seconds:
            terminal.pump(0.2)
        took = time.monotonic() - began
        return {
            "bytes_per_s": round((len(terminal.output) - before) / took, 1),
            "cpu_percent": round((cpu_seconds(terminal.pid) - cpu) / took * 100, 2),
        }


def load() -> dict[str, float]:
    """Over a slow link (5 fps): bytes while events come, and how long a cursor key takes to show."""
    env = {**WARM, "SSH_CONNECTION": "127.0.0.1 1 127.0.0.1 22"}
    with Terminal.console("load", cols=160, rows=50, env=env) as terminal:
        terminal.wait_for("deps-bump")
        before, cpu, began = len(terminal.output), cpu_seconds(terminal.pid), time.monotonic()
        keys: list[float] = []
        while time.monotonic() - began < 1.8:
            pause = time.monotonic() + random.uniform(0.1, 0.25)
            while time.monotonic() < pause:
                terminal.pump(0.01)
            sent = time.monotonic()
            terminal.send("j" if len(keys) % 2 else "k")
            while not terminal.pump(0.5):
                pass
            keys.append((time.monotonic() - sent) * 1000)
        took = time.monotonic() - began
        sent_bytes, spent = len(terminal.output) - before, cpu_seconds(terminal.pid) - cpu
        terminal.wait_for("LOAD DONE 400 state")
        terminal.send("q")
        terminal.wait_end()
        return {
            "kib_per_s": round(sent_bytes / took / 1024, 1),
            "cpu_percent": round(spent / took * 100, 1),
            "key_to_paint_ms_median": round(statistics.median(keys), 1),
            "key_to_paint_ms_max": round(max(keys), 1),
            "state_events": 400,
        }


def main() -> None:
    paint, bare = statistics.median(first_paint()), bare_import()
    figures = {
        "first_paint_ms": round(paint),
        "import_textual_app_ms": round(bare),
        "import_ratio": round(paint / bare, 2),
        "idle": {f"{cols}x{rows}": idle(cols, rows) for cols, rows in ((80, 24), (120, 40), (200, 60))},
        "load_160x50": load(),
        "load_average": os.getloadavg()[0],
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
