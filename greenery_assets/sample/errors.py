"""The one error that a caller of the sample generator can cause."""


class SampleError(ValueError):
    """The arguments or the folder do not allow a sample; the text is one line for the person asking."""
