"""The page and the picture about the state of the data: can the figures be trusted, what is broken, what they say.

`state` reads Dagster's history and the alert ledger, `queries` the marts; `build` puts both together and writes the
files. All else is pure: facts and figures, their words (`wording`), the `parts` of the page with figures,
their `charts`, the `page` and the `picture`.
"""
