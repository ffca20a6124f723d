"""What a run does with an environment, by hand: judge, perform, let the login rule act, and keep what was done."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
from collections.abc import Callable
from typing import Any

import msgspec

from harness_tui.domain.approval import Judgement
from harness_tui.domain.errors import CredentialError
from harness_tui.domain.events import Event, FrameCaptured
from harness_tui.domain.messages import ToolCall
from harness_tui.domain.seams import Credential, Interlude, Performed, ToolOutcome, Verdict
from harness_tui.domain.task import Level, Login, Stories, TaskFile, Verify
from harness_tui.tools.browser.environment import BrowserBox
from harness_tui.tools.environment import RunEnvironment

from .news_site import PASSWORD, USER, NewsSite

RIGHT = Credential(USER, PASSWORD)


class Shelf:
    """Blobs in memory."""

    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}

    async def put(self, data: bytes, *, kind: str) -> str:
        sha = hashlib.sha256(data).hexdigest()
        self.data[sha] = data
        return sha

    async def get(self, sha: str) -> bytes:
        return self.data[sha]


class OneVault:
    """Holds one credential, or says what is missing."""

    def __init__(self, credential: Credential | None) -> None:
        self._credential = credential

    def credential(self, handle: str, origin: str = "") -> Credential:
        if self._credential is None:
            raise CredentialError("The variable SITE_PASSWORD is not set.", "Set SITE_USER and SITE_PASSWORD.")
        return self._credential

    def secret(self, handle: str) -> str:
        raise AssertionError(handle)


def vote_task(site: NewsSite, **changes: Any) -> TaskFile:
    """The seed's headline task on that site."""
    task = TaskFile(
        prompt="upvote the first story",
        start_url=f"{site.origin}/news",
        allow_urls=(f"{site.origin}/news*", f"{site.origin}/item*", f"{site.origin}/p*"),
        stories=Stories(row="tr.athing", title=".titleline > a", arrow="#up_{id}", voted="#un_{id}"),
        login=Login(
            origin=site.origin,
            user_field="input[name=acct]",
            password_field="input[name=pw]",
            submit="input[type=submit][value=login]",
            credential="env:SITE_USER,SITE_PASSWORD",
            when_url=("/login", "/vote"),
            failed_text="Bad login.",
        ),
        verify=Verify(trace=("browser_click *{first.id}*",)),
    )
    return msgspec.structs.replace(task, **changes)


async def until(holds: Callable[[], object]) -> None:
    """Wait until it holds; a minute at most, which only what hangs takes."""
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


class Hand:
    """One environment and what was done in it.

    Args:
        patience: seconds a page may take once the environment is open; what opening takes is the machine's affair.
    """

    def __init__(
        self, task: TaskFile, credential: Credential | None = RIGHT, *, patience: float = 60.0, **more: Any
    ) -> None:
        self.blobs = Shelf()
        self.patience = patience
        more = {"session": "s1", "patience": 60.0, **more}
        self.task = task
        self.box = BrowserBox(task, blobs=self.blobs, vault=OneVault(credential), **more)
        self.world = RunEnvironment((), level=task.level, offered=task.tools, browser=self.box)
        self.done: list[Performed] = []
        self.events: list[Event] = []
        self.texts: list[str] = []
        self.baseline: dict[str, Any] | None = None
        self._ids = itertools.count(1)

    async def __aenter__(self) -> Hand:
        await self.world.open()
        self.box._there.patience = self.patience
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.world.close()

    def call(self, name: str, **arguments: Any) -> ToolCall:
        return ToolCall(f"c{next(self._ids)}", name, arguments)

    async def judge(self, name: str, level: Level = "L2", **arguments: Any) -> Judgement:
        return await self.world.judge(self.call(name, **arguments), level)

    async def do(self, name: str, **arguments: Any) -> ToolOutcome:
        """Judge and perform as an approving operator would; the login rule does not act."""
        call = self.call(name, **arguments)
        judgement = await self.world.judge(call, "L2")
        assert judgement.verdict != "refuse", judgement.reason
        outcome = await self.world.perform(call)
        self.done.append(Performed(name, arguments, outcome.ok))
        self.events += outcome.events
        self.texts.append(outcome.text)
        return outcome

    async def after(self) -> Interlude:
        interlude = await self.world.after_batch()
        self.events += interlude.events
        self.texts += [interlude.message, interlude.fatal]
        return interlude

    async def look(self) -> dict[str, Any]:
        self.baseline, events = await self.world.baseline()
        self.events += events
        assert self.baseline is not None
        return self.baseline

    async def vote_first(self) -> Interlude:
        """Open the list and click the first arrow, then let the login rule act."""
        await self.do("browser_navigate", url=self.task.start_url)
        listed = await self.do("browser_get_stories")
        if not listed.ok:
            return await self.after()
        await self.do("browser_click", selector=json.loads(listed.text)[0]["arrow"])
        return await self.after()

    async def verify(self) -> Verdict:
        verdict = await self.world.verify(self.done, self.baseline)
        self.events += verdict.events
        self.texts += [verdict.reason, *verdict.checks]
        return verdict

    def frames(self) -> list[FrameCaptured]:
        return [event for event in self.events if isinstance(event, FrameCaptured)]
