"""What real bash executes: every program it would start is one that only writes its words down."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

DUMP = """#!/bin/sh
printf '%s\\0' "$NAME" "$@" '
' >> "$LOG"
"""
"""A program that writes its words down; NUL after each, a line feed of its own after the last."""


class Oracle:
    """Real bash in an empty directory, on a PATH where every name is a program that logs its words."""

    def __init__(self, folder: Path) -> None:
        self.stubs, self.empty, self.log = folder / "stubs", folder / "empty", folder / "log"
        self.stubs.mkdir()
        self.empty.mkdir()

    def words(self, text: str, names: Iterable[str]) -> list[tuple[str, ...]]:
        """What bash executes, in order; the builtins among `names` are switched off so that they are programs too."""
        for name in names:
            stub = self.stubs / name
            stub.write_text(DUMP.replace('"$NAME"', f"'{name}'"))
            stub.chmod(0o755)
        self.log.write_bytes(b"")
        off = "".join(f"enable -n {name} 2>/dev/null\n" for name in names)
        started = subprocess.run(
            ["/bin/bash", "--norc", "--noprofile", "-c", f'{off}eval "$TEXT"'],
            env={"PATH": str(self.stubs), "LOG": str(self.log), "TEXT": text, "LC_ALL": "C.UTF-8"},
            cwd=self.empty,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
        )
        assert not started.stderr, started.stderr
        assert not list(self.empty.iterdir())
        calls = self.log.read_bytes().decode().split("\0\n\0")[:-1]
        for name in names:
            (self.stubs / name).unlink()
        return [tuple(call.split("\0")) for call in calls]
