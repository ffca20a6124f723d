"""The home and the temporary directory of children that have no file system of their own."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ..domain.errors import HarnessError
from . import child


class Scratch:
    """A private directory of one run, made at its first child."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def env(self, extra: Mapping[str, str]) -> dict[str, str]:
        """All variables of a child that lives in it."""
        home, tmp = self._folder / "home", self._folder / "tmp"
        for folder in (home, tmp):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return child.clean(home, tmp, extra)

    async def remove(self) -> None:
        """Never raises. By a program, since children may have nested deeper in it than Python can follow."""
        if not self._folder.exists():
            return
        words = ["rm", "-rf", "--", str(self._folder)]
        env = child.clean(Path("/"), Path("/tmp"))
        with suppress(HarnessError):
            await child.run(words, executable="/bin/rm", cwd=Path("/"), env=env, deadline=60)
