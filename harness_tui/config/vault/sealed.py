"""The encrypted file: keys for machines without a keyring, opened by a passphrase once per process.

Form: `HTKEYS1\\n`, log2 of scrypt's n, r, p (a byte each), salt (16), nonce (12), AES-256-GCM of a JSON object with the
header as associated data, and a SHA-256 of all before it. The checksum tells damage from a wrong passphrase without
asking for one; against who changes the file on purpose only the encryption counts.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import unicodedata
from pathlib import Path
from typing import NamedTuple

from ...domain.errors import CredentialError, SetupError
from . import private
from .places import Unavailable

MAGIC = b"HTKEYS1\n"
WORK = 17
"""log2 of scrypt's n for new files: 128 MiB and about a third of a second a guess."""
_WORKS = range(15, 22)
_R, _P = 8, 1
_HEADER = len(MAGIC) + 3 + 16 + 12
UNLOCK = "harness-tui key unlock"


class _Key(NamedTuple):
    """What opens one file: its first bytes up to the nonce, and the key derived from them and the passphrase."""

    head: bytes
    key: bytes


class SealedFile:
    """A store in one file; `repr` shows nothing of it.

    Args:
        work: log2 of scrypt's n for a file that is made new.
    """

    word = "encrypted file"
    leak = "only ciphertext (scrypt, AES-256-GCM), as strong as its passphrase"

    def __init__(self, path: Path, *, work: int = WORK) -> None:
        self.path = path
        self._work = work
        self._key: _Key | None = None
        self._turn = threading.Lock()

    def __repr__(self) -> str:
        return f"SealedFile({self.path})"

    def exists(self) -> bool:
        return self.path.exists()

    @property
    def unlocked(self) -> bool:
        return self._key is not None

    def unlock(self, passphrase: str) -> None:
        """Open the file for this process, or prepare a new one when there is none.

        Raises CredentialError for a wrong passphrase, SetupError for a damaged file.
        """
        if not passphrase:
            raise CredentialError("The passphrase is empty.", "Type it again.")
        data = private.read(self.path)
        head = self._checked(data)[: _HEADER - 12] if data is not None else _new_head(self._work)
        key = _Key(head, _derive(head, passphrase))
        if data is not None:
            self._open(data, key)
        self._key = key

    def get(self, name: str) -> str | None:
        """Raises Unavailable while the file is locked."""
        return self.all().get(name)

    def all(self) -> dict[str, str]:
        """Everything in the file, by name. Raises Unavailable while it is locked."""
        data = private.read(self.path)
        return {} if data is None else self._open(data, self._opened(data))

    def set(self, name: str, text: str) -> None:
        """Keep `text`; the file is replaced whole. Raises Unavailable, SetupError."""
        self._write({name: text}, "")

    def remove(self, name: str) -> bool:
        """Whether there was one. Raises Unavailable, SetupError."""
        return self.exists() and self._write({}, name)

    def _write(self, more: dict[str, str], without: str) -> bool:
        with self._turn, private.alone(self.path):
            data = private.read(self.path)
            key = self._opened(data)
            kept = self._open(data, key) if data is not None else {}
            had = kept.pop(without, None) is not None
            if more or had:
                private.replace(self.path, _seal(kept | more, key))
            return had

    def _opened(self, data: bytes | None) -> _Key:
        if self._key is None:
            raise Unavailable(f"The encrypted file {self.path} is locked.", f"Run: {UNLOCK}")
        if data is not None and not self._checked(data).startswith(self._key.head):
            raise Unavailable(f"The encrypted file {self.path} was made anew since it was unlocked.", f"Run: {UNLOCK}")
        return self._key

    def _open(self, data: bytes, key: _Key) -> dict[str, str]:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        body = self._checked(data)
        header, nonce = body[:_HEADER], body[_HEADER - 12 : _HEADER]
        try:
            plain = AESGCM(key.key).decrypt(nonce, body[_HEADER:], header)
        except InvalidTag:
            raise CredentialError(
                "The passphrase is wrong.",
                f"Try again. Without it the keys in {self.path} are lost; to begin anew, delete that file.",
            ) from None
        found: dict[str, str] = json.loads(plain)
        return found

    def _checked(self, data: bytes) -> bytes:
        """The file without its checksum. Raises SetupError when it is not as this program wrote it."""
        body, sum_ = data[:-32], data[-32:]
        whole = len(body) > _HEADER and body.startswith(MAGIC) and hashlib.sha256(body).digest() == sum_
        if not whole or body[8] not in _WORKS or (body[9], body[10]) != (_R, _P):
            raise SetupError(
                f"The encrypted file {self.path} is damaged or was changed: it is not as this program wrote it.",
                "Put back a copy of it, or delete it and set its keys again.",
            )
        return body


def _new_head(work: int) -> bytes:
    return MAGIC + bytes((work, _R, _P)) + os.urandom(16)


def _derive(head: bytes, passphrase: str) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    work, r, p = head[len(MAGIC) : len(MAGIC) + 3]
    # One passphrase has one spelling, whatever the keyboard sends.
    typed = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogateescape")
    return Scrypt(salt=head[-16:], length=32, n=1 << work, r=r, p=p).derive(typed)


def _seal(kept: dict[str, str], key: _Key) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(12)
    header = key.head + nonce
    body = header + AESGCM(key.key).encrypt(nonce, json.dumps(kept).encode(), header)
    return body + hashlib.sha256(body).digest()
