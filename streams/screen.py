"""What the demo shows: alerts read out to people, on a terminal or into a file."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any

from schemas.alerts import Alert
from streams.floorwords import for_floor
from streams.words import in_words

NEWS_EVERY_S = 5.0


@dataclass(slots=True)
class Screen:
    """Where people read: colours where there are some to be had, plain text elsewhere."""

    out: IO[str]
    stories: frozenset[str]
    for_floor: bool = False
    waiting_s: float = 0.0
    _console: Any = None

    def __post_init__(self) -> None:
        if self.out.isatty():
            try:
                from rich.console import Console
            except ImportError:
                return
            self._console = Console(file=self.out, highlight=False, markup=False)

    def say(self, text: str, style: str = "") -> None:
        """One or more lines."""
        if self._console is not None:
            self._console.print(text, style=style)
        else:
            print(text, file=self.out, flush=True)

    def wait(self, elapsed_s: float, what: str) -> None:
        """Show that something is going on: in place on a terminal, else a line now and then."""
        if elapsed_s - self.waiting_s < (1 if self._console is not None else NEWS_EVERY_S):
            return
        self.waiting_s = elapsed_s
        text = f"{what} ({elapsed_s:.0f} s)"
        if self._console is not None:
            print(f"\r\x1b[K{text}", end="", file=self.out, flush=True)
        else:
            self.say(text)

    def clear_wait(self) -> None:
        """Take the waiting line away."""
        if self._console is not None:
            print("\r\x1b[K", end="", file=self.out, flush=True)

    def read_out(self, alert: Alert) -> None:
        """An alert of a story in full, of an ordinary customer in one line; as the floor sees it where asked."""
        words = for_floor(alert) if self.for_floor else in_words(alert)
        when = datetime.fromtimestamp(alert.ts_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
        style = "bold" if words.urgent else "green"
        if alert.customer_id not in self.stories:
            self.say(f"{when}  {words.lines()[0]}", style)
            return
        title, *more = words.lines()
        self.say(f"{when}  {title}", style + " yellow" if words.urgent else style)
        if more:
            self.say("\n".join(f"          {line}" for line in more), "dim" if self._console else "")
