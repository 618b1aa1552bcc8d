"""A sign of life for a watcher outside, such as healthchecks.io: it notices by silence that no pass goes on any more.

Whether a pass was good is sensors' business.
"""

import logging
import time
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from greenery_assets.alerts.project import Project

PATIENCE_S = 5.0
# A pass comes every ten seconds; watchers count in minutes.
PAUSE_S = 60.0
# When each address was last pinged, by the clock of this process. After a restart the first pass pings again.
_LAST: dict[str, float] = {}


def ping(project: Project, log: logging.Logger, *, is_good: bool) -> str:
    """Have the watcher of a project know how a pass ended, at most once a minute for each way.

    Returns why that failed, without the address, which may be a secret; it is logged too. Raises nothing.
    """
    if project.ping_url is None:
        return ""
    parts = urlsplit(project.ping_url)
    address = (parts if is_good else parts._replace(path=f"{parts.path.rstrip('/')}/fail")).geturl()
    now = time.monotonic()
    if now - _LAST.get(address, -PAUSE_S) < PAUSE_S:
        return ""
    _LAST[address] = now
    try:
        with urlopen(address, timeout=PATIENCE_S):
            return ""
    except HTTPError as error:
        with error:
            cause = f"its server answers with {error.code}"
    except (OSError, HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        # Other texts of errors may quote the address.
        cause = (isinstance(reason, OSError) and (reason.strerror or str(reason))) or type(reason).__name__
    problem = f"The ping to {project.setting('PING_URL')} could not be sent: {cause}."
    log.warning(problem)
    return problem
