"""A time limit for work that has none of its own, such as an answer that trickles in. Knows nothing of Slack."""

from collections.abc import Callable
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T]) -> T:
    """What work gives, or what it raises; TimeoutError when it takes longer.

    It then goes on in a thread that nothing waits for, so it must not be in the way of anything.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(max(seconds, 0))
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError
    return results[0]
