"""Where messages go while no token for Slack is set: the log, and a page to look at."""

import logging
from datetime import datetime
from pathlib import Path

from greenery_assets.alerts import pictures
from greenery_assets.alerts.delivery import PREVIEW, Receipt
from greenery_assets.alerts.ledger import Ledger, message_of
from greenery_assets.alerts.messages import SAMPLE, Message
from greenery_assets.alerts.preview import TITLE, PreviewPost, render_preview

SHOWN_MESSAGES = 200


class LogTransport:
    """Writes messages to the log; the page is drawn from the ledger, which has them all."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log

    def post(
        self,
        channel: str,
        message: Message,
        delivery_id: str,
        thread: Receipt | None,
        *,
        is_broadcast: bool,  # noqa: ARG002  both are in sight on the page
    ) -> Receipt:
        """Log a message."""
        self._log.info("%s %s%s", channel, "(in a thread) " if thread else "", message.text)
        return Receipt(PREVIEW, delivery_id)

    def edit(self, posted: Receipt, message: Message) -> Receipt:  # noqa: ARG002  the page shows the newest content
        """Nothing to do: what happened is logged as a message of its own."""
        return posted

    def find(
        self,
        channel: str,  # noqa: ARG002
        delivery_id: str,  # noqa: ARG002
        thread: Receipt | None,  # noqa: ARG002
        since: datetime,  # noqa: ARG002
    ) -> Receipt | None:
        """Nothing is ever lost on the way."""
        return None

    def has(self, receipt: Receipt) -> bool:
        """Whether a message was written here, before a token was set or after it was taken away."""
        return receipt.channel == PREVIEW


def write_preview(ledger: Ledger, path: Path, picture: Path, *, is_sample: bool = False) -> None:
    """Draw the newest messages, with their threads and as edited, as one page. Raises OSError."""
    with ledger.transaction() as book:
        sent = book.sent(SHOWN_MESSAGES)
        edited = book.newest_edits(row.delivery_id for row in sent)
    replies: dict[str, list[PreviewPost]] = {}
    for row in sent:
        if row.root:
            replies.setdefault(row.root, []).append(PreviewPost(row.channel, message_of(row), row.sent_at))
    posts = [
        PreviewPost(
            row.channel,
            message_of(edited.get(row.delivery_id, row)),
            row.sent_at,
            tuple(replies.get(row.delivery_id, ())),
        )
        for row in sent
        if not row.root
    ]
    names = {pictures.shown_in(post.message.blocks) for post in posts} - {""}
    found = {name: content for name in names if (content := pictures.read(picture, name))}
    path.parent.mkdir(parents=True, exist_ok=True)
    title = f"{TITLE}: {SAMPLE}" if is_sample else TITLE
    path.write_text(render_preview(posts, title, found), encoding="utf-8")
