"""The operating system's keyring, proved by use: a backend that was merely picked may be locked, or no keyring at all.

Only the native ones count (Secret Service, KWallet, macOS, Windows), and each is taken by its class. The `keyring`
package's own choice is not asked: installing another backend, or a variable, changes it to a file of clear text.
"""

from __future__ import annotations

import secrets
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from ...domain.safetext import clip
from .places import Unavailable

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

T = TypeVar("T")
SERVICE = "harness-tui"
PATIENCE = 5.0
"""Seconds a call may take: a keyring may wait for its password in a window nobody sees, or for a dead daemon."""
ELSEWHERE = "or keep the key in the encrypted file: harness-tui key set NAME --store file"
_LOCKED = ("KeyringLocked", "LockedException", "PromptDismissedException")


class Keyring:
    """A store in the keyring of this user. Every call is bounded, and the first one proves the keyring.

    Args:
        patience: seconds a call may take.
    """

    word = "keyring"
    leak = "only the keyring's ciphertext, as strong as its own password (mostly that of the login)"

    def __init__(self, *, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._turn = threading.Lock()
        self._proved: KeyringBackend | None = None

    def probe(self) -> str:
        """Keep, read back and delete an item now; returns the backend's name. Raises Unavailable."""
        backend = self._bounded(_prove)
        self._proved = backend
        return type(backend).__module__.removeprefix("keyring.backends.")

    def get(self, name: str) -> str | None:
        """Raises Unavailable: locked, not answering (exit 7), or no keyring (exit 78)."""
        return self._bounded(lambda: self._backend().get_password(SERVICE, name))

    def set(self, name: str, text: str) -> None:
        """Raises Unavailable, also when what was kept does not come back."""

        def keep() -> bool:
            backend = self._backend()
            backend.set_password(SERVICE, name, text)
            return backend.get_password(SERVICE, name) == text

        if not self._bounded(keep):
            raise _forgetful()

    def remove(self, name: str) -> bool:
        """Whether there was one. Raises Unavailable."""

        def forget() -> bool:
            backend = self._backend()
            found = backend.get_password(SERVICE, name) is not None
            if found:
                backend.delete_password(SERVICE, name)
            return found

        return self._bounded(forget)

    def _backend(self) -> KeyringBackend:
        if self._proved is None:
            self._proved = _prove()
        return self._proved

    def _bounded(self, call: Callable[[], T]) -> T:
        """The call's result, from a thread that is left alone when it hangs; while it does, no other is started."""
        done: list[T] = []
        failed: list[BaseException] = []

        def work() -> None:
            try:
                done.append(call())
            except BaseException as error:
                failed.append(error)
            finally:
                self._turn.release()

        if not self._turn.acquire(timeout=self._patience):
            raise self._silent()
        thread = threading.Thread(target=work, name="keyring", daemon=True)
        thread.start()
        thread.join(self._patience)
        if failed:
            raise _explained(failed[0]) from None
        if not done:
            raise self._silent()
        return done[0]

    def _silent(self) -> Unavailable:
        return Unavailable(
            f"The keyring has not answered for {self._patience:g} s: it may wait for its password in a window, "
            "or its service hangs.",
            f"Unlock it, {ELSEWHERE}",
        )


def _prove() -> KeyringBackend:
    """The first native backend that keeps an item, gives it back and deletes it."""
    problems: list[Exception] = []
    for kind in _natives():
        try:
            _ = kind.priority  # raises, with the reason, where its service cannot be reached
            backend = kind()
        except Exception as error:
            problems.append(error)
            continue
        item, text = f"probe-{secrets.token_hex(8)}", secrets.token_urlsafe(16)
        backend.set_password(SERVICE, item, text)
        try:
            back = backend.get_password(SERVICE, item)
        finally:
            backend.delete_password(SERVICE, item)
        if back != text:
            raise _forgetful()
        return backend
    raise problems[0]


def _forgetful() -> Unavailable:
    what = "The keyring here is none: it did not give back what was put into it."
    return Unavailable(what, f"Repair it, {ELSEWHERE}", exit_code=78)


def _natives() -> Iterator[type[KeyringBackend]]:
    if sys.platform == "darwin":
        from keyring.backends import macOS

        yield macOS.Keyring
    elif sys.platform == "win32":
        from keyring.backends import Windows

        yield Windows.WinVaultKeyring
    else:
        from keyring.backends import SecretService, kwallet

        yield SecretService.Keyring
        yield kwallet.DBusKeyring


def _explained(error: BaseException) -> BaseException:
    """What a backend raised, as one sentence: locked, or not there. Ours and interrupts stay as they are."""
    if isinstance(error, Unavailable) or not isinstance(error, Exception):
        return error
    chain = [error, error.__cause__, error.__context__]
    if any(type(link).__name__ in _LOCKED for link in chain):
        return Unavailable("The keyring is locked.", f"Unlock it (log in, or unlock its daemon), {ELSEWHERE}")
    first = str(error).strip().splitlines()
    reason = clip(first[0], 160).rstrip(".") if first else type(error).__name__
    return Unavailable(f"No keyring works here: {reason}.", f"Start a Secret Service, {ELSEWHERE}", exit_code=78)
