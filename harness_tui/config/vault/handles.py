"""Handles: the words that stand for a secret in task files, flags and records."""

from __future__ import annotations

import re

from ...domain.errors import CredentialError, UsageError

NAME = r"[A-Za-z_][A-Za-z0-9_.-]{0,63}"
"""What a key may be called."""
SECRET_FORM = "env:VAR or vault:NAME"
PAIR_FORM = "env:USERVAR,PASSVAR or vault:NAME"

_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
_ONE = re.compile(rf"env:({_VARIABLE})")
_PAIR = re.compile(rf"env:({_VARIABLE}),({_VARIABLE})")
_KEPT = re.compile(rf"vault:({NAME})")
# How the vendors' keys begin: what looks so was pasted where a name belongs.
_VALUE = re.compile(r"(sk|pk|rk|gsk|xai|hf|ghp|gho|glpat|github_pat|AIza|AKIA|eyJ)[-_A-Za-z0-9.]{12,}")


def is_pair(handle: str) -> bool:
    """Whether `handle` can name a user and a password (`env:USERVAR,PASSVAR`, or a login `vault:NAME`)."""
    return bool(_PAIR.fullmatch(handle) or _KEPT.fullmatch(handle))


def kept_name(handle: str) -> str:
    """NAME of `vault:NAME`; "" for every other handle."""
    found = _KEPT.fullmatch(handle)
    return found[1] if found else ""


def variables(handle: str, *, pair: bool) -> tuple[str, ...]:
    """The variables an `env:` handle names: one, or two of a pair. Raises CredentialError for any other handle."""
    found = (_PAIR if pair else _ONE).fullmatch(handle)
    if found is None:
        raise unsupported(handle, "env:USERVAR,PASSVAR" if pair else "env:VAR")
    return found.groups()


def unsupported(handle: str, form: str) -> CredentialError:
    """A handle of another form may be a value pasted by mistake: only its kind is repeated."""
    kind, colon, _ = handle.partition(":")
    shown = f'"{kind}:..."' if colon and kind.isidentifier() and len(kind) <= 12 else "this"
    return CredentialError(f"A credential handle {shown} is not supported.", f"Write {form}.")


def check_name(name: str) -> str:
    """`name`, when a key may be called so. Raises UsageError, which does not repeat what may be a pasted value."""
    if _VALUE.match(name):
        raise UsageError(
            "That looks like a key, not like the name of one.",
            "Give a NAME of your own; the value is asked for, or read from stdin. "
            "If it was a key, it is in your shell's history now: make a new one.",
        )
    if not re.fullmatch(NAME, name):
        raise UsageError(
            "A key's name is 1 to 64 letters, digits, _ . or -, and begins with a letter or _.",
            "For example: harness-tui key set OPENAI_API_KEY",
        )
    return name
