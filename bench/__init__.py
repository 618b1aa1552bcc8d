"""Measurements of the platform: synthetic history at any size, and what its runs cost. See docs/performance.md.

Not part of the platform: nothing in greenery_assets imports from here.
"""
