"""A stateful fake Slack: channels, threads and messages behind Slack's Web API, over real HTTP on localhost.

Here is what Slack remembers and answers, and what can go wrong on the way. What a message may look like is
limits' business. It knows what a bot that posts, edits and looks up messages needs: anything else it refuses
rather than ignores, so that nothing passes unchecked.
"""

import base64
import binascii
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, NamedTuple, Self
from uuid import uuid4

from tests.slack.arguments import Arguments, flag, parsing, structure, within
from tests.slack.faults import ANY_METHOD, Answer, Fault, Faults, rate_limited, refusal
from tests.slack.files import Files
from tests.slack.limits import TEXT_LIMIT, UPDATED_TEXT_LIMIT, RefusedError, check_message
from tests.slack.reading import Posted, links, pings
from tests.slack.server import Server

__all__ = ["ANY_METHOD", "BURST", "UPLOAD", "Answer", "Channel", "FakeSlack", "Fault", "Posted", "links", "pings"]

BOT_USER, BOT_ID, PERSON = "U0GREENERYBOT", "B0GREENERY", "U0SOMEBODY"
# Not one of the API's methods, but what is sent to the address that files.getUploadURLExternal gives.
UPLOAD = "upload"
BURST = 3


@dataclass
class Channel:
    """A channel as the bot sees it; to be changed in place while tests run."""

    id: str
    name: str
    is_member: bool = True
    is_archived: bool = False
    is_private: bool = False


class Request(NamedTuple):
    """A request that arrived, whatever became of it, and when (seconds since the epoch)."""

    method: str
    at: float


class FakeSlack:
    """A workspace with one bot, for as long as the context lasts."""

    def __init__(self) -> None:
        # Each its own: a later workspace may get the port of an earlier one.
        self.token = f"xoxb-test-{uuid4()}"
        self.channels: dict[str, Channel] = {}
        self.requests: list[Request] = []
        self.scopes = {"chat:write", "files:write", *READING}
        self.rate_limit = False
        # Slack may give fewer than asked for.
        self.page_limit = 999
        self.files = Files()
        self._posted: list[Posted] = []
        self._faults = Faults()
        self._newest_ts = 0
        self._allowance: dict[str, tuple[float, float]] = defaultdict(lambda: (BURST, 0.0))
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._servers: list[Server] = []
        self._methods: dict[str, tuple[Callable[[Arguments], dict[str, Any]], set[str]]] = {
            "auth.test": (self._auth_test, set()),
            "chat.postMessage": (
                self._post,
                {"channel", "thread_ts", "reply_broadcast", "mrkdwn", "unfurl_links", "unfurl_media", *CONTENT},
            ),
            "chat.update": (self._update, {"channel", "ts", *CONTENT}),
            "files.getUploadURLExternal": (self._upload_url, {"filename", "length", "alt_txt"}),
            "files.completeUploadExternal": (self._complete_upload, {"files"}),
            "conversations.list": (self._list, {"cursor", "limit", "types", "exclude_archived"}),
            "conversations.history": (self._history, RANGE),
            "conversations.replies": (self._replies, {"ts", *RANGE}),
        }

    def __enter__(self) -> Self:
        self._listen(0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self.stop_listening()
        for server in self._servers:
            server.server_close()

    @property
    def url(self) -> str:
        """What a client takes as its base URL."""
        return f"http://127.0.0.1:{self._servers[-1].server_port}/api/"

    def stop_listening(self) -> None:
        """Refuse connections from now on; requests that are already there are answered still."""
        self._servers[-1].shutdown()
        self._servers[-1].socket.close()

    def listen_again(self) -> None:
        """Be there again, at the same address and with everything remembered."""
        self._listen(self._servers[-1].server_port)

    def _listen(self, port: int) -> None:
        server = Server(port, self)
        self._servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()

    # What tests arrange and look at

    def add_channel(self, name: str, member: bool = True, private: bool = False) -> Channel:
        """A new channel."""
        channel = Channel(f"C0{len(self.channels):06}", name, is_member=member, is_private=private)
        self.channels[name] = channel
        return channel

    def say(self, channel_name: str, text: str, thread_ts: str | None = None) -> Posted:
        """Somebody else posts a message."""
        with self._lock:
            return self._add(Posted(self._next_ts(), self.channels[channel_name].id, PERSON, text, thread_ts=thread_ts))

    def messages(self, channel_name: str) -> list[Posted]:
        """The top level messages of a channel in order, without replies (also those that were broadcast)."""
        return self._in(self.channels[channel_name].id, None)

    def thread(self, channel_name: str, ts: str) -> list[Posted]:
        """The replies to a message in order."""
        return self._in(self.channels[channel_name].id, ts)

    def all_messages(self) -> list[Posted]:
        """Everything in order, replies included."""
        with self._lock:
            return list(self._posted)

    def fault(self, method: str, fault: Fault, times: int | None = 1) -> None:
        """Let the next requests of a method (or ANY_METHOD) go wrong; None: all of them. First come, first served."""
        with self._lock:
            self._faults.add(method, fault, times)

    def clear_faults(self) -> None:
        """Let nothing go wrong any more, but what is going wrong already."""
        with self._lock:
            self._faults.clear()

    # Answering

    def answer(self, method: str, token: str, arguments: Arguments) -> Answer | None:
        """What a request gets; None: its connection is dropped."""
        with self._lock:
            self.requests.append(Request(method, time.time()))
            fault = self._faults.next(method)
        return self._answer(fault, lambda: self._accept(method, token, arguments))

    def _answer(self, fault: Fault | None, accept: Callable[[], Answer]) -> Answer | None:
        if fault is None:
            return accept()
        if self.is_closing_within(fault.after):
            return None
        honest = accept() if fault.accepts else None
        answer = None if fault.drops else fault.answer or honest
        return answer and answer._replace(pause=fault.pause)

    def is_closing_within(self, seconds: float) -> bool:
        """Wait, unless or until the workspace is closed; returns whether it is."""
        return self._closing.wait(seconds)

    def _accept(self, method: str, token: str, arguments: Arguments) -> Answer:
        try:
            with self._lock:
                if method not in self._methods:
                    raise RefusedError("unknown_method")
                if token != self.token:
                    raise RefusedError("invalid_auth" if token else "not_authed")
                perform, known = self._methods[method]
                if unknown := set(arguments) - known:
                    raise RefusedError("invalid_arguments", f"this fake does not know {unknown}")
                return Answer(json.dumps({"ok": True, **perform(arguments)}))
        except RefusedError as refused:
            return rate_limited(1) if refused.code == "ratelimited" else refusal(refused)

    def _auth_test(self, _: Arguments) -> dict[str, Any]:
        return {
            "url": "https://greenery-test.slack.com/",
            "team": "Greenery Test",
            "team_id": "T0GREENERY",
            "user": "greenery",
            "user_id": BOT_USER,
            "bot_id": BOT_ID,
        }

    def _post(self, arguments: Arguments) -> dict[str, Any]:
        self._need("chat:write")
        channel = self._channel(arguments, by_name=True)
        if channel.is_archived:
            raise RefusedError("is_archived")
        if not channel.is_member:
            raise RefusedError("not_in_channel")
        self._spend(channel)
        text, blocks = arguments.get("text") or "", structure(arguments, "blocks", "invalid_blocks_format") or []
        metadata, parse = structure(arguments, "metadata", "invalid_metadata_format"), parsing(arguments)
        check_message(text, blocks, metadata, TEXT_LIMIT)
        self.files.check(blocks)
        thread_ts = arguments.get("thread_ts") or None
        if thread_ts and thread_ts not in {parent.ts for parent in self._in(channel.id, None)}:
            raise RefusedError("thread_not_found")
        broadcast = thread_ts is not None and flag(arguments, "reply_broadcast")
        message = self._add(
            Posted(self._next_ts(), channel.id, BOT_USER, text, blocks, metadata, thread_ts, broadcast, parse)
        )
        return {"channel": channel.id, "ts": message.ts, "message": self._view(message, with_metadata=True)}

    def _update(self, arguments: Arguments) -> dict[str, Any]:
        self._need("chat:write")
        channel = self._channel(arguments)
        if channel.is_archived:
            raise RefusedError("is_inactive")
        before = self._message(channel, arguments.get("ts"))
        if before is None:
            raise RefusedError("message_not_found")
        if before.user != BOT_USER:
            raise RefusedError("cant_update_message")
        text, blocks = arguments.get("text") or "", structure(arguments, "blocks", "invalid_blocks_format")
        if not text and blocks is None:
            raise RefusedError("no_text")
        metadata, parse = structure(arguments, "metadata", "invalid_metadata_format"), parsing(arguments)
        # Text without blocks removes the blocks, metadata stays unless an empty object removes it.
        kept = before.metadata if metadata is None else metadata or None
        check_message(text, blocks or [], kept, UPDATED_TEXT_LIMIT)
        self.files.check(blocks or [])
        after = replace(
            before,
            text=text,
            blocks=blocks or [],
            metadata=kept,
            parse=parse,
            history=(*before.history, (before.text, before.blocks)),
        )
        self._posted[self._posted.index(before)] = after
        return {"channel": channel.id, "ts": after.ts, "text": after.text, "message": self._view(after, True)}

    def _upload_url(self, arguments: Arguments) -> dict[str, Any]:
        self._need("files:write")
        return self.files.announce(arguments, self.url.removesuffix("api/"))

    def _complete_upload(self, arguments: Arguments) -> dict[str, Any]:
        self._need("files:write")
        return self.files.complete(arguments)

    def upload(self, file: str, content: bytes) -> Answer | None:
        """What an upload to the address of a file gets; None: its connection is dropped."""

        def accept() -> Answer:
            with self._lock:
                return self.files.upload(file, content)

        with self._lock:
            fault = self._faults.next(UPLOAD)
        return self._answer(fault, accept)

    def _list(self, arguments: Arguments) -> dict[str, Any]:
        types = str(arguments.get("types") or "public_channel").split(",")
        for kind in types:
            if kind not in SCOPE_OF_TYPE:
                raise RefusedError("invalid_types")
            self._need(SCOPE_OF_TYPE[kind])
        listed = [
            (channel.id, {**vars(channel), "is_channel": True})
            for channel in self.channels.values()
            if ("private_channel" if channel.is_private else "public_channel") in types
            and (channel.is_member or not channel.is_private)
            and not (channel.is_archived and flag(arguments, "exclude_archived"))
        ]
        page, cursor = self._page(arguments, listed)
        return {"channels": page, "response_metadata": {"next_cursor": cursor}}

    def _history(self, arguments: Arguments) -> dict[str, Any]:
        channel = self._readable(arguments)
        shown = [
            message
            for message in self.all_messages()
            if message.channel == channel.id and (message.thread_ts is None or message.broadcast)
        ]
        page, cursor = self._page(arguments, self._views(arguments, within(arguments, shown[::-1])))
        return {"messages": page, "has_more": cursor != "", "response_metadata": {"next_cursor": cursor}}

    def _replies(self, arguments: Arguments) -> dict[str, Any]:
        channel = self._readable(arguments)
        parent = self._message(channel, arguments.get("ts"))
        if parent is None:
            raise RefusedError("thread_not_found")
        replies = within(arguments, self._in(channel.id, parent.ts))
        page, cursor = self._page(arguments, self._views(arguments, replies))
        # Slack begins every page with the parent.
        messages = [view for _, view in self._views(arguments, [parent])] + page
        return {"messages": messages, "has_more": cursor != "", "response_metadata": {"next_cursor": cursor}}

    # What they share

    def _need(self, scope: str) -> None:
        if scope not in self.scopes:
            raise RefusedError("missing_scope", needed=scope, provided=",".join(sorted(self.scopes)))

    def _find_channel(self, arguments: Arguments, by_name: bool = False) -> Channel | None:
        wanted = str(arguments.get("channel") or "")
        for channel in self.channels.values():
            if wanted == channel.id or (by_name and wanted.removeprefix("#") == channel.name):
                return channel
        return None

    def _channel(self, arguments: Arguments, by_name: bool = False) -> Channel:
        channel = self._find_channel(arguments, by_name)
        if channel is None or (channel.is_private and not channel.is_member):
            raise RefusedError("channel_not_found")
        return channel

    def _readable(self, arguments: Arguments) -> Channel:
        found = self._find_channel(arguments)
        self._need("groups:history" if found and found.is_private else "channels:history")
        channel = self._channel(arguments)
        if not channel.is_member:
            raise RefusedError("not_in_channel")
        return channel

    def _spend(self, channel: Channel) -> None:
        if not self.rate_limit:
            return
        left, since = self._allowance[channel.id]
        now = time.monotonic()
        left = min(BURST, left + now - since)
        if left < 1:
            raise RefusedError("ratelimited")
        self._allowance[channel.id] = (left - 1, now)

    def _next_ts(self) -> str:
        self._newest_ts = max(self._newest_ts + 1, time.time_ns() // 1000)
        return f"{self._newest_ts // 10**6}.{self._newest_ts % 10**6:06}"

    def _add(self, message: Posted) -> Posted:
        self._posted.append(message)
        return message

    def _in(self, channel_id: str, thread_ts: str | None) -> list[Posted]:
        return [one for one in self.all_messages() if (one.channel, one.thread_ts) == (channel_id, thread_ts)]

    def _message(self, channel: Channel, ts: Any) -> Posted | None:
        return next((one for one in self._posted if (one.channel, one.ts) == (channel.id, ts)), None)

    def _views(self, arguments: Arguments, messages: Sequence[Posted]) -> list[tuple[str, dict[str, Any]]]:
        with_metadata = flag(arguments, "include_all_metadata")
        return [(message.ts, self._view(message, with_metadata)) for message in messages]

    def _view(self, message: Posted, with_metadata: bool) -> dict[str, Any]:
        view: dict[str, Any] = {"type": "message", "user": message.user, "text": message.text, "ts": message.ts}
        if message.user == BOT_USER:
            view |= {"bot_id": BOT_ID, "blocks": message.blocks}
        if message.broadcast:
            view["subtype"] = "thread_broadcast"
        if replies := self._in(message.channel, message.ts):
            view |= {"thread_ts": message.ts, "reply_count": len(replies), "latest_reply": replies[-1].ts}
        elif message.thread_ts:
            view |= {"thread_ts": message.thread_ts}
        if with_metadata and message.metadata:
            view["metadata"] = message.metadata
        return view

    def _page(self, arguments: Arguments, items: Sequence[tuple[str, dict[str, Any]]]) -> tuple[list[Any], str]:
        """One page, and the cursor of the next: what was last seen, so that newer messages do not shift it."""
        limit = str(arguments.get("limit") or 100)
        if not limit.isdecimal() or int(limit) < 1:
            raise RefusedError("invalid_limit")
        start = 0
        if cursor := arguments.get("cursor"):
            keys = [key for key, _ in items]
            try:
                start = keys.index(base64.b64decode(str(cursor), validate=True).decode()) + 1
            except (ValueError, binascii.Error):
                raise RefusedError("invalid_cursor") from None
        end = start + min(int(limit), self.page_limit)
        more = base64.b64encode(items[end - 1][0].encode()).decode() if end < len(items) else ""
        return [item for _, item in items[start:end]], more


READING = {"channels:read", "channels:history", "groups:read", "groups:history"}
CONTENT = {"text", "blocks", "metadata", "parse"}
RANGE = {"channel", "cursor", "limit", "oldest", "latest", "inclusive", "include_all_metadata"}
SCOPE_OF_TYPE = {"public_channel": "channels:read", "private_channel": "groups:read"}
