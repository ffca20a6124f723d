"""The browser's one way out: flags that leave it no other, and what the proxy at its end has refused."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ...domain.network.reach import Reach
from ...domain.network.targets import target
from ..network.proxy import NOTED, Proxy

if TYPE_CHECKING:
    from playwright.async_api import ProxySettings, Response

_NAME = "guard.invalid"
FLAGS = (
    # The proxy's name is the only one that Chromium can resolve, addresses included: whatever does not go through the
    # proxy of its context goes nowhere.
    f"--host-resolver-rules=MAP {_NAME} 127.0.0.1, MAP * ~NOTFOUND",
    # The windowed browser and the headless shell hear different names of it.
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--disable-quic",
)
_NO_BYPASS = "<-loopback>"
NOWHERE: ProxySettings = {"server": "http://nowhere.invalid:9", "bypass": _NO_BYPASS}
"""For what Chromium asks for by itself, outside every context."""

_SAYS = (400, 403, 502, 503)


class Guard:
    """One run's proxy, as its browser contexts use it."""

    def __init__(self, reach: Reach) -> None:
        self._proxy = Proxy(reach)
        self._told = 0
        self._known: set[str] = set()

    async def open(self) -> None:
        await self._proxy.open()

    async def close(self) -> None:
        """Ends every connection; never raises."""
        await self._proxy.close()

    @property
    def settings(self) -> ProxySettings:
        """For `new_context`. Only of an open guard."""
        proxy = self._proxy
        server = proxy.server.replace("127.0.0.1", _NAME)
        return {"server": server, "username": proxy.username, "password": proxy.password, "bypass": _NO_BYPASS}

    def news(self) -> list[str]:
        """Why connections were refused since the last time; each reason once in a run."""
        refused = self._proxy.refused
        fresh = [why for why in dict.fromkeys(refused[self._told :]) if why not in self._known]
        if self._told < NOTED == len(refused):
            fresh.append("more were refused than are listed")
        self._told = len(refused)
        self._known.update(fresh)
        return fresh

    async def instead(self, answer: Response) -> str:
        """What the proxy said in the site's place, or "" when the site itself answered.

        A site that imitates the proxy's answer is called unreachable, which nobody gains by.
        """
        headers = answer.headers
        plain = headers.get("content-type") == "text/plain; charset=utf-8"
        if answer.status not in _SAYS or not plain or headers.get("x-content-type-options") != "nosniff":
            return ""
        with contextlib.suppress(Exception):  # an answer without a body
            return (await answer.text()).strip()
        return ""

    def why(self, url: str) -> str:
        """Why a tunnel to the URL's host was not opened."""
        place = target(url)
        if isinstance(place, str):
            return place
        for reason in reversed(self._proxy.refused):
            if reason.startswith(f"{place.netloc} "):
                return f"{reason} If it is meant, the operator allows it with --allow-host {place.netloc}."
        return f"{place.netloc} cannot be reached."
