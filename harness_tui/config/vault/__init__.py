"""Secrets by handle: where a value is kept, how it is found again, and what each place is worth.

A handle names a value; the value is read at the last moment and never shown. `vault:NAME` walks a ladder of places
(`ladder`), `env:VAR` is one variable (`variables`). The places keys can be put into are `stores`.
"""

from .entry import Entry, bound_origin
from .handles import NAME, PAIR_FORM, SECRET_FORM, check_name, is_pair
from .known import known
from .ladder import Ladder
from .stores import Session, Stores, Unavailable
from .variables import EnvVault

__all__ = [
    "NAME",
    "PAIR_FORM",
    "SECRET_FORM",
    "Entry",
    "EnvVault",
    "Ladder",
    "Session",
    "Stores",
    "Unavailable",
    "bound_origin",
    "check_name",
    "is_pair",
    "known",
]
