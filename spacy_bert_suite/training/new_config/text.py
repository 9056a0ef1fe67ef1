"""The text of a config: each section before those inside it, with comments."""

import re
from collections.abc import Iterator, Mapping, Sequence

SECTION = re.compile(r"\[(.+)\]")
KEY = re.compile(r"([\w@]+) = ")


Path = tuple[str, ...]  # of a section


class Comments(dict[tuple[str, str], str]):
    """Comments by section and key; the key "" stands for the whole section, and the section "" for
    the whole config. thinc's `Config` has no comments, so they are put into its text.
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


def in_order(text: str, first: Sequence[str]) -> str:
    """Put sections where one looks for them: thinc writes all of one depth before the next.

    text (str): Of a config.
    first (Sequence[str]): Names of outer sections, in their order.
    RETURNS (str): The same sections, each followed by those inside it.
    """
    blocks = [block.strip() for block in re.split(r"^(?=\[)", text, flags=re.MULTILINE)]
    sections = {path_of(block): block for block in blocks if block}
    ranks: dict[Path, int] = {(name,): i for i, name in enumerate(first)}
    for path in sections:
        for n in range(1, len(path) + 1):
            ranks.setdefault(path[:n], len(ranks))

    def rank(path: Path) -> list[int]:
        return [ranks[path[:n]] for n in range(1, len(path) + 1)]

    return "\n\n".join(sections[path] for path in sorted(sections, key=rank))


def path_of(block: str) -> Path:
    header = block.partition("\n")[0]
    return tuple(header.strip("[]").split("."))
