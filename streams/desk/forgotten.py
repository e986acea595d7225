"""Whom an erasure has taken off the desk: known by keyed hash alone, so that no old alert brings them back."""

from dataclasses import dataclass, field

from schemas.erasures import Receipt, marker_of
from streams.markers import MarkersError


@dataclass(slots=True)
class Forgotten:
    """The receipts a desk has read. ``key`` is the deployment's; without one nobody is recognised."""

    key: bytes | None = None
    _receipts: dict[str, Receipt] = field(default_factory=dict)
    _customers: dict[str, str] = field(default_factory=dict)

    def meet(self, customer_id: str) -> None:
        """Remember what a customer's marker would be, so that an erasure finds them."""
        if self.key is not None:
            self._customers[marker_of(self.key, customer_id.encode()).hex()] = customer_id

    def take(self, receipt: Receipt) -> str | None:
        """Take a receipt; whom it is about, if anybody here. Raises ``MarkersError`` for want of the key."""
        if self.key is None:
            raise MarkersError(
                "customers were erased and erasure_key is not set: give every desk the workers' key"
            )
        self._receipts[receipt.marker] = receipt
        return self._customers.pop(receipt.marker, None)

    def of(self, customer_id: str) -> Receipt | None:
        """The receipt of a customer who was erased."""
        if not self._receipts or self.key is None:
            return None
        return self._receipts.get(marker_of(self.key, customer_id.encode()).hex())

    def hides(self, customer_id: str, ts_ms: int) -> bool:
        """Whether what happened to this customer at this time was erased."""
        receipt = self.of(customer_id)
        return receipt is not None and ts_ms <= receipt.erased_ms

    def hides_action(self, customer_id: str, ts_ms: int) -> bool:
        """The same of what a person did, whose time is the desk's clock."""
        receipt = self.of(customer_id)
        return receipt is not None and ts_ms <= receipt.asked_ms
