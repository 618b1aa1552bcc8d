"""Files as the fake Slack takes them: announced, uploaded, completed, and only then shown in messages."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.slack.arguments import Arguments, structure
from tests.slack.faults import Answer
from tests.slack.limits import RefusedError


class Files:
    """The files of a workspace. `refused` is how many messages Slack refuses that show a file it has just taken."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.refused = 0
        self._announced: dict[str, int] = {}
        self._complete: set[str] = set()
        self._to_refuse = 0

    def announce(self, arguments: Arguments, address: str) -> dict[str, Any]:
        """files.getUploadURLExternal: where to upload, and the id that the file will have."""
        file = f"F0{len(self._announced):08}"
        self._announced[file] = int(arguments["length"])
        return {"upload_url": f"{address}upload/{file}", "file_id": file}

    def upload(self, file: str, content: bytes) -> Answer:
        """What an upload to the address of a file gets."""
        if self._announced.get(file) != len(content):
            return Answer("not what was announced", 400)
        self.contents[file] = content
        return Answer(f"OK - {len(content)}")

    def complete(self, arguments: Arguments) -> dict[str, Any]:
        """files.completeUploadExternal, shared nowhere: only messages of the same bot may show it."""
        files = structure(arguments, "files", "invalid_arguments") or []
        if not files or any(file["id"] not in self.contents for file in files):
            raise RefusedError("file_not_found")
        self._complete.update(file["id"] for file in files)
        self._to_refuse = self.refused
        # Slack takes a file before it knows what it is.
        return {"files": [{"id": file["id"], "title": file["title"], "mimetype": ""} for file in files]}

    def check(self, blocks: Sequence[Mapping[str, Any]]) -> None:
        """Refuse blocks that show a file which is not there, or not looked at yet."""
        for block in blocks:
            if file := block.get("slack_file", {}).get("id"):
                self._to_refuse, is_early = self._to_refuse - 1, self._to_refuse > 0
                if file not in self._complete or is_early:
                    raise RefusedError("invalid_blocks", "invalid slack file")
