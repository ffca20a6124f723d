"""The names of the keys this home knows, and the stores they were put into; never a value.

No keyring can list what it holds in a way that works everywhere, and the encrypted file's names are encrypted too. So
the names stand in a small file of the home: listing them then needs neither an unlocked keyring nor a passphrase. One
item in the keyring would do as well, but would be unreadable just when somebody asks why a locked key is missing.
The index only lists: a lookup always asks the places themselves, so a stale name can mislead nobody's run.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from ...domain.errors import SetupError
from . import private


class _Document(msgspec.Struct, frozen=True):
    keys: dict[str, list[str]]
    version: int = 1


class Index:
    """Name -> words of the stores that hold it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def all(self) -> dict[str, list[str]]:
        """By name, sorted. Raises SetupError when the file is not as this program wrote it."""
        data = private.read(self.path)
        if data is None:
            return {}
        try:
            return dict(sorted(msgspec.json.decode(data, type=_Document).keys.items()))
        except msgspec.MsgspecError:
            raise SetupError(
                f"{self.path} cannot be read.", "Delete it; it holds names only, and the keys stay where they are."
            ) from None

    def stores(self, name: str) -> list[str]:
        return self.all().get(name, [])

    def note(self, name: str, stores: list[str]) -> None:
        """`name` is in exactly these stores from now on; [] forgets it. Raises SetupError."""
        with private.alone(self.path):
            keys = self.all()
            if stores:
                keys[name] = stores
            else:
                keys.pop(name, None)
            private.replace(self.path, msgspec.json.encode(_Document(keys)))
