"""``whaleline worker`` with failpoints, and without a safeguard where CHAOS_WITHOUT names one. For chaos alone."""

import asyncio
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


if __name__ == "__main__":
    left_out = os.environ.get("CHAOS_WITHOUT")
    if left_out:
        WITHOUT[left_out][0]()
    folder = Path(os.environ["CHAOS_FOLDER"])
    install(folder)
    signal.signal(TELL, tell)
    ready(folder, os.getpid()).touch()
    sys.argv[1:] = ["worker"]
    main()
