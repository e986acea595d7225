"""A connection that goes nowhere inside: each address is looked at when it is connected to.

So a name that points inward, or points outward when it is checked and inward when it is used, reaches nothing.
"""

import ipaddress
import socket

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

SECONDS = 10.0
MOST_BYTES = 64 * 1024


class Inside(OSError):
    """An address lies inside, where no message goes."""


def is_outside(address: str) -> bool:
    """Whether an IP address is one of the public internet, its mapped and translated forms included."""
    try:
        ip = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo or (None, None))[1]
        if ip in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_outside(str(inner))
    return ip.is_global and not (ip.is_multicast or ip.is_reserved)


class GuardedResolver(AbstractResolver):
    """Resolves names to public addresses alone."""

    def __init__(self) -> None:
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The name's public addresses; ``Inside`` where it has none."""
        found = await self._inner.resolve(host, port, family)
        outside = [one for one in found if is_outside(one["host"])]
        if not outside:
            raise Inside("the name leads inside: give the target `inside = true` if it should")
        return outside

    async def close(self) -> None:
        """Let the resolver go."""
        await self._inner.close()


def session(inside: bool) -> aiohttp.ClientSession:
    """A session for one target: no proxy of the environment, no cookies, an end to every wait."""
    resolver = None if inside else GuardedResolver()
    connector = aiohttp.TCPConnector(resolver=resolver, limit=4, ttl_dns_cache=30)
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    return aiohttp.ClientSession(
        connector=connector, timeout=timeout, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()
    )


async def post(client: aiohttp.ClientSession, url: str, body: bytes, headers: dict[str, str], inside: bool) -> int:
    """Send a message; its status. Raises ``OSError``, ``aiohttp.ClientError`` or ``TimeoutError``."""
    host = URL(url).host or ""
    if not inside and _is_literal(host) and not is_outside(host):
        raise Inside("the address lies inside: give the target `inside = true` if it should")
    # A redirect is an answer like any other: whoever moved tells us by whoever looks after the target.
    async with client.post(url, data=body, headers=headers, allow_redirects=False) as answer:
        left = MOST_BYTES
        async for chunk in answer.content.iter_chunked(4_096):
            left -= len(chunk)
            if left < 0:
                answer.close()
                break
        return answer.status


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.split("%", maxsplit=1)[0])
    except ValueError:
        return False
    return True
