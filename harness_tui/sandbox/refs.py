"""One ref, moved only from where it was expected, and locked while something else follows it."""

from __future__ import annotations

import subprocess
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from ..domain.errors import HarnessError
from . import child, git

IDENTITY = {
    f"GIT_{who}_{part}": text
    for who in ("AUTHOR", "COMMITTER")
    for part, text in (("NAME", "harness-tui"), ("EMAIL", "loops@harness-tui.invalid"))
}
"""Who commits and moves refs when nobody else is named; no mail goes there."""


class Moving:
    """A context in which `ref` is locked, and surely at `old`; it moves when `commit` is called, else it does not.

    A process that is killed in it leaves the ref where it was, and no lock: git ends with its input. Blocking.
    """

    def __init__(self, place: git.Checkout, ref: str, *, new: str, old: str, reason: str) -> None:
        """`old`: "" = it must not exist; `reason`: for the reflog."""
        self._place, self._ref, self._new, self._old, self._reason = place, ref, new, old, reason
        self._wrong = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._late = threading.Timer(git.SECONDS, self._kill)

    def __enter__(self) -> Moving:
        """Raises HarnessError when it is not at `old`, or somebody else has it locked."""
        words, env = git.writing(["update-ref", "-m", self._reason, "--stdin"])
        clean = child.clean(Path("/nonexistent"), Path("/tmp"), {**env, **IDENTITY, **self._place.env})
        self._process = subprocess.Popen(
            ["git", *words],
            cwd=self._place.top,
            env=clean,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._wrong,
        )
        self._late.start()
        verb = f"update {self._ref} {self._new} {self._old}" if self._old else f"create {self._ref} {self._new}"
        try:
            self._say(f"start\n{verb}\nprepare\n", "start: ok", "prepare: ok")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def commit(self) -> None:
        """Raises HarnessError when it did not move."""
        self._say("commit\n", "commit: ok")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if pipe:
                    pipe.close()
        self._process.wait()
        self._late.cancel()
        self._wrong.close()

    def _say(self, text: str, *answers: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(OSError):
            self._process.stdin.write(text.encode())
            self._process.stdin.flush()
        for answer in answers:
            if self._process.stdout.readline().decode(errors="replace").strip() != answer:
                self._process.wait()
                self._wrong.seek(0)
                said = git.explain(self._wrong.read(8192).decode(errors="replace"))
                raise HarnessError(f"{self._ref} was not moved: {said}.", "Look at it, and try again.")

    def _kill(self) -> None:
        self._process.kill()
