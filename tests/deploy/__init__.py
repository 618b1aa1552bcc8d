"""Tests of greenery_assets.warehouse."""
