"""Setting up the demo: a fresh site on a free port, and the run that is to vote on it. Only this room touches the disk.

The talk's four stages differ in what the harness adds around one frozen prompt and policy:
1 the raw loop; 2 guardrails; 3 verification and attempts; 4 the login handler.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import sys
import time
from pathlib import Path

import msgspec

from ..config.paths import Paths
from ..config.taskfile import load_task
from ..domain.errors import SetupError, UsageError
from ..domain.task import DEFAULT_ATTEMPTS, Guardrails, ModelSpec, RunSpec, Service, TaskFile
from .records import Vote, read_votes
from .variants import PASSWORD, READY, USER, VARIANTS

TASK = Path(__file__).with_name("upvote.toml")
TITLE = "Upvote the first story"
STAGES = (1, 2, 3, 4)
_PLACEHOLDER = "http://127.0.0.1:8765"
"""The origin written in the task file; a fresh site has a port of its own."""

_DAY = 24 * 3600.0


def prepare(paths: Paths, *, stage: int | None = None, variant: str = "normal") -> RunSpec:
    """A run of the demo against a site of its own, which the engine starts as the run's service.

    Args:
        stage: 1 to 4; None is everything, like 4.
        variant: how the site behaves, a key of `variants.VARIANTS`.

    Raises UsageError for an unknown stage or variant, SetupError when the home cannot be written.
    """
    if stage not in (None, *STAGES):
        raise UsageError(f"The demo has no stage {stage}.", "Choose one of 1, 2, 3, 4.")
    if variant not in VARIANTS:
        raise UsageError(f"The demo's site has no variant {variant}.", f"Choose one of {', '.join(VARIANTS)}.")
    port = _free_port()
    origin = f"http://127.0.0.1:{port}"
    folder = _fresh_folder(paths)
    argv = (sys.executable, "-m", "harness_tui.demo.site", "--port", str(port), "--state", str(folder / "state.json"))
    return RunSpec(
        task=at_stage(at_origin(load_task(TASK), origin), stage),
        model=ModelSpec(api="stand-in", model="stand-in"),
        title=TITLE,
        workspace=str(Path.cwd()),
        attempts=1 if stage in (1, 2) else DEFAULT_ATTEMPTS,
        stage=stage,
        service=Service(
            argv=(*argv, "--variant", variant), ready_url=origin + READY, env_file=str(folder / "environment")
        ),
    )


def at_origin(task: TaskFile, origin: str) -> TaskFile:
    """The task with the placeholder origin replaced wherever it stands."""
    written = msgspec.json.encode(task).replace(_PLACEHOLDER.encode(), origin.encode())
    return msgspec.json.decode(written, type=TaskFile)


def at_stage(task: TaskFile, stage: int | None) -> TaskFile:
    """The task with only what the stage has: earlier stages leave out, none adds."""
    if stage == 1:
        task = msgspec.structs.replace(task, guardrails=Guardrails(max_iterations=0, max_messages=0))
    if stage in (1, 2):
        task = msgspec.structs.replace(task, verify=None)
    if stage in (1, 2, 3):
        task = msgspec.structs.replace(task, login=None)
    return task


def votes(spec: RunSpec) -> list[Vote]:
    """The vote table as the site itself keeps it: read from its state file, apart from browser and verifier."""
    if spec.service is None:
        return []
    argv = spec.service.argv
    return read_votes(Path(argv[argv.index("--state") + 1]))


def cleanup_old(paths: Paths, *, now: float | None = None) -> int:
    """Remove the folders of demos that nothing has written to for a day; how many went. `now` is in seconds."""
    now = time.time() if now is None else now
    old = [folder for folder in _folders(paths) if now - _last_written(folder) > _DAY]
    for folder in old:
        shutil.rmtree(folder, ignore_errors=True)
    return len(old)


def _folders(paths: Paths) -> list[Path]:
    return [entry for entry in paths.demo.iterdir() if entry.is_dir()] if paths.demo.is_dir() else []


def _last_written(folder: Path) -> float:
    return max(entry.stat().st_mtime for entry in (folder, *folder.iterdir()))


def _fresh_folder(paths: Paths) -> Path:
    """A 0700 folder with the 0600 file that gives the site and the login handler their account."""
    folder = paths.demo / secrets.token_hex(6)
    try:
        paths.demo.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        descriptor = os.open(folder / "environment", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{USER}=demo\n{PASSWORD}={secrets.token_urlsafe(18)}\n")
    except OSError as error:
        raise SetupError(
            f"The demo cannot write to {paths.demo}: {error.strerror}.", "Set HARNESS_TUI_HOME to a writable place."
        ) from None
    return folder


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
