"""Protocols by which neighbours on a floor use each other; the engine hands over the implementations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal, Protocol

import msgspec

from .approval import Judgement
from .events import Envelope, Event, Write
from .messages import Answer, Delta, ModelRequest, ToolCall, ToolSpec
from .money import Price
from .task import Level


class Clock(Protocol):
    """Time is injected: tests never sleep for real."""

    def now(self) -> int:
        """Microseconds since the epoch."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class Model(Protocol):
    """One model behind one endpoint, or several behind a router.

    Attributes:
        name: as the endpoint knows it.
        label: as people read it, for example `stand-in (scripted, no model)`.
    """

    name: str
    label: str

    def stream(self, request: ModelRequest) -> AsyncIterator[Delta | Answer]:
        """Yield deltas and, last, exactly one Answer, its cost included. Raises ModelError."""
        ...

    async def price(self) -> Price | None:
        """What calls cost; None when nobody knows. May read a table on first use, off the event loop."""
        ...

    async def close(self) -> None: ...


class Credential(msgspec.Struct, frozen=True):
    """A user name and a password; `repr` shows neither."""

    user: str
    password: str

    def __repr__(self) -> str:
        return "Credential(...)"


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a key is, for people; never its value.

    Attributes:
        place: `keyring`, `environment`, `command`, `encrypted file`, `this process`, or "" = nowhere.
        why: why it is read from there: what the places before it said.
        leak: what would leak if the disk were stolen.
        origin: the only origin it may be sent to, or "".
        login: whether it is a user with a password.
        usable: whether a run can have it now.
        remedy: what to do when it cannot.
    """

    name: str
    place: str
    why: str
    leak: str = ""
    origin: str = ""
    login: bool = False
    usable: bool = True
    remedy: str = ""


class Vault(Protocol):
    """Secrets by handle, read at the last moment. May wait for a keyring for seconds: call it off the event loop."""

    def credential(self, handle: str, origin: str = "") -> Credential:
        """The login behind `vault:NAME` or `env:USERVAR,PASSVAR`, to be sent to `origin`.

        Raises CredentialError naming what is missing or locked, or that it is bound to another origin.
        """
        ...

    def secret(self, handle: str, origin: str = "") -> str:
        """The key behind `vault:NAME` or `env:VAR`, to be sent to `origin` (a URL will do). Raises CredentialError."""
        ...

    def where(self, name: str) -> Place:
        """Where the key NAME is found now. Never raises."""
        ...


class Blobs(Protocol):
    """Bytes by SHA-256, on disk, outside the log."""

    async def put(self, data: bytes, *, kind: str) -> str:
        """Write, sync and rename, then return the 64 hex digits."""
        ...

    async def get(self, sha: str) -> bytes: ...


class Log(Protocol):
    """The journal as everybody but the engine sees it."""

    async def append(self, writes: Sequence[Write]) -> list[Envelope]:
        """Commit all writes in one transaction, or none. Raises Conflict, or SetupError when the disk refuses."""
        ...


class ToolOutcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an executed call came to, and the events it left (frames, notes), in order."""

    ok: bool
    text: str
    events: tuple[Event, ...] = ()


class Interlude(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the environment did by its own rule after a batch of calls (the login handler).

    Attributes:
        events: `LoginHandled`, frames.
        message: what the model is told, or "".
        fatal: the credentials are missing or were refused; the loop stops with this reason, exit 7.
    """

    events: tuple[Event, ...] = ()
    message: str = ""
    fatal: str = ""


class Performed(msgspec.Struct, frozen=True, omit_defaults=True):
    """One call that was started in this attempt, as trace conditions see it."""

    tool: str
    arguments: dict[str, Any]
    ok: bool


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """passed = None: there was nothing to verify. fatal: another attempt cannot help."""

    passed: bool | None
    reason: str
    fatal: bool = False
    checks: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()


class Environment(Protocol):
    """The world one attempt acts in: opened by the lifecycle, bound to the tools, always closed by it.

    Attributes:
        kind: `none`, `browser`, ...
        recovery: what a crash means for it (DESIGN "A crash").
        session: id of this opening.
        notes: what the run's header must say, for example `browser unsandboxed`.
        tools: specs offered to the model, sorted by name.
    """

    kind: str
    recovery: Literal["reattach", "rebuild", "restart"]
    session: str
    tools: tuple[ToolSpec, ...]

    @property
    def notes(self) -> tuple[str, ...]: ...

    async def open(self) -> None: ...

    async def close(self) -> None:
        """Never raises, however dead the world is."""
        ...

    async def baseline(self) -> tuple[dict[str, Any] | None, tuple[Event, ...]]:
        """How the world looks before the run's first action (None: nothing to compare), and frames taken."""
        ...

    async def judge(self, call: ToolCall, level: Level) -> Judgement:
        """What policy says of the call, recomputed immediately before the effect."""
        ...

    async def perform(self, call: ToolCall) -> ToolOutcome:
        """Run a judged call. A tool's own failure is ok=False; a dead world raises EnvironmentLost."""
        ...

    async def after_batch(self) -> Interlude: ...

    async def goal(self, done: Sequence[Performed], baseline: dict[str, Any] | None) -> str:
        """Why the goal is reached, or "" while it is not."""
        ...

    async def verify(self, done: Sequence[Performed], baseline: dict[str, Any] | None) -> Verdict: ...


class EnvironmentLost(Exception):
    """The world died under the attempt (the browser was killed)."""
