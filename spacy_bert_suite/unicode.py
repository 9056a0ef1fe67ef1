"""Texts that UTF-8 can hold."""


def clean(text: str) -> str:
    """RETURNS (str): The text with lone surrogates replaced by U+FFFD, and pairs of them joined.
    JSON, and arguments that are not UTF-8, can hold them; spaCy refuses them.
    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
