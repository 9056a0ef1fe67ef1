"""Plain text as a stream of documents: lines, JSON records or spaCy Docs, in one file or many."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ...core.text import replace_surrogates
from ...data.lines import read_lines
from ...data.records import read_rows
from ...errors import CodedValueError, Errors

SUFFIXES = (".txt", ".jsonl", ".spacy")
# Characters of a document that are held at a time: a file without blank lines is one document.
LONGEST_PART = 100_000
Paths = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class Tokens:
    """Words of a text, as spaCy has split it, without the Doc.

    words (list[str]): The tokens.
    spaces (list[bool]): Whether a space follows each.
    starts (list[bool] | None): Whether a sentence begins with each; None if nobody has said.
    """

    words: list[str]
    spaces: list[bool]
    starts: list[bool] | None = None


Paragraph = str | Tokens


@dataclass(frozen=True)
class Document:
    """A document, or a part of a long one.

    key (tuple[int, int]): Numbers of the file and of the document in it; parts of one document
        share it.
    paragraphs (list[Paragraph]): In order. No sentence reaches across two of them.
    size (int): Characters.
    """

    key: tuple[int, int]
    paragraphs: list[Paragraph]
    size: int


def find_files(path: Paths) -> list[Path]:
    """The files of a corpus, in order.

    path (Paths): A file (also without its suffix, "folder/train"), a folder (its files of the known
        kinds, in those inside it too), or a list of these.
    RETURNS (list[Path]): One or more.
    RAISES (ValueError): If there is none, or the name of one says nothing about its kind.
    """
    paths = [path] if isinstance(path, (str, Path)) else list(path)
    found: list[Path] = []
    for one in map(Path, paths):
        if one.is_dir():
            inside = (p for p in one.rglob("*") if p.is_file() and kind_of(p) in SUFFIXES)
            found.extend(sorted(inside))
        elif not one.exists():
            found.extend(named(one))
        elif kind_of(one) not in SUFFIXES:
            raise CodedValueError(Errors.B209.format(path=one, suffixes=", ".join(SUFFIXES)))
        else:
            found.append(one)
    if not found:
        raise CodedValueError(Errors.B150.format(path=path, suffixes=", ".join(SUFFIXES)))
    return found


def named(path: Path) -> list[Path]:
    """RETURNS (list[Path]): Files of the known kinds that have this name before the suffix."""
    found = [p for p in sorted(path.parent.glob(f"{path.name}.*")) if kind_of(p) in SUFFIXES]
    if not found:
        raise CodedValueError(Errors.B200.format(path=path))
    return found


def kind_of(path: Path) -> str:
    return Path(path.stem).suffix if path.suffix == ".gz" else path.suffix


def read_documents(files: Sequence[Path], order: Sequence[int]) -> Iterator[Document]:
    """Read documents, one after the other.

    files (Sequence[Path]): `.txt` with a paragraph or a sentence on a line and blank lines
        between documents; `.jsonl` with a document as the `text` of each record; both also .gz;
        or `.spacy`, where each Doc is a document. Documents without text are passed over.
    order (Sequence[int]): Numbers of the files in the order in which to read them.
    YIELDS (Document): Documents, those longer than `LONGEST_PART` characters in parts.
    """
    readers = {".txt": read_text, ".jsonl": read_json, ".spacy": read_docs}
    for n_file in order:
        path = files[n_file]
        for n_document, paragraphs in enumerate(readers[kind_of(path)](path)):
            yield from cut_document((int(n_file), n_document), paragraphs)


def read_text(path: Path) -> Iterator[Iterable[Paragraph]]:
    """YIELDS (Iterable[str]): The lines of a document, to be read before the next is asked for."""
    lines = (replace_surrogates(line).strip() for _, line in read_lines(path))
    for line in lines:
        if line:
            yield until_blank(line, lines)


def until_blank(first: str, lines: Iterator[str]) -> Iterator[str]:
    yield first
    for line in lines:
        if not line:
            return
        yield line


def read_json(path: Path) -> Iterator[Iterable[Paragraph]]:
    for row in read_rows(path):
        if is_blank(row.record.get("text")):
            continue
        text = row.text()
        yield [line.strip() for line in text.splitlines() if line.strip()]


def is_blank(text: Any) -> bool:
    return isinstance(text, str) and not text.strip()


def read_docs(path: Path) -> Iterator[Iterable[Paragraph]]:
    """Each file with a vocabulary of its own, which goes with it."""
    try:
        docs = DocBin().from_disk(path)
    except (ValueError, OSError, KeyError) as error:
        raise CodedValueError(Errors.B151.format(path=path, reason=error)) from error
    for doc in docs.get_docs(Vocab()):
        if len(doc):
            yield [tokens_of(doc)]


def tokens_of(doc: Doc) -> Tokens:
    """RETURNS (Tokens): The words of a Doc, and its sentences if it has any."""
    attributes = doc.to_array(["SPACY", "SENT_START"])
    starts = (attributes[:, 1] == 1).tolist() if doc.has_annotation("SENT_START") else None
    words = [token.text for token in doc]
    return Tokens(words, attributes[:, 0].astype(bool).tolist(), starts)


def cut_document(key: tuple[int, int], paragraphs: Iterable[Paragraph]) -> Iterator[Document]:
    part: list[Paragraph] = []
    size = 0
    for paragraph in paragraphs:
        for piece in cut_paragraph(paragraph):
            part.append(piece)
            size += size_of(piece)
            if size >= LONGEST_PART:
                yield Document(key, part, size)
                part, size = [], 0
    if part:
        yield Document(key, part, size)


def cut_paragraph(paragraph: Paragraph) -> Iterator[Paragraph]:
    """A longer line than any paragraph is cut, at a space where there is one."""
    while isinstance(paragraph, str) and len(paragraph) > LONGEST_PART:
        end = paragraph.rfind(" ", LONGEST_PART // 2, LONGEST_PART)
        end = LONGEST_PART if end < 0 else end
        yield paragraph[:end]
        paragraph = paragraph[end:].strip()
    if paragraph:
        yield paragraph


def size_of(paragraph: Paragraph) -> int:
    return len(paragraph) if isinstance(paragraph, str) else sum(map(len, paragraph.words))


def shuffled(
    documents: Iterable[Document], size: int, rng: numpy.random.Generator
) -> Iterator[Document]:
    """Mix a stream: each document is drawn from a buffer, and the next one takes its place.

    size (int): Documents in the buffer; 0 or 1 leaves the order as it is.
    """
    buffer: list[Document] = []
    for document in documents:
        if len(buffer) < size:
            buffer.append(document)
        elif size:
            place = int(rng.integers(size))
            yield buffer[place]
            buffer[place] = document
        else:
            yield document
    for place in rng.permutation(len(buffer)):
        yield buffer[place]
