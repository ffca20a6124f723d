"""Text through the operator's own editor: a private file, which stays where it is when something goes wrong."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ..domain.errors import HarnessError, SetupError, UsageError

FALLBACK = "vi"


class Draft:
    """A text in a file (0600, in a folder of its own) for as long as it is worked on.

    Used as a context manager: it is removed at the end, and kept, with a word on where, when an error of ours ends it.
    """

    def __init__(self, text: str, suffix: str) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="harness-tui-")) / f"approval{suffix}"
        made = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(made, "w", encoding="utf-8", newline="") as file:
            file.write(text)

    def __enter__(self) -> Draft:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, HarnessError):
            error.next_step = f"{error.next_step} Your text is kept in {self.path}".lstrip()
        else:
            shutil.rmtree(self.path.parent, ignore_errors=True)

    def edited(self, environ: Mapping[str, str] = os.environ) -> str:
        """Open the editor and wait for its end; what is in the file then.

        Raises SetupError when there is no editor, HarnessError when it failed, UsageError for what is no text.
        """
        words = command(environ)
        try:
            code = _waited([*words, str(self.path)])
        except OSError as error:
            why = f"The editor {words[0]} cannot be started: {error.strerror}."
            raise SetupError(why, "Name one that is installed in VISUAL or EDITOR.") from None
        if code:
            raise HarnessError(f"The editor {words[0]} ended with {code}; nothing was sent.")
        try:
            return self.path.read_bytes().decode()
        except UnicodeDecodeError as error:
            line = self.path.read_bytes()[: error.start].count(b"\n") + 1
            raise UsageError(f"Line {line}: this is not UTF-8.") from None
        except OSError as error:
            raise UsageError(f"What the editor left cannot be read: {error.strerror}.") from None


def command(environ: Mapping[str, str]) -> list[str]:
    """The words that start the operator's editor. Raises SetupError for a setting that is no command."""
    said = environ.get("VISUAL") or environ.get("EDITOR") or FALLBACK
    try:
        words = shlex.split(said)
    except ValueError as error:
        raise SetupError(f"VISUAL or EDITOR is no command: {error}.") from None
    return words or [FALLBACK]


def _waited(argv: list[str]) -> int:
    """Its exit code. Ctrl-C is the editor's while it has the terminal: a handler, since a child inherits an ignore."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        return subprocess.run(argv, check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)
