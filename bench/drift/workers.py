"""Work on many references, spread over processes; what comes out depends on the tasks alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import TypeVar

Task = TypeVar("Task")
Found = TypeVar("Found")


def spread(
    function: Callable[[Task], Found], tasks: Sequence[Task], processes: int, say: Callable[[str], None]
) -> list[Found]:
    """``function`` of each task, in their order; the function and the tasks can be pickled."""
    if processes == 1 or len(tasks) == 1:
        found = []
        for number, task in enumerate(tasks):
            say(f"{number} of {len(tasks)} done")
            found.append(function(task))
        return found
    with ProcessPoolExecutor(min(processes, len(tasks)), mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(function, task) for task in tasks]
        try:
            for number, future in enumerate(as_completed(futures)):
                future.result()
                say(f"{number + 1} of {len(tasks)} done")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        return [future.result() for future in futures]
