"""Which addresses may be called: public ones, and private ones that the settings name.

A host name is judged by the addresses that it resolves to, and the connection is made to exactly
the address that was judged, so that a name which resolves differently a moment later (DNS
rebinding) gains nothing. Numbers in odd forms (2130706433, 0x7f.1, [::ffff:127.0.0.1]) resolve like
any name and are judged alike.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

# NAT64 (RFC 6052, RFC 8215): an IPv4 address in the last 32 bits. 6to4 and Teredo are unwrapped by
# the standard library.
_NAT64: Final = (
    ipaddress.IPv6Network("64:ff9b::/96"),
    ipaddress.IPv6Network("64:ff9b:1::/48"),
)
# Shared address space (RFC 6598) and what IANA reserves, beyond the library's ``is_global``.
_NEVER: Final = (
    ipaddress.IPv4Network("100.64.0.0/10"),
    ipaddress.IPv4Network("192.0.0.0/24"),
    ipaddress.IPv4Network("192.88.99.0/24"),
    ipaddress.IPv4Network("198.18.0.0/15"),
    ipaddress.IPv4Network("240.0.0.0/4"),
    ipaddress.IPv6Network("2001:db8::/32"),
    ipaddress.IPv6Network("fec0::/10"),
)


class AddressRefused(Exception):
    """This machine may not be called; the text says why, for staff.

    ``address`` is the one that is not public; empty where the host has none at all.
    """

    def __init__(self, message: str, *, host: str = "", address: str = "") -> None:
        super().__init__(message)
        self.host = host
        self.address = address


def address_is_public(text: str) -> bool:
    """Whether an IP address is one of the public internet, whatever form it hides in."""
    try:
        address: IPAddress = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(_is_public(each) for each in _unwrapped(address))


def host_is_named(host: str, port: int, named: Sequence[str]) -> bool:
    """Whether a list of ``host`` or ``host:port`` names this host; ports and case compared."""
    wanted = _bare(host)
    for entry in named:
        name, entry_port = host_split(entry)
        if name == wanted and entry_port in (None, port):
            return True
    return False


def host_split(entry: str) -> tuple[str, int | None]:
    """``host`` or ``host:port`` (IPv6 in brackets when a port follows) as host and port."""
    text = entry.strip()
    if text.startswith("[") and "]" in text:
        host, _, rest = text[1:].partition("]")
        return _bare(host), int(rest[1:]) if rest[:1] == ":" and rest[1:].isdecimal() else None
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return _bare(host), int(port) if port.isdecimal() else None
    return _bare(text), None


async def addresses_allowed(
    host: str, port: int, *, private_hosts: Sequence[str], resolve: Resolve | None = None
) -> list[str]:
    """The addresses of a host, if each of them may be called.

    ``private_hosts`` are hosts (``host`` or ``host:port``) that may be private.

    Raises:
        AddressRefused: it resolves to nothing, or to an address that is not public.
    """
    try:
        found = list(dict.fromkeys(await (resolve or resolve_system)(host, port)))
    except (OSError, UnicodeError) as error:
        raise AddressRefused(f"The host {host} has no address.", host=host) from error
    if not found:
        raise AddressRefused(f"The host {host} has no address.", host=host)
    if not host_is_named(host, port, private_hosts):
        # One private address among public ones is enough to refuse: the next try might take it.
        for address in found:
            if not address_is_public(address):
                raise AddressRefused(
                    f"The host {host} leads to {address}, which is not on the public internet.",
                    host=host,
                    address=address,
                )
    return found


async def resolve_system(host: str, port: int) -> list[str]:
    """The addresses of a host by the system's resolver."""
    loop = asyncio.get_running_loop()
    rows = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(row[4][0]) for row in rows]


def _bare(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()


def _unwrapped(address: IPAddress) -> list[IPAddress]:
    """The address and those that it carries inside."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    inside: list[IPAddress] = [address]
    if address.sixtofour is not None:
        inside.append(address.sixtofour)
    if address.teredo is not None:
        inside += address.teredo
    if any(address in network for network in _NAT64):
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    if int(address) >> 32 == 0:  # ::a.b.c.d, the form that nobody uses any more (RFC 4291)
        inside.append(ipaddress.IPv4Address(int(address)))
    return inside


def _is_public(address: IPAddress) -> bool:
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address.version == network.version and address in network for network in _NEVER)
    )
