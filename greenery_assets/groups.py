"""What each group of assets is for, in the order data flows through them.

Words only: Dagster knows the names of groups and no descriptions, so every asset shows the words of its own.
"""

# Short enough for one line of an asset's page.
PURPOSES = {
    "raw": "the source tables as they came, typed",
    "staging": "one checked view of each source table",
    "core": "users, products and orders for all marts",
    "marketing": "who buys, who comes back and why",
    "product": "what users do on the site until they buy",
    "reporting": "what people are told about the data",
}
GROUPS = tuple(PURPOSES)


def group_in_words(name: str) -> str:
    """A group's name and what it is for, as each of its assets shows it."""
    return f"{name}: {PURPOSES[name]}"


def position(name: str) -> int:
    """Where a group stands among the groups; one that somebody added stands behind them."""
    return GROUPS.index(name) if name in PURPOSES else len(GROUPS)


def is_mart(name: str) -> bool:
    """Whether people use its tables: all groups but those that lead to the marts and those that report on them."""
    return name not in {"raw", "staging", "reporting"}
