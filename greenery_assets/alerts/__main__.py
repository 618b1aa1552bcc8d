"""Run with `python -m greenery_assets.alerts`."""

from greenery_assets.alerts.cli import app

if __name__ == "__main__":
    app()
