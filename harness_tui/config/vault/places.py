"""What every place for keys has in common, and the two simplest ones: an external command, and this process."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import Protocol

from ...domain.errors import CredentialError, SetupError
from ...domain.safetext import clip

COMMAND = "HARNESS_TUI_KEY_COMMAND"
PATIENCE = 10.0
"""Seconds an external command may take."""


class Unavailable(CredentialError):
    """A place for keys that cannot be used now: locked (exit 7), or not there at all (exit 78)."""


class Rung(Protocol):
    """A place that is asked for keys.

    Attributes:
        word: how people call it.
        leak: what would leak if the disk were stolen.
    """

    word: str
    leak: str

    def get(self, name: str) -> str | None:
        """The text kept there, None when there is none. Raises Unavailable."""
        ...


class Store(Rung, Protocol):
    """A place keys can be put into."""

    def set(self, name: str, text: str) -> None:
        """Raises Unavailable, SetupError."""
        ...

    def remove(self, name: str) -> bool:
        """Whether there was one. Raises Unavailable, SetupError."""
        ...


class Session:
    """A store that lives as long as this process; `repr` shows nothing."""

    word = "this process"
    leak = "nothing: it is in memory only, and gone when the engine ends"

    def __init__(self) -> None:
        self._kept: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Session({len(self._kept)} keys)"

    def get(self, name: str) -> str | None:
        return self._kept.get(name)

    def set(self, name: str, text: str) -> None:
        self._kept[name] = text

    def remove(self, name: str) -> bool:
        return self._kept.pop(name, None) is not None


class Command:
    """An external program that prints a key, for example `pass show {name}`. No shell; the first line counts."""

    word = "command"

    def __init__(self, argv: Sequence[str], *, patience: float = PATIENCE) -> None:
        if not any("{name}" in part for part in argv[1:]):
            raise SetupError(
                "The command for keys does not say where the name goes.",
                f'Write {{name}} in it, for example {COMMAND}="pass show {{name}}".',
            )
        self._argv = tuple(argv)
        self._patience = patience
        self.leak = f"what {self._program} keeps on the disk; harness-tui keeps nothing"

    @classmethod
    def configured(cls, environ: Mapping[str, str]) -> Command | None:
        """As HARNESS_TUI_KEY_COMMAND says, split like a shell line; None when it is not set. Raises SetupError."""
        line = environ.get(COMMAND, "").strip()
        try:
            return cls(shlex.split(line)) if line else None
        except ValueError:
            raise SetupError(f"{COMMAND} has an open quote.", f'For example: {COMMAND}="pass show {{name}}".') from None

    @property
    def _program(self) -> str:
        return os.path.basename(self._argv[0])

    def get(self, name: str) -> str | None:
        """What it prints for `name`. Raises Unavailable when it cannot be started, fails, or takes too long."""
        argv = [part.replace("{name}", name) for part in self._argv]
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        try:
            child = subprocess.Popen(argv, stdin=null, stdout=pipe, stderr=pipe, start_new_session=True)
        except OSError as error:
            raise self._failed(f"cannot be started: {error.strerror}") from None
        with child:
            try:
                out, err = child.communicate(timeout=self._patience)
            except subprocess.TimeoutExpired:
                # With all it started: a program that waits for a passphrase nobody can type.
                os.killpg(child.pid, signal.SIGKILL)
                raise self._failed(f"did not answer within {self._patience:g} s") from None
        if child.returncode:
            said = err.decode(errors="replace").strip().splitlines()
            raise self._failed(f"ended with {child.returncode}" + (f": {clip(said[-1], 120)}" if said else ""))
        value = out.decode(errors="replace").partition("\n")[0].rstrip("\r")
        return value or None

    def _failed(self, why: str) -> Unavailable:
        return Unavailable(f"The command {self._program} {why}.", f"Try it by hand: {shlex.join(self._argv)}")
