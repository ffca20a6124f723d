"""What an operator reads when a model endpoint fails: one sentence and the next step, never the key."""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

from ..domain.errors import ModelError, UsageError
from ..domain.safetext import clip
from .endpoint import Endpoint, base_url, stranger
from .error_body import Reported, read
from .retry import Ruling, rule

CONNECT_TIMEOUT = 5.0
IDLE_TIMEOUT = 90.0
"""Seconds to connect, and between two chunks of an answer."""
MAX_BODY = 4 * 1024 * 1024
"""Bytes of an error's body that are read at all."""

_PLAIN_TO_TLS = re.compile(r"http request (was sent )?to (an )?https (server|port)", re.IGNORECASE)
_REQUEST_IDS = ("x-request-id", "request-id")


# -- the server answered -----------------------------------------------------------------------------------------


def refusal(
    at: Endpoint, status: int, headers: Mapping[str, str], body: Any, now: Callable[[], float], spent: int = 0
) -> ModelError:
    """An error the server itself reported, by status or, with status 200, inside its stream.

    Args:
        headers: names in lower case.
        body: the error object, or the whole body as text or JSON.
        spent: tokens of an answer that had begun.
    """
    told = read(body)
    if status == 200:
        status = told.status or status
    ruling = rule(status, told, headers, now)
    what, next_step = _sentence(at, status, told, ruling, headers)
    mark = f"HTTP {status}" if status != 200 else "an error inside its answer"
    request = told.request or next((headers[name] for name in _REQUEST_IDS if headers.get(name)), "")
    said = ("it answered with " if told.page else "") + at.quote(told.message).rstrip(".")
    what = f"{what} ({mark})" + (f": {said}." if said else ".")
    what += f" Request {clip(request, 80)}." if request else ""
    return ModelError(what, next_step, kind=ruling.kind, retry_after=ruling.retry_after, status=status, spent=spent)


def _sentence(at: Endpoint, status: int, told: Reported, ruling: Ruling, headers: Mapping[str, str]) -> tuple[str, str]:
    match ruling.kind:
        case "spent":
            next_step = f"The key came from {at.key_source or 'the key given'}; pay or raise its limit."
            return f"The account at {at.shown} has nothing left to spend", next_step
        case "auth":
            return _about_the_key(at)
        case "context":
            next_step = "Start a run with a smaller task, or use a model with a larger window."
            return f"The conversation is too long for {at.quote(at.model)} at {at.shown}", next_step
    match status:
        case 404 | 405:
            return _unknown(at, told)
        case 407:
            via = proxy_variable(at.url) or "HTTPS_PROXY"
            return f"The proxy from {via} asks for a user name and a password", f"Put them into {via}."
        case 429 if told.daily:
            return f"The day's quota of {at.shown} is used up", "It starts anew at midnight Pacific; use another model."
        case 429:
            return f"{at.shown} limits how fast it may be asked", "Wait, or use another model."
        case _ if 300 <= status < 400:
            return _moved(at, headers.get("location", ""))
        case _ if told.page and ruling.kind == "refused":
            return f"{at.shown} is answered by a proxy or a firewall, not by a model server", _check_way(at)
        case _ if _PLAIN_TO_TLS.search(told.message):
            return f"{at.shown} speaks TLS only", f"Give --url {at.shown.replace('http:', 'https:', 1)} instead."
        case _ if ruling.kind == "refused":
            return f"{at.shown} refused the request", "Check --model and --url."
        case _:
            return f"{at.shown} failed", "Try again later, or use another model."


def _about_the_key(at: Endpoint) -> tuple[str, str]:
    store = f"store one with `harness-tui key set {at.kept_as}`"
    if at.empty_source:
        return (
            f"{at.shown} asks for a key, and {at.empty_source} is empty",
            f"Set {at.kept_as} to a key of this server, or {store}.",
        )
    if not at.key:
        return f"{at.shown} asks for a key, and none is set", f"Set {at.kept_as} to a key of this server, or {store}."
    source = at.key_source if at.key_source.startswith("the key") else f"the key from {at.key_source or 'the caller'}"
    next_step = f"The key came from {at.key_source or 'the caller'}; set it to a valid key of this server, or {store}."
    if vendor := stranger(at):
        return f"{at.shown} refused the key; {source} looks like one of {vendor}", next_step
    return f"{at.shown} refused the key", next_step


def _unknown(at: Endpoint, told: Reported) -> tuple[str, str]:
    """A path or a model that is not there."""
    if not told.page and "model" in told.message.lower():
        return f"{at.shown} has no model {at.quote(at.model)}", "Check --model."
    if not at.versioned:
        return f"{at.shown} has no model API at this path", f"Try --url {at.shown.rstrip('/')}/v1 instead."
    return (
        f"{at.shown} does not know this path or the model {at.quote(at.model)}",
        "Check --model, and that --url is the base of the API (it usually ends in /v1).",
    )


def _moved(at: Endpoint, location: str) -> tuple[str, str]:
    """A redirect, which is never followed: the key would go to a place nobody named."""
    what = f"{at.shown} sends on to another address"
    try:
        parts = urlsplit(urljoin(f"{at.url.rstrip('/')}/", location))
        target = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))
        base = at.quote(base_url(target))
    except (ValueError, UsageError):
        return what, _check_way(at)
    return f"{what}, {at.quote(target)}", f"If that is the model server, give --url {base} instead."


def nothing(at: Endpoint, content_type: str, body: str = "") -> ModelError:
    """The server answered 200 and nothing of an answer came; `body` is the beginning of what came instead."""
    if content_type == "text/event-stream":
        return ModelError(f"{at.shown} closed the stream before it answered.", "Look at the server's log.", status=200)
    told = read(body)
    if told.page or content_type == "text/html":
        page = f", {at.quote(told.message)}" if told.page else ""
        what = f"{at.shown} answered with {at.quote(content_type)} instead of an event stream{page}."
        next_step = f"Try --url {at.shown.rstrip('/')}/v1 instead." if not at.versioned else _check_way(at)
        return ModelError(what, next_step, kind="refused", status=200)
    return unreadable(at, f"answered with {at.quote(content_type) or 'nothing'} instead of an event stream")


def unreadable(at: Endpoint, why: str, spent: int = 0) -> ModelError:
    """An answer came and makes no sense."""
    next_step = "Check --api, and that --url is the base of a model API (it usually ends in /v1)."
    return ModelError(f"{at.shown} {why}.", next_step, kind="broken", status=200, spent=spent)


# -- no answer came ----------------------------------------------------------------------------------------------


def unreachable(at: Endpoint, error: BaseException) -> ModelError:
    """No HTTP answer: refused, unknown host, untrusted certificate, timeout, or a connection that broke."""
    chain = list(_chain(error))
    kinds = {type(link).__name__ for link in chain}
    via = proxy_variable(at.url)
    if untrusted := next((link for link in chain if isinstance(link, ssl.SSLCertVerificationError)), None):
        return _untrusted(at, via, untrusted)
    if any(isinstance(link, ssl.SSLError) and link.reason == "WRONG_VERSION_NUMBER" for link in chain):
        plain = at.shown.replace("https:", "http:", 1)
        return ModelError(f"{at.shown} does not speak TLS.", f"Give --url {plain} instead.", kind="refused")
    if "ProxyError" in kinds:
        said = at.quote(next(str(link) for link in chain if type(link).__name__ == "ProxyError"))
        what = f"The proxy from {via or 'HTTPS_PROXY'} does not let through to {at.shown}: {said}."
        return ModelError(what, _check_way(at), kind="refused" if "407" in said or "403" in said else "retry")
    if via and kinds & {"ConnectError", "ConnectTimeout"}:
        what = f"The proxy from {via} cannot be reached, so {at.shown} cannot be either."
        return ModelError(what, _check_way(at))
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
    tls = "" if at.url.startswith("https") else ", and whether it wants https"
    return ModelError(f"{at.shown} broke the connection before it answered.", f"Look at the server's log{tls}.")


def _untrusted(at: Endpoint, via: str, error: ssl.SSLCertVerificationError) -> ModelError:
    why = at.quote(error.verify_message or "").rstrip(".")
    what = f"The certificate of {at.shown} is not trusted by this machine" + (f": {why}." if why else ".")
    known = f"SSL_CERT_FILE ({clip(name, 120)})" if (name := os.environ.get("SSL_CERT_FILE")) else "SSL_CERT_FILE"
    next_step = f"Install ca-certificates, or name the file of its CA in {known}"
    next_step += f"; a proxy stands between ({via}), whose CA it may be." if via else "."
    return ModelError(what, next_step, kind="refused")


def unusable(at: Endpoint, error: Exception) -> ModelError:
    """No connection could even be tried: something of the environment is wrong."""
    via, trusted = proxy_variable(at.url), os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
    if isinstance(error, OSError | ssl.SSLError) and trusted:
        name = "SSL_CERT_FILE" if os.environ.get("SSL_CERT_FILE") else "SSL_CERT_DIR"
        what = f"{name} names {clip(trusted, 120)}, which holds no certificates that can be read."
        return ModelError(what, f"Correct {name}, or unset it.", kind="refused")
    if via:
        what = f"The proxy address in {via} cannot be used."
        return ModelError(what, f"{via} takes http://HOST:PORT.", kind="refused")
    what = f"No connection to {at.shown} can be made: {at.quote(str(error)) or type(error).__name__}."
    return ModelError(what, "Check --url.", kind="refused")


def proxy_variable(url: str) -> str:
    """The environment variable that names the proxy requests to `url` go through, or ""."""
    from urllib.request import proxy_bypass

    parts = urlsplit(url)
    names = [form for name in (f"{parts.scheme}_proxy", "all_proxy") for form in (name, name.upper())]
    found = next((name for name in names if os.environ.get(name)), "")
    return "" if not found or proxy_bypass(parts.hostname or "") else found


def _check_way(at: Endpoint) -> str:
    """What to do when something between us and the server answers."""
    if via := proxy_variable(at.url):
        return f"Check {via}, or put {at.host} into NO_PROXY; check --url."
    return "Check --url and what stands between this machine and it."


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        group = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
        error = group[0] if group else error.__cause__ or error.__context__
