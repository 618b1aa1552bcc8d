"""What goes back from the fake Slack over HTTP, and what can go wrong with it on the way."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from tests.slack.limits import RefusedError


class Answer(NamedTuple):
    """What goes back over HTTP."""

    body: str
    status: int = 200
    headers: Mapping[str, str] = {}


@dataclass(frozen=True)
class Fault:
    """What goes wrong with a request: it waits, is accepted or not, and gets another answer or none."""

    after: float = 0
    accepts: bool = False
    answer: Answer | None = None
    drops: bool = False

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
    def late(cls, after: float) -> Self:
        """Accepted and answered after hanging (seconds), also when nobody waits any more."""
        return cls(accepts=True, after=after)


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
