"""The places for keys of one home, and putting keys into them. A key is in one place: putting it elsewhere moves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .entry import Entry
from .index import Index
from .os_keyring import PATIENCE, Keyring
from .places import Command, Session, Store, Unavailable
from .sealed import SealedFile

__all__ = ["Session", "Stores", "Unavailable"]


class Stores:
    """What outlives a run: the proved keyring, the unlocked file, the memory of this process.

    Attributes:
        command: asked for keys, never given any; None when none is configured.
        session: lives as long as this process.
    """

    def __init__(
        self, keyring: Keyring, file: SealedFile, index: Index, *, command: Command | None, session: Session
    ) -> None:
        self.keyring = keyring
        self.file = file
        self.index = index
        self.command = command
        self.session = session

    @classmethod
    def of(
        cls, home: Path, environ: Mapping[str, str], *, command: Sequence[str] = (), patience: float = PATIENCE
    ) -> Stores:
        """The places of `home`; creates nothing and asks nothing yet. Raises SetupError for a command that is none.

        Args:
            environ: may name an external command (HARNESS_TUI_KEY_COMMAND), which goes before `command`.
            command: the configured one, `["pass", "show", "{name}"]`.
            patience: seconds the keyring may take to answer.
        """
        return cls(
            Keyring(patience=patience),
            SealedFile(home / "keys.enc"),
            Index(home / "keys.json"),
            command=Command.configured(environ) or (Command(command) if command else None),
            session=Session(),
        )

    def lasting(self) -> tuple[Store, Store]:
        """The stores that outlive this process, in the order of the ladder."""
        return self.keyring, self.file

    def put(self, name: str, entry: Entry, store: Store) -> list[Unavailable]:
        """Keep it in one of the lasting stores and nowhere else.

        Returns why an older value could not be removed from another store, for each that still holds one.
        Raises Unavailable and SetupError, having changed nothing.
        """
        store.set(name, entry.encode())
        still: list[Unavailable] = []
        held = [store.word]
        for other in self.lasting():
            if other is not store and other.word in self.index.stores(name):
                try:
                    other.remove(name)
                except Unavailable as error:
                    still.append(error)
                    held.append(other.word)
        self.index.note(name, held)
        return still

    def remove(self, name: str) -> list[str]:
        """Words of the stores it was removed from; [] when there was none. Raises Unavailable, SetupError.

        A name the index does not know may have been set through another home: the keyring, if there is one, is asked.
        """
        listed = self.index.stores(name)
        if not listed:
            try:
                return [self.keyring.word] if self.keyring.remove(name) else []
            except Unavailable as error:
                if error.exit_code == Unavailable.exit_code:
                    raise
                return []
        removed = []
        for store in self.lasting():
            if store.word in listed:
                if store.remove(name):
                    removed.append(store.word)
                listed = [word for word in listed if word != store.word]
                self.index.note(name, listed)
        return removed
