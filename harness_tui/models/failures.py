"""What an operator reads when a model endpoint fails: one sentence and the next step, never the key."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..domain.errors import ModelError
from .endpoint import Endpoint
from .retry import Ruling, rule

CONNECT_TIMEOUT = 5.0
IDLE_TIMEOUT = 90.0
"""Seconds to connect, and between two chunks of an answer."""


def refusal(
    at: Endpoint, status: int, headers: Mapping[str, str], body: Any, now: Callable[[], float], spent: int = 0
) -> ModelError:
    """An error the server itself reported, by status or, with status 200, inside its stream.

    Args:
        body: the error object, or the whole body when it was none.
        spent: tokens of an answer that had begun.
    """
    codes = _codes(body)
    if status == 200 and codes and codes[0].isdigit() and 400 <= int(codes[0]) < 600:
        status = int(codes[0])
    ruling = rule(status, codes, headers, now)
    told = at.quote(_told(body)).rstrip(".")
    what, next_step = _sentence(at, status, ruling)
    mark = f"HTTP {status}" if status != 200 else "an error inside its answer"
    what = f"{what} ({mark})" + (f": {told}." if told else ".")
    return ModelError(what, next_step, kind=ruling.kind, retry_after=ruling.retry_after, status=status, spent=spent)


def _sentence(at: Endpoint, status: int, ruling: Ruling) -> tuple[str, str]:
    source = at.key_source or "the key given"
    if ruling.spent:
        return (
            f"The account at {at.shown} has nothing left to spend",
            f"The key came from {source}; pay or raise its limit.",
        )
    if ruling.kind == "auth" and not at.key:
        return f"{at.shown} asks for a key", "Set OPENAI_API_KEY to a key of this server."
    if ruling.kind == "auth":
        return f"{at.shown} refused the key", f"The key came from {source}; set it to a valid key of this server."
    match status:
        case 429:
            return f"{at.shown} limits how fast it may be asked", "Wait, or use another model."
        case 404:
            return (
                f"{at.shown} does not know this path or the model {at.quote(at.model)}",
                "Check --model, and that --url is the base of the API (it usually ends in /v1).",
            )
        case 413:
            return f"The conversation is too long for {at.shown}", "Start a run with a smaller task."
        case _ if ruling.kind == "refused":
            return f"{at.shown} refused the request", "Check --model and --url."
        case _:
            return f"{at.shown} failed", "Try again later, or use another model."


def unreachable(at: Endpoint, error: BaseException) -> ModelError:
    """No HTTP answer: refused, unknown host, untrusted certificate, timeout, or a connection that broke."""
    chain = list(_chain(error))
    kinds = {type(link).__name__ for link in chain}
    if any(isinstance(link, ssl.SSLCertVerificationError) for link in chain):
        what = f"The certificate of {at.shown} is not trusted by this machine."
        return ModelError(what, "Install ca-certificates, or set SSL_CERT_FILE to your CA.", kind="refused")
    if any(isinstance(link, socket.gaierror) for link in chain):
        return ModelError(f"The host name of {at.shown} is not known.", "Check --url and this machine's DNS.")
    if "ConnectTimeout" in kinds:
        return ModelError(
            f"{at.shown} took no connection within {CONNECT_TIMEOUT:.0f} s.", "Check --url and the network."
        )
    if any("Timeout" in kind for kind in kinds):
        return ModelError(f"{at.shown} sent nothing for {IDLE_TIMEOUT:.0f} s.", "Look at the server's load or its log.")
    if any(isinstance(link, ConnectionRefusedError) for link in chain) or "ConnectError" in kinds:
        return ModelError(f"Nothing listens at {at.shown}.", "Start the model server, or check --url.")
    return ModelError(f"{at.shown} broke the connection before it answered.", "Look at the server's log.")


def nothing(at: Endpoint, content_type: str) -> ModelError:
    """The server answered 200 and nothing of an answer came."""
    if content_type == "text/event-stream":
        return ModelError(f"{at.shown} closed the stream before it answered.", "Look at the server's log.", status=200)
    return unreadable(at, f"answered with {at.quote(content_type) or 'nothing'} instead of an event stream")


def unreadable(at: Endpoint, why: str, spent: int = 0) -> ModelError:
    """An answer came and makes no sense."""
    next_step = "Check that --url is the base of an OpenAI-compatible API (it usually ends in /v1)."
    return ModelError(f"{at.shown} {why}.", next_step, kind="broken", status=200, spent=spent)


def _codes(body: Any) -> tuple[str, ...]:
    if not isinstance(body, dict):
        return ()
    return tuple(str(body[key]).lower() for key in ("code", "type") if isinstance(body.get(key), str | int))


def _told(body: Any) -> str:
    """The server's own words; a page of HTML is only named."""
    if isinstance(body, dict):
        for key in ("message", "detail", "error", "msg"):
            if body.get(key):
                return _told(body[key])
        return ""
    text = str(body or "")[:10_000]
    return "it answered with an HTML page" if text.lstrip()[:1] == "<" else text


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        group = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
        error = group[0] if group else error.__cause__ or error.__context__
