"""A repository for tests, made with a git that obeys it, as the operator's own would."""

from __future__ import annotations

import subprocess
from pathlib import Path

_ENV = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_{part}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")},
}


class Repository:
    """`folder` is its checkout, with one commit that holds `a.txt`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "-q", "-b", "main", ".")
        (folder / "a.txt").write_text("first\n")
        self.git("add", ".")
        self.git("commit", "-qm", "first")

    def git(self, *args: str) -> str:
        """What git says, obeying all that the repository sets."""
        done = subprocess.run(["git", *args], cwd=self.folder, env=_ENV, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr
