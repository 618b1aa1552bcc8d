"""Failed checks of a Dagster project as incidents that people read about in Slack, once.

A project hands over one `Project` (project) and has everything else: runs reads what ended, incidents and lifecycle
judge it, inhibit and silence hold back what nobody need hear, messages, wording and digest word it, dispatch decides
where it goes, ledger remembers, notify and slack send. Only project, runs, slow_runs, dispatch,
sensors and cli know Dagster. Nothing here knows which project it serves.
"""
