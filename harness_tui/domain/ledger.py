"""The ledger: tokens reserved before a model call and settled after it, in every scope at once.

One more pure machine, owned by the engine's loop: there is no await between check and hold, so all scopes are
reserved together without a lock. The hold is written in the same append as the intent it pays for.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Account(msgspec.Struct):
    """One scope, in tokens. limit 0 = none."""

    limit: int = 0
    held: int = 0
    spent: int = 0

    @property
    def left(self) -> int:
        return self.limit - self.held - self.spent


class Granted(msgspec.Struct, frozen=True):
    """`tokens` are held in every scope; less than asked when a limit was near."""

    tokens: int


class Refused(msgspec.Struct, frozen=True):
    """The scope that could not take even the least amount."""

    scope: str
    limit: int
    spent: int
    asked: int


class Ledger(msgspec.Struct):
    accounts: dict[str, Account] = {}

    def limit(self, scope: str, tokens: int) -> None:
        self.accounts.setdefault(scope, Account()).limit = tokens

    def reserve(self, scopes: Iterable[str], want: int, least: int) -> Granted | Refused:
        """Hold `want` tokens in all scopes, or what the tightest has left if that is at least `least`."""
        scopes = tuple(scopes)
        grant = want
        for scope in scopes:
            account = self.accounts.setdefault(scope, Account())
            if not account.limit:
                continue
            if account.left < least:
                return Refused(scope, account.limit, account.spent + account.held, least)
            grant = min(grant, account.left)
        for scope in scopes:
            self.accounts[scope].held += grant
        return Granted(grant)

    def settle(self, scopes: Iterable[str], hold: int, spent: int) -> None:
        """Release a hold and book what was really spent, which may be more."""
        for scope in scopes:
            account = self.accounts.setdefault(scope, Account())
            account.held -= hold
            account.spent += spent
