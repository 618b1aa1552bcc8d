"""Failed checks as incidents that people read about in Slack, once (`alerting.md`).

What an observation is and what follows from it is pure (observations, incidents, planning, messages,
digest); ledger remembers, delivery sends, and only sensors and history know Dagster.
"""
