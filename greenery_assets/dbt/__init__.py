"""All Python that talks to dbt: its project, what it reports while it builds, when it rebuilds everything."""
