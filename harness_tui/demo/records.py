"""What the demo site knows, in one JSON file: accounts, sessions, stories and the vote table.

The file is replaced whole and atomically (0600), so that a killed site loses nothing it has answered. `read_votes`
reads the vote table from outside: apart from the browser, the verifier and the running site.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import threading
import time
from pathlib import Path
from typing import TypedDict

from .stories import Story, stories

_COST = {"n": 2**14, "r": 8, "p": 1}


class Vote(TypedDict):
    """One row of the vote table; `at` is in microseconds since the epoch."""

    story: str
    user: str
    at: int


class State(TypedDict):
    """The file. Passwords are salted scrypt, sessions the SHA-256 of their token."""

    accounts: dict[str, str]
    sessions: dict[str, str]
    stories: list[Story]
    votes: list[Vote]


def read_votes(state: Path) -> list[Vote]:
    """The vote table as it is on disk; empty when the site never came up. Raises ValueError for a broken file."""
    try:
        return list(_read(state)["votes"])
    except FileNotFoundError:
        return []


def _read(path: Path) -> State:
    try:
        state: State = json.loads(path.read_text("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(str(error)) from None
    if not isinstance(state, dict) or not State.__required_keys__ <= state.keys():
        raise ValueError("it is not a state file of the demo site")
    return state


def _digest(password: str, salt: bytes) -> str:
    return f"{salt.hex()}${hashlib.scrypt(password.encode(), salt=salt, **_COST).hex()}"


def _name_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class Records:
    """The state file, held in memory and written at every change. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        """Read the file, or begin a fresh one. Raises ValueError when it is there and broken."""
        self._path = path
        self._lock = threading.Lock()
        empty = State(accounts={}, sessions={}, stories=stories(), votes=[])
        self._state = _read(path) if path.exists() else empty
        self._commit(self._state)

    def _commit(self, state: State) -> None:
        """On disk first: what could not be written was not changed either."""
        beside = self._path.with_suffix(".new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(state, file)
            file.flush()
            os.fsync(descriptor)
        beside.replace(self._path)
        self._state = state

    @property
    def stories(self) -> list[Story]:
        return self._state["stories"]

    @property
    def voted_stories(self) -> set[str]:
        """Ids of the stories somebody has voted for here."""
        return {vote["story"] for vote in self._state["votes"]}

    def votes_of(self, user: str) -> set[str]:
        """Ids of the stories this user has voted for."""
        return {vote["story"] for vote in self._state["votes"] if vote["user"] == user}

    def knows(self, user: str) -> bool:
        """Whether there is such an account."""
        return user in self._state["accounts"]

    def create(self, user: str, password: str) -> bool:
        """Add an account; False when the name is taken."""
        digest = _digest(password, secrets.token_bytes(16))
        with self._lock:
            accounts = self._state["accounts"]
            if user in accounts:
                return False
            self._commit({**self._state, "accounts": {**accounts, user: digest}})
            return True

    def accepts(self, user: str, password: str) -> bool:
        """Whether the password is the account's."""
        stored = self._state["accounts"].get(user)
        if stored is None:
            return False
        salt = bytes.fromhex(stored.partition("$")[0])
        return hmac.compare_digest(stored, _digest(password, salt))

    def sign_in(self, user: str) -> str:
        """Open a session and return its token."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._commit({**self._state, "sessions": {**self._state["sessions"], _name_of(token): user}})
        return token

    def sign_out(self, token: str) -> None:
        with self._lock:
            left = {name: user for name, user in self._state["sessions"].items() if name != _name_of(token)}
            self._commit({**self._state, "sessions": left})

    def user_of(self, token: str) -> str:
        """Whose session it is, or ""."""
        return self._state["sessions"].get(_name_of(token), "")

    def vote(self, story: str, user: str) -> None:
        """Cast a vote; a second one for the same story changes nothing."""
        with self._lock:
            if story not in self.votes_of(user):
                vote = Vote(story=story, user=user, at=time.time_ns() // 1000)
                self._commit({**self._state, "votes": [*self._state["votes"], vote]})

    def unvote(self, story: str, user: str) -> None:
        """Take a vote back; nothing changes when there was none."""
        with self._lock:
            left = [vote for vote in self._state["votes"] if (vote["story"], vote["user"]) != (story, user)]
            self._commit({**self._state, "votes": left})
