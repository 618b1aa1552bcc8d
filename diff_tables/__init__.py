"""`make diff BASE=main`: what a change does to tables, figures and checks, for the reviewer of the change.

Here: building a base and the change from one source (sides.py, outcomes.py), comparing what they built (compare.py),
and writing it down (markdown.py). A tool for developers, not in the wheel. Not here: speed (bench).
"""
