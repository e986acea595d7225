"""Work of the same kind in processes side by side, and how far they are together."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
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
    ``name`` is what it is about, in the sentence for a process that was ended from outside.
    """
    context = multiprocessing.get_context("spawn")
    done = [context.Value("q", 0, lock=False) for _ in arguments]
    try:
        with ProcessPoolExecutor(len(arguments), context, _counting, (done,)) as pool:
            running = [pool.submit(_run, number, task, given) for number, given in enumerate(arguments)]
            while wait(running, LOOK_S).not_done:
                progress(sum(one.value for one in done) / len(done))
            return [one.result() for one in running]
    except BrokenProcessPool:
        raise ReplayError(
            f"{name}: a process that judged was ended from outside, perhaps for want of memory; nothing is written"
        ) from None


_done: list[Any] = []
"""Where a process of its own writes how much it has done."""


def _counting(done: list[Any]) -> None:
    _done[:] = done


def _run(number: int, task: Callable[..., Found], arguments: tuple[Any, ...]) -> Found:
    def count(done: int) -> None:
        _done[number].value = done

    return task(*arguments, count)
