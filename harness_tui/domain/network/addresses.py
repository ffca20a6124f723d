"""Which IP addresses are public. The tables are our own: the standard library's `is_global` lets metadata through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_V4 = {
    "0.0.0.0/8": "this machine",
    "10.0.0.0/8": "a private network",
    "100.64.0.0/10": "a carrier's or cloud's inner network",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "Azure's metadata service",
    "169.254.0.0/16": "link-local, where clouds keep their metadata service",
    "172.16.0.0/12": "a private network",
    "192.0.0.0/24": "kept for protocols, Oracle's metadata service among them",
    "192.0.2.0/24": "for documentation",
    "192.88.99.0/24": "a retired relay",
    "192.168.0.0/16": "a private network",
    "198.18.0.0/15": "for benchmarks",
    "198.51.100.0/24": "for documentation",
    "203.0.113.0/24": "for documentation",
    "224.0.0.0/4": "multicast",
    "255.255.255.255/32": "broadcast",
    "240.0.0.0/4": "reserved",
}
_V6 = {
    "::1/128": "loopback",
    "::/128": "this machine",
    "64:ff9b:1::/48": "a network's own translation to IPv4",
    "100::/64": "discarded",
    "2001::/23": "kept for protocols",
    "2001:db8::/32": "for documentation",
    "3ffe::/16": "a retired test network",
    "3fff::/20": "for documentation",
    "5f00::/16": "segment routing inside a network",
    "fc00::/7": "a private network, AWS's metadata service among them",
    "fe80::/10": "link-local",
    "fec0::/10": "site-local",
    "ff00::/8": "multicast",
}
_NOT_PUBLIC_V4 = tuple((IPv4Network(net), why) for net, why in _V4.items())
_NOT_PUBLIC_V6 = tuple((IPv6Network(net), why) for net, why in _V6.items())

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_LAST_32_BITS = (_MAPPED, _NAT64, IPv6Network("::/96"), IPv6Network("::ffff:0:0:0/96"))
_SIX_TO_FOUR = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)
_AS_PUBLIC_AS_INSIDE = (_MAPPED, _NAT64, _TEREDO)


def private(address: str) -> str:
    """Why an address is not public, as the end of "it is ..."; "" when it is.

    IPv4 addresses inside IPv6 ones (mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP) are judged too.
    """
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return "no IP address"
    if isinstance(parsed, IPv4Address):
        return _listed(parsed, _NOT_PUBLIC_V4)
    for each in _inside(parsed):
        if why := _listed(each, _NOT_PUBLIC_V4):
            # Of `::1`, which is also a form of 0.0.0.1, the plain word is the better one.
            return _listed(parsed, _NOT_PUBLIC_V6) or f"a form of {each}, which is {why}"
    if any(parsed in net for net in _AS_PUBLIC_AS_INSIDE):
        return ""
    return _listed(parsed, _NOT_PUBLIC_V6) or ("" if parsed in _GLOBAL_UNICAST else "not in use on the internet")


def _listed(address: IPv4Address | IPv6Address, table: Iterable[tuple[IPv4Network | IPv6Network, str]]) -> str:
    return next((why for net, why in table if address in net), "")


def _inside(address: IPv6Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses that packets to an IPv6 address may end at."""
    bits = int(address)
    last = bits & 0xFFFF_FFFF
    if any(address in net for net in _LAST_32_BITS):
        yield IPv4Address(last)
    elif address in _SIX_TO_FOUR:
        yield IPv4Address(bits >> 80 & 0xFFFF_FFFF)
    elif address in _TEREDO:
        yield IPv4Address(bits >> 64 & 0xFFFF_FFFF)
        yield IPv4Address(last ^ 0xFFFF_FFFF)
    if bits >> 32 & 0xFFFF_FFFF in _ISATAP:
        yield IPv4Address(last)
