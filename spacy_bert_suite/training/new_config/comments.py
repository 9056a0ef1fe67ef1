"""Comments in a config: thinc's `Config` has none, so they are put into its text."""

import re
from collections.abc import Iterator, Mapping

SECTION = re.compile(r"\[(.+)\]")
KEY = re.compile(r"([\w@]+) = ")
WIDTH = 99


class Comments(dict[tuple[str, str], str]):
    """Comments by section and key; the key "" stands for the whole section, and the section "" for
    the whole config.
    """


def commented(text: str, comments: Mapping[tuple[str, str], str]) -> str:
    """RETURNS (str): The text of a config with each comment on lines before what it is about."""
    return "\n".join(_lines(text, comments)) + "\n"


def _lines(text: str, comments: Mapping[tuple[str, str], str]) -> Iterator[str]:
    yield from as_comment(comments.get(("", ""), ""))
    section = ""
    for line in text.splitlines():
        header, key = SECTION.fullmatch(line), KEY.match(line)
        if header:
            section = header.group(1)
            yield from as_comment(comments.get((section, ""), ""))
        elif key:
            yield from as_comment(comments.get((section, key.group(1)), ""))
        yield line


def as_comment(text: str) -> Iterator[str]:
    """YIELDS (str): Lines that begin with "# "."""
    for line in text.splitlines():
        yield f"# {line}"
