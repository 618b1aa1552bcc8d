"""The Dagster assets and their checks: thin glue over modules that know no Dagster."""
