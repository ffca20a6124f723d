"""Which addresses are public: N01, N04, N05 and the ranges the standard library calls global."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tui.domain.network.addresses import private

from .wire import words

INNER = words(
    "0.0.0.0 0.1.2.3 10.1.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 168.63.129.16 169.254.169.254 "
    "169.254.170.2 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 "
    "198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255"
)
OUTER = words(
    "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 172.15.0.1 172.32.0.0 192.0.1.1 223.1.1.1"
)


@pytest.mark.parametrize(
    "address",
    [
        *INNER,
        *words("::1 :: fe80::1 fe80::1%eth0 fe80::1%25eth0 fec0::1"),
        *words("fc00::1 fd00:ec2::254 ff02::1 ff0e::1 5f00::1 100::1"),
        *words("2001:db8::1 3fff::1 2001:2::1 2001:10::1 2001:20::1 3ffe::1 64:ff9b:1::808:808 4000::1 1::1 e000::1"),
        *words("64:ff9b::a9fe:a9fe 2002:7f00:1:: ::127.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1"),
        *words("2001:0:7f00:1::f7f7:f7f7 2001:0:808:808::80ff:fffe"),
        *words("2606:4700::5efe:10.0.0.1 2606:4700::200:5efe:7f00:1"),
        *words("fe80::5efe:808:808 ::8.8.8.8 ::ffff:0:8.8.8.8"),
        *["", "x", "2130706433", "0x7f.1", "1.1.1", "1.1.1.1.", "01.1.1.1", "１.1.1.1", " 1.1.1.1", "[::1]"],
    ],
)
def test_what_is_not_public_is_named(address: str) -> None:
    assert private(address)


@pytest.mark.parametrize(
    "address",
    [
        *OUTER,
        *words("2606:4700::1111 2001:4860:4860::8888 2a00:1450:4001::200e 2620:4f:8000::1 2001:200::1"),
        *words("::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808:: 2001:0:808:808::f7f7:f7f7 2606:4700::5efe:808:808"),
    ],
)
def test_what_is_public_passes(address: str) -> None:
    assert private(address) == ""


@given(st.sampled_from(INNER), st.integers(0, 2**64 - 1))
def test_no_ipv6_form_hides_an_inner_address(inner: str, noise: int) -> None:
    number = int(IPv4Address(inner))
    forms = [
        0xFFFF << 32 | number,
        number,
        0x64FF9B << 96 | number,
        0xFFFF << 48 | number,
        0x2002 << 112 | number << 80 | noise,
        0x20010000 << 96 | number << 64 | noise,
        0x20010000 << 96 | 0x08080808 << 64 | noise >> 32 << 32 | (number ^ 0xFFFFFFFF),
        0x26064700 << 96 | 0x5EFE << 32 | number,
        0x26064700 << 96 | 0x02005EFE << 32 | number,
    ]
    assert all(private(str(IPv6Address(form))) for form in forms)


@given(st.integers(0, 2**128 - 1))
def test_outside_global_unicast_only_mappings_pass(number: int) -> None:
    address = IPv6Address(number)
    if number >> 125 != 1 and not private(str(address)):
        assert number >> 32 in (0xFFFF, 0x64FF9B << 64)


@given(st.text(max_size=40))
def test_any_text_is_judged(text: str) -> None:
    assert private(text) or text
