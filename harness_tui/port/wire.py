"""The socket's language: JSON lines, one request, reply or batch a line.

    client  {"hello": {"version": 1, "program": "harness-tui 0.1.0"}}
    engine  {"hello": {...}}                                    then, in any order and many at once:
    client  {"m": "runs", "id": 1, "limit": 200}                engine  {"id": 1, "ok": [...]}
    client  {"m": "run", "id": 2, "run": "r9"}                  engine  {"id": 2, "error": {"type": "UsageError", ...}}
    client  {"m": "follow", "id": 3, "since": 41}               engine  {"id": 3, "batch": {...}}  ... (at most WINDOW
    client  {"m": "more", "id": 3}                              batches ahead of the `more` lines)

An error with id 0 concerns the connection and is the last line on it.
"""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from ..domain import errors
from ..domain.codec import WireEvent
from ..domain.dag.picture import DagPicture
from ..domain.errors import HarnessError, LinkLost, SetupError, UsageError
from ..domain.loop.rows import LoopRow, RoundRow, SlotRow, SpecRow
from ..domain.views import ApprovalRow, RunRow
from .commands import AnyCommand, Reply
from .snapshot import Batch, EngineInfo, Snapshot

VERSION = 1
PROGRAM = f"harness-tui {sys.modules[__name__.partition('.')[0]].__version__}"
"""Read from the loaded package: an import statement would tie this floor to the public names the package lists."""
MAX_REQUEST = 32 * 1024 * 1024
"""Bytes of one line to the engine: a graph of tens of thousands of jobs fits."""
MAX_REPLY = 64 * 1024 * 1024
"""Bytes of one line from the engine: the largest blob (base64) fits."""
WINDOW = 8
"""Batches a subscription may be ahead of what its reader has taken."""


# -- to the engine -----------------------------------------------------------------------------------------------


class Request(msgspec.Struct, frozen=True, tag_field="m", omit_defaults=True):
    """Base of all requests. `id` is chosen by the client, from 1, and never reused on a connection."""

    id: int


class Info(Request, frozen=True, tag="info"):
    """Answers EngineInfo."""


class Look(Request, frozen=True, tag="snapshot"):
    """Answers Snapshot."""


class Send(Request, frozen=True, tag="send"):
    """Answers Reply."""

    command: AnyCommand


class Runs(Request, frozen=True, tag="runs"):
    """Answers [RunRow]."""

    limit: int = 200


class Run(Request, frozen=True, tag="run"):
    """Answers RunRow."""

    run: str


class Approvals(Request, frozen=True, tag="approvals"):
    """Answers [ApprovalRow]."""

    all: bool = False


class Events(Request, frozen=True, tag="events"):
    """Answers [WireEvent]."""

    run: str
    after: int = 0
    limit: int = 500


class Loops(Request, frozen=True, tag="loops"):
    """Answers [LoopRow]."""

    all: bool = False


class Loop(Request, frozen=True, tag="loop"):
    """Answers SpecRow."""

    name: str


class Rounds(Request, frozen=True, tag="rounds"):
    """Answers [RoundRow]."""

    loop: str
    limit: int = 20


class Slots(Request, frozen=True, tag="slots"):
    """Answers [SlotRow]."""

    loop: str
    limit: int = 50


class Dag(Request, frozen=True, tag="dag"):
    """Answers DagPicture."""

    run: str


class Stream(Request, frozen=True, tag="stream"):
    """Answers [WireEvent]."""

    uid: str
    after: int = 0
    limit: int = 500


class Blob(Request, frozen=True, tag="blob"):
    """Answers the bytes, as base64."""

    sha: str


class Follow(Request, frozen=True, tag="follow"):
    """Batches after cursor `since`, until `leave`."""

    since: int


class More(Request, frozen=True, tag="more"):
    """The reader of subscription `id` took one batch. Not answered."""


class Leave(Request, frozen=True, tag="leave"):
    """Ends subscription `id`. Not answered."""


AnyRequest = (
    Info
    | Look
    | Send
    | Runs
    | Run
    | Approvals
    | Events
    | Loops
    | Loop
    | Rounds
    | Slots
    | Dag
    | Stream
    | Blob
    | Follow
    | More
    | Leave
)

ANSWERS: dict[type[Request], Any] = {
    Info: EngineInfo,
    Look: Snapshot,
    Send: Reply,
    Runs: list[RunRow],
    Run: RunRow,
    Approvals: list[ApprovalRow],
    Events: list[WireEvent],
    Loops: list[LoopRow],
    Loop: SpecRow,
    Rounds: list[RoundRow],
    Slots: list[SlotRow],
    Dag: DagPicture,
    Stream: list[WireEvent],
    Blob: bytes,
}
"""Type of the `ok` of each request that is answered."""


# -- from the engine -----------------------------------------------------------------------------------------------


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """A HarnessError on the wire: class name, sentence, next step and exit code."""

    type: str
    what: str
    next_step: str = ""
    exit: int = 1

    @classmethod
    def of(cls, error: HarnessError) -> Failure:
        known = next(c.__name__ for c in type(error).__mro__ if c.__name__ in _ERRORS)
        return cls(known, error.what, error.next_step, error.exit_code)

    def error(self) -> HarnessError:
        """The error to raise on this side; an unknown class is a plain HarnessError with the same exit code."""
        error = _ERRORS.get(self.type, HarnessError)(self.what, self.next_step)
        error.exit_code = self.exit
        return error


_ERRORS: dict[str, type[HarnessError]] = {
    name: cls for name, cls in vars(errors).items() if isinstance(cls, type) and issubclass(cls, HarnessError)
}


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line from the engine after its hello: exactly one of `ok`, `error` and `batch`."""

    id: int
    ok: msgspec.Raw = msgspec.Raw(b"")
    error: Failure | None = None
    batch: Batch | None = None


class Hello(msgspec.Struct, frozen=True):
    version: int
    program: str


class _Numbered(msgspec.Struct, frozen=True):
    """What can be read of a request that is otherwise wrong."""

    id: int


class _First(msgspec.Struct, frozen=True):
    """The first line of either side: a hello, or the reason why there will be none."""

    hello: Hello | None = None
    error: Failure | None = None


# -- bytes ---------------------------------------------------------------------------------------------------------

_encode = msgspec.json.Encoder().encode
_decode_request = msgspec.json.Decoder(AnyRequest).decode
_decode_line = msgspec.json.Decoder(Line).decode
_decode_first = msgspec.json.Decoder(_First).decode
_decode_id = msgspec.json.Decoder(_Numbered).decode
_BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Malformed(UsageError):
    """A line that is no request. `id` is 0 when not even that could be read."""

    def __init__(self, reason: str, ident: int) -> None:
        super().__init__(f"The engine cannot read the request: {reason}.", "Use the same version for both.")
        self.id = ident


def hello() -> bytes:
    return _encode({"hello": Hello(VERSION, PROGRAM)}) + b"\n"


def check_hello(line: bytes, who: str) -> Hello:
    """The other side's greeting. `who`: "engine" or "console", for the sentence.

    Raises LinkLost when the line is empty, the error the other side gave, or SetupError for another protocol.
    """
    if not line:
        raise LinkLost(f"The {who} closed the connection before it said hello.", "Try again.")
    try:
        first = _decode_first(line)
    except _BROKEN:
        raise SetupError(f"What answers on the socket is no harness-tui {who}.") from None
    if first.error:
        raise first.error.error()
    if first.hello is None:
        raise SetupError(f"What answers on the socket is no harness-tui {who}.")
    if first.hello.version != VERSION:
        raise SetupError(
            f"The {who} is {first.hello.program[:60]} and speaks protocol {first.hello.version}; "
            f"this is {PROGRAM} and speaks protocol {VERSION}.",
            "Use the same version for both: stop the engine with the version that started it, then start it again.",
        )
    return first.hello


def request(item: Request) -> bytes:
    """The line of a request. Raises UsageError when it is too long."""
    line = _encode(item) + b"\n"
    if len(line) > MAX_REQUEST:
        raise UsageError(f"The request has {len(line)} bytes; the engine takes {MAX_REQUEST}.", "Make it smaller.")
    return line


def read_request(line: bytes) -> AnyRequest:
    """The request of a line. Raises Malformed."""
    try:
        item: AnyRequest = _decode_request(line)
    except _BROKEN as error:
        try:
            ident: int = _decode_id(line).id
        except _BROKEN:
            ident = 0
        reason = "nested too deep" if isinstance(error, RecursionError) else str(error)[:200]
        raise Malformed(reason, ident) from None
    return item


def ok(ident: int, value: Any) -> bytes:
    """The line of an answer; an answer that is too long becomes an error."""
    line = _encode({"id": ident, "ok": value}) + b"\n"
    if len(line) > MAX_REPLY:
        return failed(ident, HarnessError(f"The answer has {len(line)} bytes, more than {MAX_REPLY}.", "Ask for less."))
    return line


def failed(ident: int, error: HarnessError) -> bytes:
    return _encode({"id": ident, "error": Failure.of(error)}) + b"\n"


def pushed(ident: int, batch: Batch) -> bytes:
    return _encode({"id": ident, "batch": batch}) + b"\n"


def read_line(line: bytes) -> Line:
    """A line of the engine. Raises LinkLost."""
    try:
        return _decode_line(line)
    except _BROKEN:
        raise LinkLost("The engine sent a line that cannot be read.", "Use the same version for both.") from None


def answer(item: Request, line: Line) -> Any:
    """The value that answers `item`, as its type in ANSWERS. Raises what the engine refused with."""
    if line.error:
        raise line.error.error()
    try:
        return msgspec.json.decode(line.ok, type=ANSWERS[type(item)])
    except _BROKEN:
        raise LinkLost("The engine sent an answer that cannot be read.", "Use the same version for both.") from None
