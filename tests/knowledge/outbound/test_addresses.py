"""Which addresses may be called, in every form that one may hide in."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from knowledge.outbound.addresses import (
    AddressRefused,
    address_is_public,
    addresses_allowed,
    host_is_named,
)

REFUSED = [
    # loopback, unspecified, this network
    "127.0.0.1", "127.1.2.3", "127.255.255.254", "0.0.0.0", "0.1.2.3", "::1", "::",  # noqa: S104
    # private networks
    "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.1",
    "fc00::1", "fd12:3456:789a::1",
    # link local, the metadata services of clouds among them
    "169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "fd00:ec2::254",
    # shared, reserved, documentation, benchmarks, protocols
    "100.64.0.1", "100.127.255.255", "192.0.0.1", "192.0.0.170", "192.0.2.1", "198.18.0.1",
    "198.19.255.255", "198.51.100.1", "203.0.113.1", "240.0.0.1", "255.255.255.255",
    "192.88.99.1", "2001:db8::1", "100::1", "fec0::1",
    # multicast
    "224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1",
    # IPv4 inside IPv6: mapped, compatible, NAT64, 6to4, Teredo
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:7f00:1",
    "::127.0.0.1", "::10.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1",
    "2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::1", "2001:0:7f00:1::",
    # no address at all
    "", "localhost", "127.1", "2130706433", "0x7f000001", "1.2.3", "1.2.3.4.5", "[::1]",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "93.184.215.14", "172.15.255.255", "172.32.0.1", "100.63.255.255",
    "100.128.0.1", "192.167.255.255", "169.253.255.255", "223.255.255.255",
    "2606:4700:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::808:808",
]  # fmt: skip


@pytest.mark.parametrize("address", REFUSED)
def test_what_is_not_on_the_public_internet_is_refused(address: str) -> None:
    assert not address_is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_may_be_called(address: str) -> None:
    assert address_is_public(address)


@pytest.mark.parametrize(
    "host",
    ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost", "127.0.0.1", "0", "::1"],
)
async def test_odd_forms_of_a_private_address_resolve_to_it_and_are_refused(host: str) -> None:
    with pytest.raises(AddressRefused):
        await addresses_allowed(host, 80, private_hosts=())


async def test_one_private_address_among_public_ones_is_enough() -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["93.184.215.14", "10.0.0.7"]

    with pytest.raises(AddressRefused, match=r"10\.0\.0\.7"):
        await addresses_allowed("shop.example", 443, private_hosts=(), resolve=resolve)


async def test_a_host_that_the_settings_name_may_be_private() -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["10.0.0.7"]

    for named in ("orders.internal", "ORDERS.internal.", "orders.internal:8443"):
        found = await addresses_allowed(
            "orders.internal", 8443, private_hosts=[named], resolve=resolve
        )
        assert found == ["10.0.0.7"]
    for named in ("orders.internal:8080", "internal", "x.orders.internal", "*"):
        with pytest.raises(AddressRefused):
            await addresses_allowed("orders.internal", 8443, private_hosts=[named], resolve=resolve)


async def test_a_host_without_address_is_refused() -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        raise OSError("no such host")

    async def nothing(host: str, port: int) -> Sequence[str]:
        return []

    for each in (resolve, nothing):
        with pytest.raises(AddressRefused, match="has no address"):
            await addresses_allowed("nowhere.example", 80, private_hosts=(), resolve=each)


def test_hosts_are_compared_whole_with_their_ports() -> None:
    assert host_is_named("[::1]", 8001, ["[::1]:8001"])
    assert host_is_named("::1", 8001, ["::1"])
    assert not host_is_named("::1", 8001, ["[::1]:8002"])
    assert not host_is_named("evil-shop.example", 443, ["shop.example"])
    assert not host_is_named("shop.example.evil.example", 443, ["shop.example"])
