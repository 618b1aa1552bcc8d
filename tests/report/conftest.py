"""The small shop of the alerts' tests, whose history the page tells."""

from tests.alerts.conftest import shop, slack

__all__ = ["shop", "slack"]
