"""CoNLL files to Docs with entities."""

import warnings
from collections.abc import Iterator
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

from ...data.lines import read_lines
from ...data.records import Renames
from ...errors import CodedValueError, Errors, Warnings
from .schemes import PART_OF

CLOSING = {*".,;:!?)]}%", "...", "…", "”"}
OPENING = {*"([{$€£#", "“"}
CLITICS = ("n't", "'s", "'m", "'re", "'ve", "'ll", "'d")
DOCUMENT_START = "-DOCSTART-"


def ner_docs(path: Path, nlp: Language, rename: Renames) -> Iterator[Doc]:
    """Entities from `token<TAB>tag` lines with BIO, BILOU or BIOES tags and a blank line between
    sentences (or a -DOCSTART- line). The tokens are kept as they are; more columns may stand
    between token and tag.

    path (Path): The file.
    nlp (Language): Gives the vocab.
    rename (dict[str, str]): New names for entity labels.
    YIELDS (Doc): One per sentence.
    RAISES (ValueError): If a line has no tag, or a tag but no word; where the tag is O, as in
        corpora that have lost a character, the line is left out with a warning.
    """
    words: list[str] = []
    tags: list[str] = []
    wordless: list[int] = []
    for number, line in [*read_lines(path), (0, "")]:
        if line.startswith("\t") and line.split() == ["O"]:
            wordless.append(number)
        elif line.split()[:1] not in ([], [DOCUMENT_START]):
            word, label = read_token(path, number, line)
            words.append(word)
            tags.append(begin_or_inside(label, tags, rename))
        elif words:
            yield Doc(nlp.vocab, words=words, spaces=guess_spaces(words), ents=tags)
            words, tags = [], []
    if wordless:
        message = Warnings.B914.format(path=path, n=len(wordless), first=wordless[0])
        warnings.warn(message, stacklevel=2)


def read_token(path: Path, number: int, line: str) -> tuple[str, str]:
    """Word and tag of a CoNLL line: its first and last column."""
    columns = line.split("\t") if "\t" in line else line.split()
    word, tag = columns[0], columns[-1].strip()
    bad_tag = tag != "O" and not (tag[:1] in PART_OF and tag[1:2] == "-" and tag[2:])
    if len(columns) < 2 or not word.strip() or bad_tag:
        raise CodedValueError(Errors.B202.format(path=path, line=number, found=line[:60]))
    return word, tag


def begin_or_inside(tag: str, before: list[str], rename: Renames) -> str:
    """The tag as BIO under its new name; one that continues nothing begins an entity (IOB1)."""
    if tag == "O":
        return tag
    label = rename.get(tag[2:], tag[2:])
    continues = bool(before) and before[-1] in (f"B-{label}", f"I-{label}")
    return f"I-{label}" if PART_OF[tag[0]] in "IL" and continues else f"B-{label}"


def guess_spaces(words: list[str]) -> list[bool]:
    """Whether a space follows each word, as in ordinary English print.

    words (list[str]): The tokens of a sentence.
    RETURNS (list[bool]): One value per token.
    """
    spaces = []
    in_quotes = False
    for word, following in zip(words, [*words[1:], ""]):
        if word == '"':
            in_quotes = not in_quotes
        opens = word in OPENING or (word == '"' and in_quotes)
        closes = following in CLOSING or (following == '"' and in_quotes)
        clitic = following.replace("’", "'").lower() in CLITICS
        spaces.append(bool(following) and not (opens or closes or clitic))
    return spaces
