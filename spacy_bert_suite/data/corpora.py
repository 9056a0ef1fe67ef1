"""What readers of examples share: limits, and `.spacy` corpora in place of files."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from spacy.language import Language
from spacy.training import Corpus, Example

from ..errors import CodedValueError

Reader = Callable[[Language], Iterable[Example]]


def take(examples: Iterable[Example], limit: int, if_empty: str) -> Iterator[Example]:
    """Read examples up to a limit.

    limit (int): How many at most; 0 for all.
    if_empty (str): The error where there is none.
    YIELDS (Example): The examples.
    RAISES (ValueError): If there is none.
    """
    eg = None
    for eg in islice(examples, limit if limit > 0 else None):
        yield eg
    if eg is None:
        raise CodedValueError(if_empty)


def is_spacy_corpus(path: Path) -> bool:
    return path.is_dir() or path.suffix == ".spacy"


def read_corpus(path: Path, nlp: Language, reader: Reader) -> list[Example]:
    """RETURNS (list[Example]): Those of a `.spacy` corpus, or what the reader of another file
    gives.
    """
    return list(Corpus(path)(nlp) if is_spacy_corpus(path) else reader(nlp))
