"""Reading what must not be seen: hidden at a terminal, else one line of stdin each."""

from __future__ import annotations

import sys

from ..domain.errors import UsageError

MAX_BYTES = 64 * 1024
MIN_PASSPHRASE = 8


def hidden(prompt: str, what: str) -> str:
    """A secret, its line end removed. Raises UsageError when it is empty or no line of text."""
    return _checked(_typed(prompt) if sys.stdin.isatty() else _line(), what)


def shown(prompt: str, what: str) -> str:
    """As `hidden`, but seen while it is typed."""
    if not sys.stdin.isatty():
        return _checked(_line(), what)
    print(f"{prompt}: ", end="", file=sys.stderr, flush=True)
    return _checked(sys.stdin.readline().rstrip("\r\n"), what)


def passphrase(*, fresh: bool) -> str:
    """The passphrase of the encrypted file; for a new file asked twice and of some length. Raises UsageError."""
    typed = hidden(
        "New passphrase of the encrypted file" if fresh else "Passphrase of the encrypted file", "passphrase"
    )
    if fresh and len(typed) < MIN_PASSPHRASE:
        raise UsageError(f"A passphrase has at least {MIN_PASSPHRASE} characters.", "Nothing was kept; try again.")
    if fresh and sys.stdin.isatty() and _typed("The same again") != typed:
        raise UsageError("The two passphrases differ.", "Nothing was kept; try again.")
    return typed


def _typed(prompt: str) -> str:
    import getpass

    try:
        return getpass.getpass(f"{prompt} (hidden): ", stream=sys.stderr)
    except EOFError:
        return ""


def _line() -> str:
    data = sys.stdin.buffer.readline(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise UsageError(f"The line is longer than {MAX_BYTES} bytes.", "Give one line.")
    try:
        return data.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise UsageError("The line is not UTF-8 text.", "Give one line of text.") from None


def _checked(value: str, what: str) -> str:
    if not value.strip():
        raise UsageError(f"The {what} is empty.", "Type it when asked, or pipe it in as one line.")
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise UsageError(f"The {what} holds a control character.", "Give it as one line of text.")
    return value
