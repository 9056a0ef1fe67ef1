"""Words of a text in any script: the one notion of a word for all that counts or compares them.

In scripts that write no spaces between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) each
character is a word, combining marks included. Elsewhere a word keeps its marks. Unicode's own
properties say which characters these are.
"""

import re
import unicodedata
from collections.abc import Sequence

import regex

LETTER = r"\p{L}\p{N}"
# Line breaks are found by dictionary ("SA") where South East Asian scripts write no spaces.
ALONE = rf"[[\p{{scx=Han}}\p{{scx=Hira}}\p{{scx=Kana}}\p{{lb=SA}}]&&[{LETTER}]]"
RUN = rf"[[{LETTER}]--{ALONE}][[{LETTER}\p{{M}}]--{ALONE}]*"
NAME = rf"[[{LETTER}_]--{ALONE}][[{LETTER}\p{{M}}_]--{ALONE}]*"
UNIT = rf"(?={ALONE})\X[\p{{M}}&&\p{{lb=SA}}]*"

# English and its neighbours, composed, in typographic quotes: read by the faster library.
UNUSUAL = re.compile(r"[^\x00-\x7f\xc0-\u012f\u2010-\u2027]")
PLAIN_WORD, PLAIN_NAME = re.compile(r"[^\W_]+"), re.compile(r"\w+")
WORD, NAMED = (regex.compile(rf"(?V1){UNIT}|{run}") for run in (RUN, NAME))
STANDS_ALONE = regex.compile(rf"(?V1){ALONE}")
CHUNK = regex.compile(rf"(?V1){UNIT}|[^\s\p{{P}}\p{{S}}\p{{lb=SA}}{ALONE}]+")
LETTERS = regex.compile(r"\p{L}[\p{L}\p{M}\u200c\u200d]*")
# Those that cannot be seen, but for the zero-width space, which parts words.
INVISIBLE = regex.compile(r"(?V1)[\p{DI}--\u200b]+")


def words_of(text: str, *, names: bool = False) -> list[str]:
    """RETURNS (list[str]): Words in lower case, without punctuation. Composed and decomposed, full
    and half width, with and without invisible characters are the same.

    text (str): Any text.
    names (bool): Whether "_" is part of a word, as in names of programs.
    """
    if is_plain(text):
        return (PLAIN_NAME if names else PLAIN_WORD).findall(text.lower())
    return (NAMED if names else WORD).findall(normal_form(text))


def is_plain(text: str) -> bool:
    """RETURNS (bool): Whether all characters are ASCII, common letters of Latin, or dashes and
    quotes.
    """
    return text.isascii() or not UNUSUAL.search(text)


def normal_form(text: str) -> str:
    """RETURNS (str): In lower case and NFKC, without invisible characters."""
    text = INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    # The capital dotted I becomes two characters, of which the second says nothing.
    return unicodedata.normalize("NFKC", text.lower().replace("i\u0307", "i"))


def chunks_of(text: str) -> list[str]:
    """RETURNS (list[str]): What white space parts; in scripts without spaces, each character, and
    no punctuation.
    """
    if is_plain(text) or not STANDS_ALONE.search(text):
        return text.split()
    return CHUNK.findall(text)


def stands_alone(word: str) -> bool:
    """RETURNS (bool): Whether it is one character of a script without spaces between words."""
    if word.isascii():
        return False
    found = regex.match(r"\X", word)
    return found.end() == len(word) and bool(STANDS_ALONE.match(word))


def has_only_letters(word: str) -> bool:
    """RETURNS (bool): Whether it is letters, with the marks on them."""
    return word.isalpha() or bool(LETTERS.fullmatch(word))


def is_one_character(word: str) -> bool:
    """RETURNS (bool): Whether a reader sees a single character, whatever it is made of."""
    return len(word) == 1 or (not word.isascii() and bool(regex.fullmatch(r"\X", word)))


def pairs_of(characters: Sequence[str]) -> list[str]:
    """RETURNS (list[str]): Each with the next, as search engines index Chinese; a single one by
    itself.
    """
    if len(characters) < 2:
        return list(characters)
    return [first + second for first, second in zip(characters, characters[1:])]
