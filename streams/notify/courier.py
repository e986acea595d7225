"""Brings one target its alerts, each until it has arrived: again and again with longer waits, never in a rush.

A target that fails five times running is left alone for a while (the fuse), and then tried with a single alert.
What it refuses for good is put aside and said. Nothing here knows a clock or a socket: both are given.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from schemas.alerts import Alert

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
FUSE_AFTER = 5
FUSE_S = 30.0
TRY_AGAIN = frozenset({401, 403, 404, 408, 409, 425, 429})
"""Refusals that a person mends at the target: the alert waits. Any other 4xx is about the message itself."""


def tries_again(status: int) -> bool:
    """Whether an answer (0: none) means that the alert is brought again."""
    return not (200 <= status < 300 or (400 <= status < 500 and status not in TRY_AGAIN))


@dataclass(slots=True)
class Tally:
    """What a courier has done."""

    delivered: int = 0
    failed: int = 0
    refused: int = 0


class Courier:
    """One target's courier.

    send      brings an alert to the target: its HTTP status, or an exception where it was not reached
    rest      waits so many seconds
    dice      gives a number from 0 to 1, so that several couriers do not wait in step
    fuse_open called with True when the target is left alone, with False when it is well again
    """

    def __init__(
        self,
        send: Callable[[Alert], Awaitable[int]],
        rest: Callable[[float], Awaitable[None]],
        fuse_open: Callable[[bool], None],
        dice: Callable[[], float],
    ) -> None:
        self._send, self._rest, self._fuse_open, self._dice = send, rest, fuse_open, dice
        self._in_row = 0
        self.tally = Tally()

    async def deliver(self, alert: Alert) -> str:
        """Bring an alert; ``delivered``, or ``refused`` with the status where the target will never take it."""
        tries = 0
        while True:
            if self._in_row >= FUSE_AFTER:
                await self._rest(FUSE_S)
            try:
                status = await self._send(alert)
            except Exception:  # whatever the network does, the alert waits
                status = 0
            if 200 <= status < 300:
                if self._in_row >= FUSE_AFTER:
                    self._fuse_open(False)
                self._in_row = 0
                self.tally.delivered += 1
                return "delivered"
            if not tries_again(status):
                self._in_row = 0
                self.tally.refused += 1
                return f"refused {status}"
            self.tally.failed += 1
            self._in_row += 1
            if self._in_row == FUSE_AFTER:
                self._fuse_open(True)
            tries += 1
            if self._in_row < FUSE_AFTER:
                wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** (tries - 1))
                await self._rest(wait * (0.5 + self._dice() / 2))
