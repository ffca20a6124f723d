"""Tells the operator elsewhere that a human is needed, by the command or the webhook of `[notify]` in config.toml.

Told are requests that wait, and loops that paused themselves, lost a level or failed; never what had nothing to do.
One message in half a minute at most, a digest of what came meanwhile. Nobody waits for it, and nothing fails by it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from ..config.secret_variables import is_secret
from ..config.settings import Notify
from ..domain.errors import HarnessError
from ..domain.events import ApprovalRequested, Envelope, LevelSet, LoopPaused, RoundFinished, root_of
from ..domain.fold import Views
from ..domain.safetext import clip
from ..domain.seams import Clock

INTERVAL = 30.0
"""Seconds from one message to the next at least."""
DEADLINE = 10.0
"""Seconds a command or an answer may take."""
NAMED = 5
"""Things a digest names."""
KEPT = 500
"""Things that wait to be told at most; of more only the number is."""
WIDTH = 160

_log = logging.getLogger(__name__)


class News(msgspec.Struct, frozen=True):
    """One thing somebody should know.

    Attributes:
        id: of the request or the loop; of: name of the loop, or id of the run.
    """

    what: Literal["waits", "paused", "demoted", "failed"]
    id: str
    of: str
    text: str


class Notifier:
    """A listener of the journal.

    Args:
        how: where to tell it; with neither command nor webhook nothing is done at all.
        redact: takes secrets out of a text.
    """

    def __init__(
        self, how: Notify, views: Callable[[], Views], clock: Clock, redact: Callable[[str], str] = lambda text: text
    ) -> None:
        self._how, self._views, self._clock, self._redact = how, views, clock, redact
        self._heard: list[News] = []
        self._more = 0
        self._last: int | None = None
        self._failing = False
        self._telling: asyncio.Task[None] | None = None

    def __call__(self, batch: list[Envelope]) -> None:
        """Take committed events."""
        if not (self._how.command or self._how.webhook):
            return
        fresh = [news for envelope in batch if (news := self._news(envelope))]
        room = KEPT - len(self._heard)
        self._heard += fresh[:room]
        self._more += len(fresh[room:])
        if fresh and (self._telling is None or self._telling.done()):
            self._telling = asyncio.create_task(self._tell_on(), name="notify")

    async def close(self) -> None:
        """What was not told yet is dropped: the console shows it."""
        if self._telling:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)

    def _news(self, e: Envelope) -> News | None:
        loop = self._views().loops.get(root_of(e.run))
        name = loop.name if loop else root_of(e.run)
        match e.event:
            case ApprovalRequested() as asked:
                return News("waits", asked.id, name, asked.summary)
            case LoopPaused(by="harness", reason=reason):
                return News("paused", e.run, name, reason)
            case LevelSet(by="harness", reason=reason):
                return News("demoted", e.run, name, reason)
            case RoundFinished(outcome="failed", reason=reason):
                return News("failed", root_of(e.run), name, reason)
        return None

    # -- telling -----------------------------------------------------------------------------------------------------

    async def _tell_on(self) -> None:
        while self._heard:
            if self._last is not None:
                # A clock that was set back must not silence this for longer than the interval.
                left = min(INTERVAL, self._last / 1e6 + INTERVAL - self._clock.now() / 1e6)
                if left > 0:
                    await self._clock.sleep(left)
            heard, more = [news for news in self._heard if self._still(news)], self._more
            self._heard, self._more = [], 0
            if heard:
                self._last = self._clock.now()
                await self._tell(heard, more)

    def _still(self, news: News) -> bool:
        """Whether somebody is still needed."""
        views = self._views()
        if news.what == "waits":
            request = views.approvals.get(news.id)
            return request is not None and request.open
        if news.what == "paused":
            loop = views.loops.get(news.id)
            return loop is not None and loop.state == "paused"
        return True

    async def _tell(self, heard: Sequence[News], more: int) -> None:
        clean = [News(news.what, news.id, self._safe(news.of), self._safe(news.text)) for news in heard]
        text = digest(clean, more)
        waiting = sum(row.open for row in self._views().approvals.values())
        data = msgspec.json.encode({"text": text, "waiting": waiting, "more": more, "news": clean})
        told = await asyncio.gather(self._command(text, data), self._webhook(data))
        for trouble in filter(None, told):
            if not self._failing:  # said once, not every half minute
                _log.warning("[notify] %s", trouble)
        self._failing = any(told)

    def _safe(self, text: str) -> str:
        return clip(self._redact(text), WIDTH)

    async def _command(self, text: str, data: bytes) -> str:
        """Run it; what went wrong, or ""."""
        if not self._how.command:
            return ""
        program = clip(self._how.command[0], 80)
        try:
            child = await asyncio.create_subprocess_exec(
                *self._how.command,
                text,
                env={name: value for name, value in os.environ.items() if not is_secret(name)},
                cwd="/",
                start_new_session=True,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError as error:
            return f"{program} cannot be started: {error.strerror}."
        try:
            async with asyncio.timeout(DEADLINE):
                await child.communicate(data)
        except TimeoutError:
            return f"{program} did not end within {DEADLINE:g} s and was killed."
        except (BrokenPipeError, ConnectionResetError):  # it did not want the JSON
            pass
        finally:
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                await child.wait()
        return f"{program} ended with exit {child.returncode}." if child.returncode else ""

    async def _webhook(self, data: bytes) -> str:
        """Send it once; what went wrong, or "". The path of the URL is not told: of many services it is the secret."""
        if not self._how.webhook:
            return ""
        from ..domain.network.reach import Reach
        from ..domain.network.targets import target
        from ..loops.executors.webhook import post
        from ..tools.network.connect import Connector

        place = target(self._how.webhook)
        if isinstance(place, str):
            return f"the webhook cannot be used. {place}"
        try:
            async with asyncio.timeout(DEADLINE):
                status, _ = await post(place, Connector(Reach(start_url=self._how.webhook)), data, f"{self._last}")
        except TimeoutError:
            return f"{place.netloc} did not answer within {DEADLINE:g} s."
        except (HarnessError, OSError) as error:
            return f"{place.netloc} was not reached: {error}"
        return "" if 200 <= status < 300 else f"{place.netloc} answered {status}."


def digest(heard: Sequence[News], more: int = 0) -> str:
    """`harness-tui: A-28 changelog-drafter waits: apply patch`, or `harness-tui: 3 for you: ...; ...`."""
    words = [_sentence(news) for news in heard[:NAMED]]
    left = len(heard) - len(words) + more
    count = len(heard) + more
    head = "" if count == 1 else f"{count} for you: "
    return f"harness-tui: {head}{'; '.join(words)}" + (f"; and {left} more" if left else "")


def _sentence(news: News) -> str:
    said = {
        "waits": f"{news.id} {news.of} waits",
        "paused": f"{news.of} paused itself",
        "demoted": f"{news.of} lost a level",
        "failed": f"{news.of} failed",
    }[news.what]
    return f"{said}: {news.text}" if news.text else said
