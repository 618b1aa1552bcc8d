"""Greenery's data platform: source tables in, checked marts out, as Dagster assets."""

import warnings

# Links from an asset to its source are marked beta by Dagster; their absence would break nothing.
warnings.filterwarnings("ignore", message=".*(CodeReference|source_code_references).* is currently in beta")
