"""Checks of keys: whether the keyring really keeps one, and of each key where it is and what a stolen disk gives."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...domain.errors import HarnessError
from ...domain.seams import Place
from . import Check

if TYPE_CHECKING:
    from ...config.vault import Stores


def all_of() -> list[Check]:
    """The keyring, then each known key. A machine without a keyring is in order as long as no key is in it."""
    from ...config.vault import known
    from ..key import here

    try:
        stores = here()
        places = known(stores, os.environ)
    except HarnessError as error:
        return [Check("keys", False, error.what, error.next_step)]
    needed = any(stores.keyring.word in words for words in stores.index.all().values())
    # The encrypted file is meant to be locked here: only an engine it was handed to holds what is in it.
    sealed = stores.file.word if stores.file.exists() else ""
    return [_keyring(stores, needed), *(_key(place, sealed) for place in places)]


def _keyring(stores: Stores, needed: bool) -> Check:
    try:
        kind = stores.keyring.probe()
    except HarnessError as error:
        if needed:
            return Check("keyring", False, error.what, error.next_step)
        return Check("keyring", True, f"{error.what} No key is in it; other places work without.")
    return Check("keyring", True, f"The keyring ({kind}) kept an item, gave it back and deleted it.")


def _key(place: Place, sealed: str) -> Check:
    stolen = f" From a stolen disk: {place.leak}." if place.leak else ""
    bound = f", for {place.origin} only" if place.origin else ""
    where = f"In the {place.place}{bound}" if place.place else "Nowhere"
    if not place.usable and place.place == sealed:
        return Check(f"key {place.name}", True, f"{where}, to be unlocked once for each engine.{stolen}")
    return Check(f"key {place.name}", place.usable, f"{where}: {place.why}.{stolen}", place.remedy)
