"""The login handler: the harness, not the model, signs in, by the task's rule and only on its bound origin."""

from __future__ import annotations

import asyncio
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import msgspec

from ...domain.errors import CredentialError
from ...domain.seams import Vault
from ...domain.task import Login
from . import scripts
from .policy import origin, trusted
from .session import ACTION, Session
from .tools import failure

if TYPE_CHECKING:
    from playwright.async_api import ElementHandle, Page

MAX_LOGINS = 3
"""Sign-ins of one environment; a site that asks again after each is not worth a fourth."""


class Outcome(msgspec.Struct, frozen=True):
    """What one sign-in came to, in words; `refused` and `missing` concern the credentials themselves."""

    state: Literal["in", "refused", "missing", "failed"]
    detail: str


class LoginRule:
    """One task's `[login]` table on one session.

    Attributes:
        refused: why no further try is made, or "" ; wrong credentials are sent to a site once.
    """

    def __init__(self, rule: Login, session: Session, vault: Vault) -> None:
        self.rule = rule
        self.origin = origin(rule.origin)
        self.refused = ""
        self._session = session
        self._vault = vault
        self._tries = 0

    async def asks(self, page: Page) -> bool:
        """Whether the page's top frame asks for a login: URL, marker, and a visible form with all three fields."""
        if not self._named(page.url):
            return False
        if self.rule.when_selector and not await page.locator(self.rule.when_selector).count():
            return False
        return (await self._form(page))[1] is not None

    def objection(self, url: str) -> str:
        """Why nothing is filled on this origin, or ""."""
        here = origin(url) or urlsplit(url).scheme
        if here != self.origin:
            return f"refuses to fill credentials on {here}; they are bound to {self.rule.origin}"
        return "" if trusted(here) else f"refuses to fill credentials on {here}: neither https nor loopback"

    async def sign_in(self, page: Page) -> Outcome:
        """Read the credential now, fill, submit, and see whether the site still asks."""
        from playwright.async_api import Error

        if self.refused:
            return Outcome("refused", self.refused)
        if self._tries >= MAX_LOGINS:
            return Outcome("failed", f"the site asked for a login {MAX_LOGINS} times over")
        self._tries += 1
        try:
            return await self._sign_in(page)
        except CredentialError as error:
            self.refused = str(error)
            return Outcome("missing", str(error))
        except Error as error:
            if self._session.dead():
                raise
            return Outcome("failed", failure(error, page.url))

    async def _sign_in(self, page: Page) -> Outcome:
        action, fields = await self._form(page)
        if fields is None:
            return Outcome("failed", f"no form with {self.rule.user_field} and {self.rule.submit} on {page.url}")
        if objection := self.objection(page.url) or self.objection(action):
            return Outcome("failed", objection)
        # A keyring may take its time: not on the event loop.
        credential = await asyncio.to_thread(self._vault.credential, self.rule.credential, self.origin)
        self._session.redaction.add([credential.password])
        user, password, submit = fields
        await user.fill(credential.user, timeout=ACTION * 1000)
        await password.fill(credential.password, timeout=ACTION * 1000)
        await submit.click(timeout=ACTION * 1000, no_wait_after=True)
        await self._session.settle(page)
        return await self._outcome(page)

    async def _outcome(self, page: Page) -> Outcome:
        if problem := await self._session.problem(page):
            return Outcome("failed", problem)
        if (status := self._session.status(page)) >= 500:
            return Outcome("failed", f"the site answered the login with HTTP {status}")
        text = await page.locator("body").inner_text(timeout=ACTION * 1000)
        if (self.rule.failed_text and self.rule.failed_text in text) or await self.asks(page):
            self.refused = f"The site refused the credentials of {self.rule.credential} at {self.origin}."
            return Outcome("refused", self.refused)
        return Outcome("in", f"signed in; the page is now {page.url}")

    async def _form(self, page: Page) -> tuple[str, tuple[ElementHandle, ElementHandle, ElementHandle] | None]:
        """(where it sends to, its three elements) of the first visible form that holds the rule's submit control."""
        rule = self.rule
        wanted = {"user": rule.user_field, "password": rule.password_field, "submit": rule.submit}
        found = await (await page.evaluate_handle(scripts.LOGIN_FORM, wanted)).get_properties()
        nodes = [found[key].as_element() if key in found else None for key in ("user", "password", "submit")]
        user, password, submit = nodes
        if user is None or password is None or submit is None:
            return "", None
        return str(await found["action"].json_value()), (user, password, submit)

    def _named(self, url: str) -> bool:
        parts = urlsplit(url)
        where = parts.path + (f"?{parts.query}" if parts.query else "")
        if not self.rule.when_url:
            return bool(self.rule.when_selector)
        return any(entry in where or fnmatchcase(where, entry) for entry in self.rule.when_url)

    def pages(self) -> list[str]:
        """URLs where the site's bare login form may be: the rule's own paths, as far as they are no patterns."""
        plain = [entry for entry in self.rule.when_url if not set(entry) & set("*[]#")]
        return [f"{self.origin}/{entry.lstrip('/')}" for entry in plain]
