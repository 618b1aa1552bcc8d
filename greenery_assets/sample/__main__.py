"""The command `python -m greenery_assets.sample`."""

from greenery_assets.sample.cli import app

app(prog_name="python -m greenery_assets.sample")
