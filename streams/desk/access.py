"""Who may do what on the desk: people by a proxy's header, machines by a token, one's own machine.

Rights are one table. A caller may ask for less than they have (a manager who looks as the floor does), never more.
"""

import hmac
import ipaddress
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from streams.desk.action import ROLES, TEXT_MOST, VERBS

EXAMPLE = """\
# Who may use the desk. Without this file the desk serves this machine alone, and everyone on it may do everything.
user_header = "X-Forwarded-User"     # the proxy that has signed people in says here who it is
proxies = ["127.0.0.1"]              # and is believed from these addresses, or networks as 10.1.2.0/24, alone
hosts = ["desk.example.org"]         # the names under which browsers reach the desk

[people]                             # role by user: viewer, agent, manager or admin; "*" is everybody else
"jo@example.org" = "manager"
"*" = "agent"

# [[tokens]]                         # for machines: `whaleline desk token --name crm --role agent` makes one
"""

_KEYS = {"user_header", "proxies", "hosts", "people", "tokens"}
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class AccessError(ValueError):
    """The file of rights cannot be used, or a caller may not do this; one sentence."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. ``machine`` callers have a token and need no proof that no other site sent them."""

    name: str
    role: str
    machine: bool = False

    def may(self, least: str) -> bool:
        """Whether the role is at least this one."""
        return ROLES.index(self.role) >= ROLES.index(least)

    def may_do(self, verb: str) -> bool:
        """Whether the role may take an action of this verb."""
        return self.may(VERBS[verb])

    @property
    def sees_money(self) -> bool:
        """Whether money and labels are shown."""
        return self.may("manager")

    def as_(self, role: str | None) -> "Caller":
        """The same caller with a lesser role, where one is asked for."""
        if role not in ROLES or ROLES.index(role) >= ROLES.index(self.role):
            return self
        return Caller(self.name, role, self.machine)


@dataclass(frozen=True, slots=True)
class Token:
    """A machine's right: the digest of its secret, a role, and when it ends (ms UTC, None: never)."""

    name: str
    role: str
    digest: str
    expires_ms: int | None


@dataclass(frozen=True, slots=True)
class Access:
    """The rights of a desk. Without a file (``open``) it serves its own machine alone."""

    open: bool = True
    user_header: str = ""
    proxies: tuple[Network, ...] = ()
    hosts: tuple[str, ...] = ()
    people: Mapping[str, str] = field(default_factory=dict)
    tokens: tuple[Token, ...] = ()

    def caller(self, headers: Mapping[str, str], peer: str, now_ms: int) -> Caller:
        """Who asks; raises ``AccessError`` for nobody we know."""
        authorization = headers.get("Authorization", "")
        if authorization:
            return self._machine(authorization, now_ms)
        if self.open:
            name = unquote(headers.get("X-Desk-Name", "")).strip()[: TEXT_MOST // 4]
            return Caller(name or "me", "admin")
        if not self.user_header or not self._is_proxy(peer):
            raise AccessError("sign in through the proxy, or send a token: Authorization: Bearer ...")
        name = headers.get(self.user_header, "").strip()
        if not name or len(name.encode()) > 64:
            raise AccessError(f"the proxy sent no name of 1 to 64 bytes in {self.user_header}")
        role = self.people.get(name) or self.people.get("*")
        if role is None:
            raise AccessError("you are not among the people of this desk: ask whoever runs it")
        return Caller(name, role)

    def _is_proxy(self, peer: str) -> bool:
        """Whether an address is a proxy's that is believed."""
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)  # how a socket for both families names an old address
        return any((mapped or address) in one for one in self.proxies)

    def _machine(self, authorization: str, now_ms: int) -> Caller:
        scheme, _, secret = authorization.partition(" ")
        if scheme.lower() != "bearer" or not secret:
            raise AccessError("send the token as: Authorization: Bearer ...")
        digest, found = digest_of(secret.strip()), None
        for one in self.tokens:  # all of them, so that the time taken says nothing
            if hmac.compare_digest(one.digest, digest):
                found = one
        if found is None:
            raise AccessError("this token is not known: make one with `whaleline desk token`")
        if found.expires_ms is not None and found.expires_ms <= now_ms:
            raise AccessError(f"the token {found.name} has expired: make a new one with `whaleline desk token`")
        return Caller(found.name, found.role, machine=True)

    def host_is_ours(self, host: str) -> bool:
        """Whether a browser asked under a name of ours, and not under one that somebody pointed at us."""
        name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
        return name.lower() in (*LOCAL_HOSTS, *self.hosts)


def digest_of(secret: str) -> str:
    """What is kept of a token's secret."""
    return sha256(secret.encode()).hexdigest()


def is_loopback(bind: str) -> bool:
    """Whether an address to listen on is this machine's own and nobody else's."""
    if bind == "localhost":
        return True
    try:
        return ipaddress.ip_address(bind).is_loopback
    except ValueError:
        return False


def load_access(place: str, bind: str) -> Access:
    """The rights of a file, or this machine's own; raises ``AccessError`` in a sentence."""
    if not place:
        if not is_loopback(bind):
            raise AccessError(
                f"desk_bind = {bind} would let everybody in: name a file of rights with desk_access,"
                " or listen on 127.0.0.1"
            )
        return Access()
    try:
        table = tomllib.loads(Path(place).read_text(encoding="utf-8"))
    except OSError as error:
        raise AccessError(f"{place} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AccessError(f"{place}: not valid TOML: {error}") from None
    return _access(table, place)


def _access(table: dict[str, Any], place: str) -> Access:
    unknown = sorted(set(table) - _KEYS)
    if unknown:
        raise AccessError(f"{place}: {unknown[0]} is not known; allowed are {', '.join(sorted(_KEYS))}")
    header = table.get("user_header", "")
    if header and not (isinstance(header, str) and _HEADER.fullmatch(header)):
        raise AccessError(f"{place}: user_header must be the name of a header")
    people = table.get("people", {})
    for who, role in people.items() if isinstance(people, dict) else [("people", None)]:
        if role not in ROLES:
            raise AccessError(f"{place}: the role of {who} must be one of {', '.join(ROLES)}")
    proxies = tuple(_network(one, place) for one in _texts(table, "proxies", place))
    tokens = table.get("tokens", [])
    if not isinstance(tokens, list):
        raise AccessError(f"{place}: tokens must be written as [[tokens]]")
    return Access(
        open=False, user_header=header, proxies=proxies, hosts=_texts(table, "hosts", place), people=people,
        tokens=tuple(_token(one, place) for one in tokens),
    )  # fmt: skip


def _network(text: str, place: str) -> Network:
    """An address, or a network; one that holds everybody is refused."""
    try:
        found = ipaddress.ip_network(text)
    except ValueError:
        raise AccessError(
            f"{place}: {text} of proxies is no address such as 127.0.0.1, nor a network such as 10.1.2.0/24"
        ) from None
    if found.prefixlen == 0:
        raise AccessError(f"{place}: {text} of proxies would believe everybody: name the proxy's own network")
    return found


def _texts(table: dict[str, Any], name: str, place: str) -> tuple[str, ...]:
    value = table.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise AccessError(f"{place}: {name} must be a list of texts")
    return tuple(one.lower() for one in value)


def _token(one: Any, place: str) -> Token:
    if not isinstance(one, dict) or set(one) - {"name", "role", "sha256", "expires"}:
        raise AccessError(f"{place}: a token has name, role, sha256 and perhaps expires")
    digest, expires = one.get("sha256"), one.get("expires")
    if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise AccessError(f"{place}: sha256 of a token must be 64 hex digits")
    if one.get("role") not in ROLES or not isinstance(one.get("name"), str):
        raise AccessError(f"{place}: a token needs a name and one of the roles {', '.join(ROLES)}")
    if expires is not None and not (isinstance(expires, datetime) and expires.tzinfo is not None):
        raise AccessError(f"{place}: expires of a token must be a time with a zone")
    return Token(one["name"], one["role"], digest, None if expires is None else int(expires.timestamp() * 1000))
