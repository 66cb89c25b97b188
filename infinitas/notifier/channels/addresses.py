"""Which addresses a channel may connect to.

A name is resolved once, and the connection goes to the address that was checked: an answer that changes in
between (DNS rebinding) changes nothing.
"""

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from infinitas.notifier.channels.sending import SendFailed

Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]
ANYWHERE: Networks = (ip_network("0.0.0.0/0"), ip_network("::/0"))
RESOLVE_S = 5.0
_NAT64 = ip_network("64:ff9b::/96")
_COMPATIBLE = ip_network("::/96")
_NOT_PUBLIC = (
    # The metadata service of Azure is at a public address.
    ip_network("168.63.129.16/32"),
    ip_network("192.0.0.0/24"),
    ip_network("fec0::/10"),
    # NAT64 of a network's own, whose last bits are an address behind it.
    ip_network("64:ff9b:1::/48"),
)


async def resolve(host: str, port: int, networks: Networks) -> list[str]:
    """The addresses of a host that are public or in `networks`.

    Raises:
        SendFailed: it has none, or its name can't be resolved.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_S):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise SendFailed(f"The name {host} was not resolved within {RESOLVE_S:g} s.") from None
    except (OSError, UnicodeError) as error:
        raise SendFailed(f"The name {host} can't be resolved ({_reason(error)}).") from None
    addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
    allowed = [address for address in addresses if may_connect(address, networks)]
    if not allowed:
        resolved = "" if addresses == [host] else f"is {', '.join(addresses[:3])}, which "
        raise SendFailed(
            f"{host} {resolved}is no public address; the setting "
            "channel_networks, or allow_private of a channel in infinitas.toml, allows it."
        )
    return allowed


def may_connect(address: str, networks: Networks) -> bool:
    """Whether an address is public or in `networks`; an IPv4 address inside of an IPv6 one counts."""
    try:
        found = _innermost(ip_address(address))
    except ValueError:  # With the zone of an interface: link-local.
        return False
    if any(found in network for network in networks):
        return True
    if any(found in network for network in _NOT_PUBLIC):
        return False
    return found.is_global and not found.is_multicast and not found.is_reserved


def _innermost(address: Address) -> Address:
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    if inner is not None:
        return inner
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 0xFFFF):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
