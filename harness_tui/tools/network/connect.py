"""The one place that opens sockets for fetches and for the browser.

A name is resolved once, every answer is judged, and only a judged address is connected to. Proxies and logins of the
surroundings (`HTTP_PROXY`, `.netrc`) are not heard.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import cache

from ...domain.errors import HarnessError
from ...domain.network.addresses import private
from ...domain.network.reach import Reach
from ...domain.network.targets import Target

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""(host, port) -> its IP addresses, the preferred ones first. Raises OSError."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

CONNECT = 5.0
"""Seconds for one address to answer."""
RESOLVE = 10.0
"""Seconds for the name servers."""
TRIED = 4
"""Addresses of a host that are tried, one after the other."""
BUFFER = 64 * 1024
"""Bytes read ahead from a peer; also the longest head of a message."""
_REMEMBERED = 1_024


class Refused(HarnessError):
    """The guard let no socket be opened. `what` names the place and why, `next_step` what the operator can do."""


class Unreachable(HarnessError):
    """The place may be reached, but it cannot: no such name, nobody answers, or its certificate does not hold."""


async def resolve(host: str, port: int) -> list[str]:
    """As the system does it (`/etc/hosts` included). Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def guarded(place: Target, reach: Reach) -> str:
    """What can be told without asking DNS: why `place` is refused, or ""."""
    if reach.exempt(place):
        return ""
    if place.address:
        why = private(place.address)
    else:
        why = "this machine" if place.host.rpartition(".")[2] == "localhost" else ""
    return f"{place.netloc} is not public: it is {why}." if why else ""


class Connector:
    """Opens connections for one run.

    Args:
        reach: what may be connected to besides public addresses.
        resolver: asked once for each connection.
        tls: how certificates are checked; None = against the system's authorities.
    """

    def __init__(
        self,
        reach: Reach,
        resolver: Resolver = resolve,
        *,
        tls: ssl.SSLContext | None = None,
        patience: float = CONNECT,
    ) -> None:
        self.reach = reach
        self._resolver = resolver
        self._tls = tls
        self._patience = patience
        self._public: set[str] = set()

    async def open(self, place: Target) -> Streams:
        """A connection to `place`, for `https` with TLS in its host's name. Raises Refused, Unreachable."""
        addresses = await self._judged(place)
        context = (self._tls or await asyncio.to_thread(_authorities)) if place.scheme == "https" else None
        said: Exception | None = None
        for address in addresses[:TRIED]:
            try:
                async with asyncio.timeout(self._patience):
                    return await _dial(address, place, context)
            except (OSError, TimeoutError) as error:
                said = error
        raise Unreachable(f"{place.netloc} cannot be reached: {_said(said)}.")

    async def _judged(self, place: Target) -> Sequence[str]:
        """The addresses of `place`, all of them judged."""
        if why := guarded(place, self.reach):
            raise Refused(why, _remedy(place))
        try:
            async with asyncio.timeout(RESOLVE):
                found = [place.address] if place.address else list(await self._resolver(place.host, place.port))
        except (OSError, UnicodeError) as error:
            raise Unreachable(f"{place.host} cannot be found: {_said(error)}.") from None
        if not found:
            raise Unreachable(f"{place.host} cannot be found: it has no address.")
        exempt, rebound = self.reach.exempt(place), place.host in self._public
        inner = {address: why for address in found if (why := private(address))}
        if inner and (not exempt or rebound):
            address, why = next(iter(inner.items()))
            turned = " It was public before." if rebound else ""
            raise Refused(
                f"{place.netloc} leads to {address}, which is not public: it is {why}.{turned}", _remedy(place)
            )
        # A name the operator gave that was public and turns inward is rebinding, not what was granted.
        if exempt and not inner and len(self._public) < _REMEMBERED:
            self._public.add(place.host)
        return found


async def _dial(address: str, place: Target, context: ssl.SSLContext | None) -> Streams:
    loop = asyncio.get_running_loop()
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await loop.sock_connect(sock, (address, place.port))
        name = place.host if context else None
        return await asyncio.open_connection(sock=sock, ssl=context, server_hostname=name, limit=BUFFER)
    except BaseException:
        sock.close()
        raise


@cache
def _authorities() -> ssl.SSLContext:
    import httpcore2

    context = httpcore2.default_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _remedy(place: Target) -> str:
    return f"If it is meant, the operator allows it with --allow-host {place.netloc}."


def _said(error: Exception | None) -> str:
    if isinstance(error, TimeoutError) or error is None:
        return "nobody answered in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate does not hold ({error.verify_message})"
    number = error.errno if isinstance(error, ConnectionError) else None
    text = os.strerror(number) if number else getattr(error, "strerror", "") or str(error) or type(error).__name__
    return text[:1].lower() + text[1:].rstrip(".")
