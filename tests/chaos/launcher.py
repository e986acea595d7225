"""``whaleline worker`` with failpoints, and without a safeguard where CHAOS_WITHOUT names one. For chaos alone."""

import asyncio
import atexit
import gc
import os
import signal
import sys
from pathlib import Path
from typing import Any

from streams.cli import main
from tests.chaos.failpoints import TELL, install, ready
from tests.chaos.planted import WITHOUT


def tell(*_: Any) -> None:
    """Write what every task waits for into the log, for a standstill to be understood."""
    for task in [one for one in gc.get_objects() if isinstance(one, asyncio.Task)]:
        if not task.done():
            task.print_stack(file=sys.stderr)
    sys.stderr.flush()


def listen(folder: Path) -> None:
    """Answer ``TELL`` from now on, and never die of it, not even when Python gives its handlers back."""
    signal.signal(TELL, tell)
    atexit.register(signal.signal, TELL, signal.SIG_IGN)
    ready(folder, os.getpid()).touch()


if __name__ == "__main__":
    left_out = os.environ.get("CHAOS_WITHOUT")
    if left_out:
        WITHOUT[left_out][0]()
    folder = Path(os.environ["CHAOS_FOLDER"])
    install(folder)
    listen(folder)
    sys.argv[1:] = ["worker"]
    main()
