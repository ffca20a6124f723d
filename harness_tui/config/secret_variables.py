"""Variables that hold secrets: taken out of the environment at the start, so that no child process inherits them."""

from __future__ import annotations

import re
from collections.abc import MutableMapping

_SECRET = re.compile(r"(^|_)(API_?)?(KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?)(_|$)", re.IGNORECASE)
OWN = "HARNESS_TUI_"
"""Our own variables are settings; none of them holds a value that must not be seen."""


def is_secret(name: str) -> bool:
    """Whether a variable of this name is treated as a secret."""
    return not name.startswith(OWN) and bool(_SECRET.search(name))


def take(environ: MutableMapping[str, str]) -> dict[str, str]:
    """Remove them from `environ` and return them, for the vault alone."""
    return {name: environ.pop(name) for name in list(environ) if is_secret(name)}
