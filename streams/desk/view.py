"""What all desks are shown, and what has changed since the last look: pure, the time is told to it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

from streams.desk import cards, ranking
from streams.desk.board import Board
from streams.desk.ranking import Place
from streams.desk.standing import Standing
from streams.floorwords import for_floor


@dataclass(frozen=True, slots=True)
class Change:
    """What a look found: whose cards are to be drawn anew, the order, and counts."""

    customers: tuple[str, ...]
    order: tuple[str, ...]
    beyond: dict[str, int]
    counts: dict[str, int]
    pages: tuple[str, ...]
    fresh: bool


@dataclass(slots=True)
class View:
    """The cards of a board in their order. ``look`` brings it up to a time, and says what changed.

    A look costs by what has changed, however many cards there are.
    """

    board: Board
    currency: str
    queue: ranking.Queue = field(default_factory=ranking.Queue)
    places: dict[str, Place] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    beyond: dict[str, int] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    _clock: list[tuple[int, str]] = field(default_factory=list)

    def look(self, now_ms: int) -> Change | None:
        """Take in what the board has read, and let time pass. None: nothing is new."""
        board = self.board
        touched = sorted(board.changed)
        pages = tuple(sorted(board.pages))
        board.changed.clear()
        board.pages.clear()
        drawn = set(touched)
        again = [*touched, *self._woken(now_ms)]
        for customer_id in dict.fromkeys(again):
            if self._place(customer_id, now_ms):
                drawn.add(customer_id)
        if not (again or pages):
            return None
        before = set(self.order)
        order, beyond = self.order, self.beyond
        self.order, self.beyond = self.queue.arranged()
        drawn |= set(self.order) - before
        if not (drawn or pages or order != self.order or beyond != self.beyond):
            return None
        counts = {state: count for state, count in sorted(self.counts.items()) if count}
        return Change(tuple(sorted(drawn)), self.order, self.beyond, counts, pages, bool(touched))

    def card(self, customer_id: str, now_ms: int, *, money: bool) -> dict[str, Any] | None:
        """One card for a role; None for somebody whom no alert was about."""
        one, place = self.board.standing(customer_id), self.places.get(customer_id)
        if one is None or place is None:
            return None
        card = cards.floor_card(customer_id, one, place, self.board.holds.get(customer_id), now_ms)
        if money:
            card["money"] = cards.money_card(one, place, now_ms, self.currency)
        return card

    def find(self, states: Iterable[str], text: str, floor: str, about: str) -> list[str]:
        """Customers whose card has one of the states, best place first; done ones newest first."""
        wanted = set(states)
        found = [one for one in self.places.values() if one.state in wanted]
        text = text.casefold()
        out = []
        for place in found:
            one = self.board.standing(place.customer_id)
            if one is None:
                continue  # erased since the last look
            if floor and place.floor != floor:
                continue
            if about and about not in {cards.TOPICS[one.heard[at].machine] for at in (place.lead, *one.raised)}:
                continue
            if text and text not in self._words(one, place):
                continue
            last_ms = max(one.heard[-1].at_ms, max((taken.action.ts_ms for taken in one.taken), default=0))
            done = place.state in cards.DONE
            out.append(((1, -last_ms) if done else (0, 0), place.sort, place.customer_id))
        return [customer_id for _, _, customer_id in sorted(out)]

    @staticmethod
    def _words(one: Standing, place: Place) -> str:
        """What a card is found by: the customer, the skill, the floor's title."""
        alert = one.heard[place.lead].alert
        return f"{place.customer_id} {alert.skill or ''} {for_floor(alert).title}".casefold()

    def _woken(self, now_ms: int) -> list[str]:
        """Whose place changes by now without anybody's doing."""
        found = []
        while self._clock and self._clock[0][0] <= now_ms:
            at_ms, customer_id = heappop(self._clock)
            place = self.places.get(customer_id)
            if place is not None and place.changes_ms == at_ms:
                found.append(customer_id)
        return found

    def _place(self, customer_id: str, now_ms: int) -> bool:
        """Work out a customer's place; whether it is another than before."""
        one = self.board.standing(customer_id)
        place = None if one is None else ranking.place(customer_id, one, now_ms)
        before = self.places.get(customer_id)
        if place == before:
            return False
        if before is not None:
            del self.places[customer_id]
            self.counts[before.state] -= 1
            if before.state in cards.LIVE:
                self.queue.drop(before)
        if place is None:
            return True
        self.places[customer_id] = place
        self.counts[place.state] += 1
        if place.state in cards.LIVE:
            self.queue.put(place)
        if place.changes_ms is not None and (before is None or before.changes_ms != place.changes_ms):
            heappush(self._clock, (place.changes_ms, customer_id))
        return True
