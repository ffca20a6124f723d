"""The ledger: tokens and money reserved before a model call and settled after it, in every scope at once.

One more pure machine, owned by the engine's loop: there is no await between check and hold, so all scopes are
reserved together without a lock. The hold is written in the same append as the intent it pays for. A scope is
`run:r17`, `day:2026-11-21`, ...; its first word is its kind, and a kind may have limits that new scopes begin with.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from .money import Price

WARN = 0.8
"""Share of a limit at which the operator is warned, once."""

Unit = Literal["tokens", "usd", "price"]
"""What was short: tokens, money (nano-dollars), or a price to hold money by."""


class Account(msgspec.Struct):
    """One scope, in tokens and nano-dollars. limit 0 and usd_limit None: no limit."""

    limit: int = 0
    held: int = 0
    spent: int = 0
    usd_limit: int | None = None
    usd_held: int = 0
    usd_spent: int = 0
    warned: bool = False

    @property
    def left(self) -> int:
        return self.limit - self.held - self.spent

    @property
    def usd_left(self) -> int:
        return (self.usd_limit or 0) - self.usd_held - self.usd_spent


class Hold(msgspec.Struct, frozen=True):
    """What is held in every scope. usd None: the price is unknown and no scope has a money limit."""

    tokens: int
    output: int
    usd: int | None = None


class Refused(msgspec.Struct, frozen=True):
    """The scope that could not take even the least amount; amounts in `unit` ("price": the limit alone)."""

    scope: str
    unit: Unit
    limit: int
    spent: int
    asked: int


class Warned(msgspec.Struct, frozen=True):
    """A scope whose spending has reached `WARN` of a limit, told once; amounts in `unit`."""

    scope: str
    unit: Unit
    limit: int
    spent: int


class Ledger(msgspec.Struct):
    """Attributes: defaults: limits by kind of scope, for accounts that do not exist yet."""

    accounts: dict[str, Account] = {}
    defaults: dict[str, Account] = {}

    def limit(self, scope: str, tokens: int, usd: int | None = None) -> None:
        """Set the limits of a scope, or of a kind (`day`): of all its accounts and of those to come."""
        if ":" in scope:
            accounts = [self.account(scope)]
        else:
            self.defaults[scope] = Account(tokens, usd_limit=usd)
            accounts = [account for name, account in self.accounts.items() if name.startswith(f"{scope}:")]
        for account in accounts:
            account.limit, account.usd_limit = tokens, usd
            account.warned = account.warned and _short(account) is not None

    def account(self, scope: str) -> Account:
        account = self.accounts.get(scope)
        if account is None:
            limits = self.defaults.get(scope.partition(":")[0], Account())
            account = self.accounts[scope] = Account(limits.limit, usd_limit=limits.usd_limit)
        return account

    def unlimit(self, kind: str) -> None:
        """A kind of scope has no limits any more."""
        if kind in self.defaults:
            self.limit(kind, 0)
            del self.defaults[kind]

    def forget(self, scope: str) -> None:
        """Nothing will be spent in it any more."""
        self.accounts.pop(scope, None)

    def reserve(
        self, scopes: Iterable[str], input: int, most: int, least: int, price: Price | None, call: Account | None = None
    ) -> Hold | Refused:
        """Hold the worst case of one call in all scopes: `input` tokens and `most` of output, or what is left for
        output where a limit is near, if that is at least `least`.

        Args:
            price: what money is held by; None = unknown, which is refused where money is limited.
            call: the limits of a single call.
        """
        named = [(scope, self.account(scope)) for scope in scopes]
        output = most
        for scope, account in [*named, ("call", call or Account())]:
            if account.limit and account.left - input < least:
                return Refused(scope, "tokens", account.limit, account.spent + account.held, input + least)
            if account.limit:
                output = min(output, account.left - input)
        for scope, account in [*named, ("call", call or Account())]:
            if account.usd_limit is None:
                continue
            gone = account.usd_spent + account.usd_held
            if price is None:
                return Refused(scope, "price", account.usd_limit, gone, 0)
            if (asked := price.worst(input, least)) > account.usd_left:
                return Refused(scope, "usd", account.usd_limit, gone, asked)
            output = _affordable(price, input, least, output, account.usd_left)
        usd = None if price is None else price.worst(input, output)
        for _, account in named:
            account.held += input + output
            account.usd_held += usd or 0
        return Hold(input + output, output, usd)

    def settle(
        self, scopes: Iterable[str], held: int, usd_held: int | None, spent: int, usd: int | None
    ) -> tuple[Warned, ...]:
        """Release a hold and book what was really spent, which may be more; money nobody knows books what was held.

        Returns the scopes that have now reached `WARN`.
        """
        warned = []
        for scope in scopes:
            account = self.account(scope)
            account.held -= held
            account.usd_held -= usd_held or 0
            account.spent += spent
            account.usd_spent += (usd_held or 0) if usd is None else usd
            unit = None if account.warned else _short(account)
            if unit == "tokens":
                warned.append(Warned(scope, unit, account.limit, account.spent))
            elif unit == "usd":
                warned.append(Warned(scope, unit, account.usd_limit or 0, account.usd_spent))
            account.warned = account.warned or unit is not None
        return tuple(warned)


def _short(account: Account) -> Unit | None:
    if account.limit and account.spent >= WARN * account.limit:
        return "tokens"
    if account.usd_limit is not None and account.usd_spent and account.usd_spent >= WARN * account.usd_limit:
        return "usd"
    return None


def _affordable(price: Price, input: int, least: int, most: int, left: int) -> int:
    """The longest output whose worst case fits into `left`; `least` is known to."""
    if price.worst(input, most) <= left:
        return most
    while most - least > 1:
        middle = (least + most) // 2
        if price.worst(input, middle) <= left:
            least = middle
        else:
            most = middle
    return least
