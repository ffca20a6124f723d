"""The keys a person would look for: those that were set here, and the vendors' own variables that are set."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ...domain.seams import Place
from .ladder import Ladder
from .stores import Stores
from .variables import EnvVault

VENDORS = (
    "ANTHROPIC_API_KEY",
    "DEEPSEEK_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GROQ_API_KEY",
    "MISTRAL_API_KEY",
    "OLLAMA_API_KEY",
    "OPENAI_API_KEY",
    "OPENROUTER_API_KEY",
)
"""Variables the vendors' own programs read."""


def known(stores: Stores, environ: Mapping[str, str]) -> list[Place]:
    """Where each of them is, by name. Looks for real, but asks for no passphrase; raises SetupError for a bad index.

    A key that cannot be had now says where it was put, `usable` false.
    """
    listed = stores.index.all()
    ladder = Ladder(stores, environ)
    places = [_placed(ladder.where(name), stores, words) for name, words in listed.items()]
    variables = EnvVault(environ)
    places += [variables.where(name) for name in VENDORS if name not in listed and variables.get(name)]
    return sorted(places, key=lambda place: place.name)


def _placed(place: Place, stores: Stores, words: list[str]) -> Place:
    put = next((store for store in stores.lasting() if store.word in words), None)
    if place.usable or put is None:
        return place
    return msgspec.structs.replace(place, place=put.word, leak=put.leak)
