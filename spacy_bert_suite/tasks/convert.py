"""`convert`: annotated files to the `.spacy` corpora that `spacy train` reads.

A converter takes one file and yields Docs; `convert` writes them as a `.spacy` file. Every file
may be gzipped. What is malformed raises an error that names the file and the line.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span

from ..core.atomic import coded_errors, replace_file
from ..core.attributes import holds_gold
from ..core.pipelines import MAX_TEXT
from ..core.text import replace_surrogates
from ..data.lines import RECORD_SUFFIXES
from ..data.records import Renames, Row, is_name, read_rows
from ..errors import CodedValueError, Errors
from .registry import Converter, converters, load

SUFFIXES = (*RECORD_SUFFIXES, ".json", ".conll", ".bio", ".iob", ".txt")


def convert(
    kind: str,
    source: str | Path,
    target: str | Path,
    *,
    lang: str = "en",
    rename: Renames | None = None,
    max_score: float = 1.0,
    keep_labels: list[str] | None = None,
) -> int:
    """Convert one annotated file to a `.spacy` corpus.

    kind (str): That of a converter in `registry.py`: "ner", "textcat", "pairs" ...
    source (str | Path): The annotated file, plain or gzipped.
    target (str | Path): The file to write; its folder is made.
    lang (str): Language of the tokenizer.
    rename (dict[str, str] | None): New names for labels, such as {"1": "positive"}.
    max_score (float): Of pairs: what the highest score is in the file, 5 for STS.
    keep_labels (list[str] | None): Of pairs: leave out those with another label.
    RETURNS (int): Number of texts written.
    RAISES (ValueError): For an unknown kind or language, a malformed line, a file without
        annotation, a folder, or a target that is the source. OSError: if it cannot be written;
        a target of before is as it was.
    """
    converter = find_converter(kind)
    if Path(source).is_dir():
        raise CodedValueError(Errors.B216.format(path=source))
    if Path(source).resolve() == Path(target).resolve():
        raise CodedValueError(Errors.B215.format(path=source))
    options: dict[str, Any] = {"max_score": max_score, "keep_labels": keep_labels}
    options = {key: value for key, value in options.items() if key in converter.options}
    make_docs = load(converter.make_docs)
    docs = list(make_docs(Path(source), tokenizer_of(lang), rename or {}, **options))
    if not any(map(is_annotated, docs)):
        raise CodedValueError(Errors.B201.format(path=source))
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    with coded_errors(Path(target), Errors.B330), replace_file(Path(target)) as new:
        DocBin(docs=docs, store_user_data=converter.stores_user_data).to_disk(new)
    return len(docs)


def find_converter(kind: str) -> Converter:
    known = converters()
    if kind not in known:
        raise CodedValueError(Errors.B206.format(kind=kind, kinds=", ".join(known)))
    return known[kind]


def is_annotated(doc: Doc) -> bool:
    return bool(doc.cats) or holds_gold(doc) or doc.has_annotation("ENT_IOB")


@lru_cache(maxsize=1)  # a dataset has several files, and to make one takes half a second
def tokenizer_of(lang: str) -> Language:
    try:
        nlp = spacy.blank(lang)
    except ImportError as error:
        raise CodedValueError(Errors.B212.format(lang=lang, reason=error)) from error
    nlp.max_length = MAX_TEXT
    return nlp


def find_split(path: str | Path, split: str, dataset: str = "") -> Path:
    """Find the file of a split ("train", "dev") in a folder of data.

    path (str | Path): A folder with the files, or one that holds `dataset`. A file is
        returned as it is.
    split (str): Name of the file without its suffixes.
    dataset (str): Folder of the data set inside `path`, such as "ner/wnut17".
    RETURNS (Path): The file.
    RAISES (ValueError): If there is none.
    """
    path = Path(path)
    if path.is_file():
        return path
    if not path.exists():
        raise CodedValueError(Errors.B200.format(path=path))
    for folder in (path / dataset, path):
        for found in sorted(folder.glob(f"{split}.*")):
            if found.name[len(split) :].replace(".gz", "") in SUFFIXES:
                return found
    names = [str(Path(folder) / f"{split}.*") for folder in sorted({dataset, ""})]
    raise CodedValueError(Errors.B207.format(looked_for=" or ".join(names), path=path))


def multitask_docs(path: Path, nlp: Language, rename: Renames) -> Iterator[Doc]:
    """Entities, topic and sentiment from records with `text` and any of `entities`
    ([[start, end, label], ...] in characters), `topic` and `sentiment`.

    path (Path): A .jsonl file.
    nlp (Language): Gives the tokenizer.
    rename (dict[str, str]): New names for topics and sentiments.
    YIELDS (Doc): One per text; what a record does not annotate is missing in its Doc.
    RAISES (ValueError): If a label is a topic as well as a sentiment.
    """
    rows = list(read_rows(path))
    known = {
        field: sorted({row.label(field, rename) for row in rows if field in row.record})
        for field in ("topic", "sentiment")
    }
    shared = sorted({*known["topic"]} & {*known["sentiment"]})
    if shared:
        raise CodedValueError(Errors.B187.format(path=path, labels=", ".join(shared)))
    for row in rows:
        doc = nlp.make_doc(row.text())
        if "entities" in row.record:
            set_entities(doc, row)
        for field, labels in known.items():
            if field in row.record:
                gold = row.label(field, rename)
                doc.cats.update({label: float(label == gold) for label in labels})
        yield doc


def set_entities(doc: Doc, row: Row) -> None:
    """Set `doc.ents` from the character offsets of a record."""
    entities = row.record["entities"]
    if not isinstance(entities, list):
        raise row.wrong("entities", "a list of [start, end, label]")
    spans: list[Span] = []
    for entity in entities:
        if not isinstance(entity, list) or [type(x) for x in entity] != [int, int, str]:
            raise row.wrong("entities", "a list of [start, end, label]")
        if not is_name(entity[2]):
            raise row.wrong("entities", "a list of [start, end, label], no label empty")
        start, end, label = entity[0], entity[1], replace_surrogates(entity[2])
        inside = 0 <= start < end <= len(doc.text)
        span = doc.char_span(start, end, label) if inside else None
        if span is None or any(span.start < e.end and e.start < span.end for e in spans):
            raise CodedValueError(
                Errors.B205.format(
                    path=row.path, line=row.number, start=start, end=end, label=label,
                    found=doc.text[max(start, 0) : max(end, 0)],
                )
            )  # fmt: skip
        spans.append(span)
    doc.set_ents(spans)
