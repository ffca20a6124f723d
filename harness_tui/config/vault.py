"""Secrets by handle. A handle names where a value is; the value is read at the last moment and never shown."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..domain.errors import CredentialError
from ..domain.seams import Credential

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_SECRET = re.compile(rf"env:({_NAME})")
_PAIR = re.compile(rf"env:({_NAME}),({_NAME})")

SECRET_FORM = "env:VAR"
PAIR_FORM = "env:USERVAR,PASSVAR"


def is_pair(handle: str) -> bool:
    """Whether `handle` can name a user and a password (`env:USERVAR,PASSVAR`)."""
    return _PAIR.fullmatch(handle) is not None


class EnvVault:
    """`seams.Vault` over the environment and, after it, files of variables given as `fallbacks`."""

    def __init__(self, environ: Mapping[str, str], *fallbacks: Mapping[str, str]) -> None:
        self._places = (environ, *fallbacks)

    def __repr__(self) -> str:
        return "EnvVault(...)"

    def credential(self, handle: str) -> Credential:
        """Raises CredentialError naming the variable that is missing, or the form a handle has."""
        user, password = self._names(_PAIR, handle, PAIR_FORM)
        return Credential(self._value(user), self._value(password))

    def secret(self, handle: str) -> str:
        """Raises CredentialError naming the variable that is missing, or the form a handle has."""
        (name,) = self._names(_SECRET, handle, SECRET_FORM)
        return self._value(name)

    def _names(self, form: re.Pattern[str], handle: str, shape: str) -> tuple[str, ...]:
        match = form.fullmatch(handle)
        if match:
            return match.groups()
        # A handle of another form may be a value pasted by mistake: only its kind is repeated.
        kind, colon, _ = handle.partition(":")
        shown = f'"{kind}:..."' if colon and kind.isidentifier() and len(kind) <= 12 else "this"
        raise CredentialError(f"A credential handle {shown} is not supported.", f"Write {shape}.")

    def _value(self, name: str) -> str:
        for place in self._places:
            if value := place.get(name):
                return value
        empty = any(name in place for place in self._places)
        raise CredentialError(
            f"The variable {name} is {'empty' if empty else 'not set'}.", f"Set {name} and try again."
        )
