"""Docs with categories from records with labels."""

from collections.abc import Iterator
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

from .records import Renames, read_rows


def category_docs(path: Path, nlp: Language, rename: Renames) -> Iterator[Doc]:
    """Categories from records with `text` and a `label` or a list of `labels`.

    path (Path): A .jsonl, .tsv or .csv file.
    nlp (Language): Gives the tokenizer.
    rename (dict[str, str]): New names for labels.
    YIELDS (Doc): One per text; its `cats` have a value for every label of the file.
    """
    rows = list(read_rows(path))
    labels = [row.labels(rename) for row in rows]
    known = sorted({label for gold in labels for label in gold})
    for row, gold in zip(rows, labels):
        doc = nlp.make_doc(row.text())
        doc.cats = {label: float(label in gold) for label in known}
        yield doc
