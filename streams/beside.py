"""Work of the same kind in processes side by side, and how far they are together."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from streams.rejudge import ReplayError

FROM_BYTES = 4 << 20
"""From this size of the events on, processes are worth their start."""

LOOK_S = 0.2
Found = TypeVar("Found")


def beside(
    task: Callable[..., Found], arguments: Sequence[tuple[Any, ...]], name: str,
    progress: Callable[[float], None] = lambda _: None,
) -> list[Found]:  # fmt: skip
    """What ``task`` makes of each arguments, each in a process of its own; whatever one raises is raised here.

    A task gets, behind its arguments, a function to tell how much it has done; ``progress`` is told their mean.
    Once one has raised, that function ends the others: what they would come to is of no use.
    ``name`` is what it is about, in the sentence for a process that was ended from outside.
    """
    context = multiprocessing.get_context("spawn")
    done = [context.Value("q", 0, lock=False) for _ in arguments]
    enough = context.Value("b", 0, lock=False)
    try:
        with ProcessPoolExecutor(len(arguments), context, _counting, (done, enough)) as pool:
            running = [pool.submit(_run, number, task, given) for number, given in enumerate(arguments)]
            while (found := wait(running, LOOK_S, FIRST_EXCEPTION)).not_done:
                failed = next((one for one in found.done if one.exception() is not None), None)
                if failed is not None:
                    enough.value = 1
                    failed.result()
                progress(sum(one.value for one in done) / len(done))
            return [one.result() for one in running]
    except BrokenProcessPool:
        raise ReplayError(
            f"{name}: a process that judged was ended from outside, perhaps for want of memory; nothing is written"
        ) from None


_done: list[Any] = []
"""Where a process of its own writes how much it has done, and behind that finds whether it is enough."""
_parent: list[int] = []


def _counting(done: list[Any], enough: Any) -> None:
    _done[:] = [*done, enough]
    _parent[:] = [os.getppid()]


def _alone() -> bool:
    """Whether the process that asked for this has ended: nobody will read what it comes to."""
    return bool(_parent) and os.getppid() != _parent[0]


def _run(number: int, task: Callable[..., Found], arguments: tuple[Any, ...]) -> Found:
    def count(done: int) -> None:
        if _done[-1].value:
            raise ReplayError("another share could not be judged")
        if _alone():
            os._exit(1)
        _done[number].value = done

    return task(*arguments, count)
