"""What goes back from the fake Slack over HTTP, and what can go wrong with it on the way."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from tests.slack.limits import RefusedError

ANY_METHOD = "*"


class Answer(NamedTuple):
    """What goes back over HTTP; `pause` (seconds) comes before each character of the body."""

    body: str
    status: int = 200
    headers: Mapping[str, str] = {}
    pause: float = 0


@dataclass(frozen=True)
class Fault:
    """What goes wrong with a request: it waits, is accepted or not, and gets another answer, a slow one or none."""

    after: float = 0
    accepts: bool = False
    answer: Answer | None = None
    drops: bool = False
    pause: float = 0

    @classmethod
    def http(cls, status: int = 500, accepts: bool = False) -> Self:
        """A page of somebody's web server."""
        return cls(answer=Answer("<html>Server Error</html>", status), accepts=accepts)

    @classmethod
    def rate_limited(cls, retry_after: int) -> Self:
        """Too many requests."""
        return cls(answer=rate_limited(retry_after))

    @classmethod
    def error(cls, code: str, accepts: bool = False, **fields: str) -> Self:
        """Slack's own refusal; `internal_error` and `fatal_error` may come although it accepted."""
        return cls(answer=refusal(RefusedError(code, **fields)), accepts=accepts)

    @classmethod
    def garbage(cls, accepts: bool = False) -> Self:
        """Success by its status, and no JSON."""
        return cls(answer=Answer("<html>Sign in to this network</html>"), accepts=accepts)

    @classmethod
    def dropped(cls, accepts: bool = False, after: float = 0) -> Self:
        """The connection is closed without an answer: accepted or not, at once or after hanging (seconds)."""
        return cls(drops=True, accepts=accepts, after=after)

    @classmethod
    def trickling(cls, pause: float) -> Self:
        """Accepted, and answered character by character, each after a pause (seconds): no read takes long."""
        return cls(accepts=True, pause=pause)

    @classmethod
    def late(cls, after: float) -> Self:
        """Accepted and answered after hanging (seconds), also when nobody waits any more."""
        return cls(accepts=True, after=after)


class Faults:
    """What is to go wrong: so many times (None: always) with a method (or any), first come, first served."""

    def __init__(self) -> None:
        self._waiting: list[tuple[str, Fault, int | None]] = []

    def add(self, method: str, fault: Fault, times: int | None) -> None:
        """One more."""
        self._waiting.append((method, fault, times))

    def clear(self) -> None:
        """Nothing more."""
        self._waiting.clear()

    def next(self, method: str) -> Fault | None:
        """What goes wrong with a request of a method now."""
        for index, (of_method, fault, times) in enumerate(self._waiting):
            if of_method in {method, ANY_METHOD}:
                if times == 1:
                    del self._waiting[index]
                elif times is not None:
                    self._waiting[index] = (of_method, fault, times - 1)
                return fault
        return None


def rate_limited(retry_after: int) -> Answer:
    """Too many requests: come again after some seconds."""
    body = json.dumps({"ok": False, "error": "ratelimited"})
    return Answer(body, 429, {"Retry-After": str(retry_after)})


def refusal(refused: RefusedError) -> Answer:
    """Slack says no, and why."""
    body: dict[str, Any] = {"ok": False, "error": refused.code, **refused.fields}
    if refused.detail:
        body["response_metadata"] = {"messages": [f"[ERROR] {refused.detail}"]}
    return Answer(json.dumps(body))
