"""The page and the picture of the state of the data: whether the figures can be used, what is broken, the figures.

`state` reads Dagster's history and the alert ledger, `queries` the marts; `build` puts both together and writes the
files. All else is pure: facts and figures, their words (`wording`), the `parts` of the page with figures,
their `charts`, the `page` and the `picture`.
"""
