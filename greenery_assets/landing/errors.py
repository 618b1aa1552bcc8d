"""What can go wrong in landing, as errors whose text is written for a person.

Here: the exception classes alone. Not here: the wording of a case, which stays where it is found.
"""


class LandingError(Exception):
    """What landing raises: one paragraph for a person."""


class ContractError(LandingError):
    """The contract itself is wrong: unreadable, or it names a type that landing does not know."""


class SourceError(LandingError):
    """The source folder does not hold what the contract asks for; the text names file and remedy."""


class LoadRefusedError(LandingError):
    """The load was given up, as a table lost its rows or too many were rejected; the text names the tables."""
