"""What viewers are told, in order and numbered, with a tail kept so that whoever was away misses nothing.

A message replaces what it names, so that one that is told twice does no harm; and whoever asks for a message that
is no longer kept, or that another desk has numbered, gets the whole picture anew: no gap, no double.
"""

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any

KEPT = 1_000
KEPT_BYTES = 32 * 1024 * 1024
"""So much of the tail is kept, by messages and by bytes."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its number, and its bytes for the floor and for those who see money."""

    number: int
    floor: bytes
    money: bytes

    @property
    def size(self) -> int:
        """Its bytes for both roles."""
        return len(self.floor) + len(self.money)

    def bytes_for(self, money: bool) -> bytes:
        """The bytes for a role."""
        return self.money if money else self.floor


@dataclass(slots=True)
class Feed:
    """The messages of one desk; ``epoch`` tells them from another desk's."""

    epoch: str
    kept: int = KEPT
    kept_bytes: int = KEPT_BYTES
    number: int = 0
    _size: int = 0
    _tail: deque[Message] = field(default_factory=deque)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def publish(self, floor: dict[str, Any], money: dict[str, Any]) -> None:
        """Number a message, keep it, and wake whoever waits."""
        self.number += 1
        event = f"{self.epoch}-{self.number}"
        self._tail.append(Message(self.number, frame("change", event, floor), frame("change", event, money)))
        self._size += self._tail[-1].size
        while len(self._tail) > self.kept or (self._size > self.kept_bytes and len(self._tail) > 1):
            self._size -= self._tail.popleft().size
        news, self._news = self._news, asyncio.Event()
        news.set()

    @property
    def last_id(self) -> str:
        """The id of the newest message."""
        return f"{self.epoch}-{self.number}"

    def number_of(self, last_id: str | None) -> int | None:
        """The number that a viewer has seen last; None where the whole picture is needed."""
        epoch, _, number = (last_id or "").rpartition("-")
        if epoch != self.epoch or not number.isdecimal() or len(number) > 18:
            return None
        seen = int(number)
        oldest = self._tail[0].number if self._tail else self.number + 1
        return seen if oldest - 1 <= seen <= self.number else None

    def behind(self, seen: int) -> list[Message] | None:
        """The messages after ``seen``; None where some of them are no longer kept."""
        if self._tail and seen < self._tail[0].number - 1:
            return None
        skip = len(self._tail) - (self.number - seen)
        return [self._tail[at] for at in range(max(0, skip), len(self._tail))]

    async def wait(self, seen: int, seconds: float) -> None:
        """Return when there is something after ``seen``, or when the time is over."""
        if self.number > seen:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return


def frame(event: str, event_id: str, body: dict[str, Any]) -> bytes:
    """A server-sent event; JSON has no line feeds outside its escapes."""
    return f"event: {event}\nid: {event_id}\ndata: {to_json(body)}\n\n".encode()


def to_json(body: Any) -> str:
    """JSON in one line."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
