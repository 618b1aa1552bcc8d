"""Tests of greenery_assets.landing; they share support.py."""
