"""Lone surrogates and invisible texts."""


def replace_surrogates(text: str) -> str:
    """RETURNS (str): The text with lone surrogates replaced by U+FFFD, and pairs of them joined.
    JSON, and arguments that are not UTF-8, can hold them; spaCy refuses them.
    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def is_blank(text: str) -> bool:
    """RETURNS (bool): Whether it is only white space and characters that cannot be seen, such as
    a zero-width space, of which BERT makes no wordpiece.
    """
    return all(map(_is_unseen, text))


def has_blank_edge(text: str) -> bool:
    """RETURNS (bool): Whether it begins or ends with white space or such a character."""
    return _is_unseen(text[:1]) or _is_unseen(text[-1:])


def _is_unseen(char: str) -> bool:
    return char.isspace() or not char.isprintable()
