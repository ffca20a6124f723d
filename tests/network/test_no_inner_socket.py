"""At the socket: of thousands of URLs that try to get inside, none opens a socket to an address that is not public."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tui.domain.errors import HarnessError
from harness_tui.domain.network.addresses import private
from harness_tui.domain.network.reach import Reach
from harness_tui.domain.network.targets import Target, authority, target
from harness_tui.tools.network.connect import Connector
from harness_tui.tools.web.fetch import Limits, fetch

from .wire import Site, connects, response

INNER = st.sampled_from(
    [
        "127.0.0.1",
        "127.8.8.8",
        "10.0.0.1",
        "169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "0.0.0.0",
    ]
) | st.integers(0, 2**32 - 1).map(lambda number: str(IPv4Address(number))).filter(private)
INNER_V6 = ["::1", "fd00:ec2::254", "fe80::1", "fec0::1", "::", "ff02::1"]
OUTER = st.sampled_from(["1.1.1.1", "8.8.8.8", "2606:4700::1111"])


def spellings(dotted: str) -> list[str]:
    """Ways to write an IPv4 address as a URL's host."""
    number = int(IPv4Address(dotted))
    first, *rest = (int(part) for part in dotted.split("."))
    low = number & 0xFFFFFF
    wide = str.maketrans("0123456789.", "０１２３４５６７８９。")
    round_ = str.maketrans("0123456789", "⓪①②③④⑤⑥⑦⑧⑨")
    v6 = (
        number,
        0xFFFF << 32 | number,
        0x64FF9B << 96 | number,
        0x2002 << 112 | number << 80,
        0x26064700 << 96 | 0x5EFE << 32 | number,
    )
    return [
        *(
            dotted,
            f"{dotted}.",
            str(number),
            hex(number),
            hex(number).upper().replace("X", "x"),
            oct(number).replace("o", ""),
        ),
        *(f"{first}.{low}", f"0{first:o}.{low}", f"{first:#x}.{low:#x}", f"{first}.{rest[0]}.{low & 0xFFFF}"),
        *(dotted.translate(wide), dotted.translate(round_), "".join(f"%{ord(c):02x}" for c in dotted), f"{dotted}%00"),
        *(f"[{IPv6Address(each)}]" for each in v6),
        *(
            f"[::ffff:{dotted}]",
            f"[::ffff:{dotted}%25lo]",
            f"1.1.1.1@{dotted}",
            f"{dotted}#@1.1.1.1",
            f"{dotted}\\@1.1.1.1",
        ),
        *(
            f"1.1.1.1\\@{dotted}",
            f"a:b@{dotted}",
            f"{dotted}:80@1.1.1.1",
            f"\t{dotted}",
            f"{dotted}\u00ad",
            f"0{dotted}",
        ),
    ]


INNER_HOSTS = [*(f"[{address}]" for address in INNER_V6), "localhost", "a.localhost"]
NAMES = ["rebind.example", "allowed.example.evil.com", "metadata.google.internal", "127.0.0.1.evil.com"]
SCHEMES = st.sampled_from(["http://", "https://", "HTTP://", "http:/", "http:\\\\", "//", "", "ws://"])
PORTS = st.sampled_from(["", ":80", ":0", ":65536", ":8080", ":443", ":1"])
PATHS = st.sampled_from(["", "/", "/latest/meta-data/", "?q", "#f", "/@1.1.1.1/"])
ANSWERS = st.lists(st.lists(INNER | st.sampled_from(INNER_V6) | OUTER, max_size=3), min_size=1, max_size=4)
ONCE = Limits(total=5, request=5, redirects=2)
MANY = settings(max_examples=40, deadline=None)  # of 39 hosts each


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


START = "http://127.0.0.1:1"


def resolving(answers: list[list[str]]) -> Connector:
    left = iter(answers)

    async def resolver(host: str, port: int) -> Sequence[str]:
        return next(left, answers[-1])

    return Connector(Reach(START, ("allowed.example",)), resolver)


@MANY
@given(INNER, SCHEMES, PORTS, PATHS, ANSWERS)
def test_no_spelling_and_no_answer_gets_inside(
    loop: asyncio.Runner, inner: str, scheme: str, port: str, path: str, answers: list[list[str]]
) -> None:
    async def all_of_them() -> None:
        for host in (*spellings(inner), *INNER_HOSTS, *NAMES):
            place = target(f"{scheme}{host}{port}{path}")
            connector = resolving(answers)
            for _ in range(2 if host in NAMES else 1):
                with contextlib.suppress(HarnessError):
                    if isinstance(place, Target) and place.origin != START:
                        await fetch(place, connector, ONCE)

    with connects() as seen:
        loop.run(all_of_them())
    assert [address for address, _ in seen if private(address)] == []


@MANY
@given(INNER, st.sampled_from([1, 80, 443, 22]), ANSWERS)
def test_no_tunnel_gets_inside(loop: asyncio.Runner, inner: str, port: int, answers: list[list[str]]) -> None:
    async def all_of_them() -> None:
        for host in (*spellings(inner), *INNER_HOSTS, *NAMES):
            place = authority(f"{host}:{port}")
            with contextlib.suppress(HarnessError):
                if isinstance(place, Target) and f"http:{place.origin}" != START:
                    await resolving(answers).open(place)

    with connects() as seen:
        loop.run(all_of_them())
    assert [address for address, _ in seen if private(address)] == []


@settings(max_examples=20, deadline=None)
@given(INNER, SCHEMES, PORTS)
def test_no_redirect_gets_inside(loop: asyncio.Runner, inner: str, scheme: str, port: str) -> None:
    hosts = [*spellings(inner), *INNER_HOSTS, *NAMES]

    async def leading(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = head.split()[1][1:]  # a relative redirect comes back with a path of its own
        location = f"{scheme}{hosts[int(number)]}{port}/" if number.isdigit() else "/0"
        writer.write(response(status="302 Found", Location="\0").replace(b"\0", location.encode()))

    async def redirected() -> set[tuple[object, ...]]:
        async with Site(leading) as site:
            with connects() as seen:
                for number in range(len(hosts)):
                    place = target(f"{site.url}/{number}")
                    assert isinstance(place, Target)
                    with contextlib.suppress(HarnessError):
                        await fetch(place, Connector(Reach(site.url), nobody), ONCE)
            assert len(site.heads) >= len(hosts)
            return set(seen) - {("127.0.0.1", site.port)}

    assert loop.run(redirected()) == set()


async def nobody(host: str, port: int) -> Sequence[str]:
    raise OSError(-2, "Name or service not known")
