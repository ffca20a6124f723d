"""Graphs of jobs beside LangGraph, DBOS and the floor, in the same run. One JSON object on stdout, a table on stderr.

w1: 1 -> 1,000 -> 1, 16 at a time. w2: a chain of 1,000. w4: SIGKILL of the process group once 500 jobs of w1 or w2
have executed, then the same command again: every execution leaves a line in a file beside, so what was lost and what
was done again is counted from outside. large: 10,000 jobs with 35,000 edges beside 1,000 with 3,500.
Each measurement is a process of its own, round-robin over all of them, medians of `--reps`. `--peers` makes an
environment for the peers (pip, the first time) under the user's cache, or in the folder given.

Trust `cpu` where others use the machine, and the ratios before either.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent / "peers"
KILLED_AT = 500
JOBS = 1000
AT_ONCE = 16
PATIENCE = 300.0
"""Seconds one process may take: a bound, never an expectation."""
PROMISES: dict[str, Callable[[dict[str, dict[str, dict[str, float]]]], tuple[float, bool]]] = {
    "w1_of_langgraph_8": lambda found: _times(found, "w1", 8),
    "w2_of_langgraph_3": lambda found: _times(found, "w2", 3),
    "large_per_job_of_small_1.5": lambda found: _at_most(
        found["large"]["ours"]["us_per_job"] / found["small"]["ours"]["us_per_job"], 1.5
    ),
    "w4_lost_0": lambda found: _at_most(_worst(found, "lost"), 0),
    "w4_committed_again_0": lambda found: _at_most(_worst(found, "committed_again"), 0),
    "w4_executed_again_16": lambda found: _at_most(_worst(found, "executed_again"), AT_ONCE),
    "w4_resume_ms_300": lambda found: _at_most(_worst(found, "resume_ms"), 300),
}

Figures = dict[str, float]
Case = tuple[str, str]
"""(work, who)"""


def _times(found: dict[str, dict[str, Figures]], work: str, wanted: float) -> tuple[float, bool]:
    """Of the faster way LangGraph has."""
    theirs = max(figures["jobs_per_s"] for who, figures in found[work].items() if who.startswith("langgraph"))
    ratio = found[work]["ours"]["jobs_per_s"] / theirs
    return ratio, ratio >= wanted


def ratios(found: dict[str, dict[str, Figures]]) -> dict[str, dict[str, float]]:
    """How many times what a job costs us it costs the others, in wall and CPU time."""
    return {
        f"{work}_{who}": {
            name: round(figures[key] / found[work]["ours"][key], 2)
            for name, key in (("wall", "us_per_job"), ("cpu", "cpu_us_per_job"))
        }
        for work in ("w1", "w2")
        for who, figures in found.get(work, {}).items()
        if who != "ours"
    }


def _at_most(value: float, bound: float) -> tuple[float, bool]:
    return value, value <= bound


def _worst(found: dict[str, dict[str, Figures]], key: str) -> float:
    """Lost and done again: of all repetitions; times: of the medians."""
    kinds = [figures["ours"] for work, figures in found.items() if work.startswith("w4")]
    if not kinds:
        raise KeyError("w4")
    return max(figures.get(f"most_{key}", figures[key]) for figures in kinds)


# -- one process -----------------------------------------------------------------------------------------------------


def command(who: str, work: str, db: Path, python: Path | None) -> list[str]:
    name, _, variant = who.partition("_")
    script = {"ours": "ours.py", "floor": "floor.py"}.get(name, f"peer_{name}.py")
    interpreter = sys.executable if name in ("ours", "floor") else str(python)
    return [interpreter, str(HERE / script), work, "--db", str(db), "--variant", variant]


def surroundings(folder: Path, effects: Path | None = None) -> dict[str, str]:
    """The environment of a process: with bytecode, as installed; the project's own is kept for all of one bench."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    kept["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
    return kept | ({"BENCH_EFFECTS": str(effects)} if effects else {})


def result(said: str) -> Figures:
    found: Figures = json.loads(next(line for line in said.splitlines() if line.startswith("RESULT "))[7:])
    return found


def measure(case: Case, folder: Path, python: Path | None) -> Figures:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        argv = command(case[1], case[0], Path(scratch, "bench.db"), python)
        done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, env=surroundings(folder))
        if done.returncode:
            raise SystemExit(f"{' '.join(argv)} failed:\n{done.stderr[-2000:]}")
        return result(done.stdout)


# -- killed, and started again ---------------------------------------------------------------------------------------


def executions(path: Path) -> list[tuple[int, float]]:
    """(job, moment) of every execution; a line that was cut off is none."""
    whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
    return [(int(job), float(at)) for job, at in (line.split() for line in whole.splitlines())]


def committed(db: Path) -> set[int]:
    """Jobs whose success our journal holds."""
    from harness_tui.domain.codec import KINDS, decode
    from harness_tui.domain.events import JobSucceeded

    kind = next(number for number, cls in KINDS.items() if cls is JobSucceeded)
    with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as con:
        rows = con.execute("SELECT body FROM event WHERE kind = ?", (kind,)).fetchall()
    con.close()
    return {int(decode(kind, body).job[1:]) for (body,) in rows}  # type: ignore[attr-defined]


def kill(case: Case, folder: Path, python: Path | None) -> Figures:
    work, who = case[0].removeprefix("w4_"), case[1]
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        db, effects = Path(scratch, "bench.db"), Path(scratch, "effects")
        argv, env = command(who, work, db, python), surroundings(folder, effects)
        with subprocess.Popen(
            argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env, start_new_session=True
        ) as first:
            until = time.monotonic() + PATIENCE
            while first.poll() is None and time.monotonic() < until and _lines(effects) < KILLED_AT:
                time.sleep(0.0005)
            if first.poll() is None:
                os.killpg(first.pid, signal.SIGKILL)
        before = executions(effects)
        kept = committed(db) if who == "ours" else set()
        start = time.time()
        again = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, env=env)
        if again.returncode:
            raise SystemExit(f"{' '.join(argv)} did not go on:\n{again.stderr[-2000:]}")
        ran = executions(effects)
    all_jobs = set(range(JOBS + 2 if work == "w1" else JOBS))
    counts = Counter(job for job, _ in ran)
    later = ran[len(before) :]
    out: Figures = {
        "executed_before": len(before),
        "lost": len(all_jobs - set(counts)),
        "executed_again": sum(counts.values()) - len(counts),
        "resume_ms": 1000 * (later[0][1] - start) if later else 0.0,
        "to_end_ms": 1000 * (max(at for _, at in later) - start) if later else 0.0,
    }
    if who == "ours":
        out["committed_again"] = len(kept & {job for job, _ in later})
        out["in_flight"] = len({job for job, _ in before} - kept)
    return out


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


# -- the peers' environment ------------------------------------------------------------------------------------------


def environment(folder: Path) -> Path:
    """The interpreter the peers run with; made where it is not there yet."""
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"making {folder} and installing the peers into it", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    wanted = HERE / "requirements.txt"
    subprocess.run([str(python), "-m", "pip", "install", "-q", "-r", str(wanted)], check=True, stdout=sys.stderr)
    return python


def versions(python: Path) -> dict[str, str]:
    names = ("langgraph", "langgraph-checkpoint-sqlite", "aiosqlite", "dbos")
    asked = f"import importlib.metadata as m, json; print(json.dumps({{n: m.version(n) for n in {names!r}}}))"
    found: dict[str, str] = json.loads(
        subprocess.run([str(python), "-c", asked], check=True, capture_output=True).stdout
    )
    return found


# -- all of it -------------------------------------------------------------------------------------------------------


def about(reps: int, python: Path | None) -> dict[str, object]:
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=HERE, capture_output=True, text=True).stdout.strip()

    model = next((line for line in _text("/proc/cpuinfo").splitlines() if line.startswith("model name")), "")
    return {
        "commit": git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else ""),
        "machine": f"{os.cpu_count()} x {model.partition(': ')[2] or platform.processor()}, {platform.system()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "reps": reps,
        "load_before": round(os.getloadavg()[0], 2),
        "peers": versions(python) if python else "none: give --peers",
    }


def _text(path: str) -> str:
    return Path(path).read_text() if os.path.exists(path) else ""


def cases(only: list[str], peers: bool) -> list[Case]:
    wanted = only or ["w1", "w2", "w4", "large"]
    found: list[Case] = []
    theirs = {"w1": ("langgraph", "langgraph_16", "dbos"), "w2": ("langgraph", "dbos")}
    for work in ("w1", "w2"):
        if work in wanted:
            found += [(work, who) for who in ("floor", "ours", *(theirs[work] if peers else ()))]
    if "large" in wanted:
        found += [("small", "ours"), ("large", "ours")]
    if "w4" in wanted:
        who = ("ours", "langgraph", "dbos") if peers else ("ours",)
        found += [(f"w4_{work}", each) for work in ("w1", "w2") for each in who]
    return found


def medians(runs: list[Figures]) -> Figures:
    out = {key: round(statistics.median(run[key] for run in runs), 3) for key in runs[0]}
    for key in ("lost", "executed_again", "committed_again"):
        if key in runs[0]:
            out[f"most_{key}"] = max(run[key] for run in runs)
    return out


def table(found: dict[str, dict[str, Figures]]) -> None:
    for work, figures in found.items():
        keys = list(dict.fromkeys(key for each in figures.values() for key in each))
        print(f"\n{work:<14}" + "".join(f"{key:>18}" for key in keys), file=sys.stderr)
        for who, each in figures.items():
            shown = "".join(f"{each[key]:>18,.1f}" if key in each else f"{'-':>18}" for key in keys)
            print(f"  {who:<12}{shown}", file=sys.stderr)


def main() -> None:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "harness-tui-bench", "peers")
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--reps", type=int, default=5)
    parser.add_argument("--only", choices=("w1", "w2", "w4", "large"), action="append", default=[])
    parser.add_argument("--peers", type=Path, nargs="?", const=cache, metavar="FOLDER")
    given = parser.parse_args()
    python = environment(given.peers) if given.peers else None
    if python is None:
        print("no peers: ours and the floor only; --peers installs and runs them", file=sys.stderr)
    said = about(given.reps, python)
    runs: dict[Case, list[Figures]] = {case: [] for case in cases(given.only, python is not None)}
    with tempfile.TemporaryDirectory(prefix="dag-bench-") as folder:
        measure(("w1", "ours"), Path(folder), python)  # writes our bytecode
        for rep in range(given.reps):
            for case in runs:
                runs[case].append((kill if case[0].startswith("w4") else measure)(case, Path(folder), python))
                print(f"{rep + 1}/{given.reps} {' '.join(case)}", file=sys.stderr)
    found: dict[str, dict[str, Figures]] = {}
    for (work, who), figures in runs.items():
        found.setdefault(work, {})[who] = medians(figures)
    said["load_after"] = round(os.getloadavg()[0], 2)
    promises = {}
    for name, kept in PROMISES.items():
        try:
            value, holds = kept(found)
        except (KeyError, ValueError):  # not measured this time
            continue
        promises[name] = {"value": round(value, 3), "holds": holds}
    table(found)
    print(f"\n{json.dumps(promises, indent=1)}", file=sys.stderr)
    print(json.dumps({"about": said, "cases": found, "times_ours": ratios(found), "promises": promises}, indent=2))


if __name__ == "__main__":
    main()
