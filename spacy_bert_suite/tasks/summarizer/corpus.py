"""SummaryCorpus.v1: articles with reference summaries."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ...core.attributes import REFERENCES
from ...core.text import replace_surrogates
from ...data.records import Row, read_rows
from .oracle import choose_oracle
from .sentences import plain_text, sentences_of

TEXT_FIELDS = ("document", "text", "article")
SENTENCE_FIELDS = ("sentences", "source")
SUMMARY_FIELDS = ("references", "summary", "highlights", "target")


def make_summary_corpus(
    path: str | Path,
    max_sentences: int = 0,
    limit: int = 0,
    spans_key: str = "summary",
) -> Callable[[Language], Iterator[Example]]:
    """Registered as "spacy-bert-suite.SummaryCorpus.v1".

    path (str | Path): A jsonl file, plain or gzipped. A line has a `document` (or `text`, or
        `article`) or a list of `sentences` (or `source`), and `references` (or `summary`,
        `highlights` or `target`): a summary, or a list of several.
    max_sentences (int): Most gold sentences of a document, 0 for as many as help.
    limit (int): Read only so many lines, 0 for all.
    spans_key (str): Where in the reference's `doc.spans` the gold sentences go.
    RETURNS (Callable): The corpus. Sentences that the file gives are boundaries of both docs.
    """

    def read_corpus(nlp: Language) -> Iterator[Example]:
        for i, row in enumerate(read_rows(Path(path))):
            if limit and i >= limit:
                return
            yield make_example(nlp, row, max_sentences, spans_key)

    return read_corpus


def summary_docs(path: Path, nlp: Language, rename: dict[str, str]) -> Iterator[Doc]:
    """The reference docs of a corpus, for a `.spacy` file.

    path (Path): A jsonl file, as for the reader.
    nlp (Language): Gives the tokenizer.
    rename (dict[str, str]): Not used: there are no labels.
    YIELDS (Doc): One per record.
    """
    for eg in make_summary_corpus(path)(nlp):
        yield eg.reference


def make_example(nlp: Language, row: Row, max_sentences: int, spans_key: str) -> Example:
    """RETURNS (Example): The predicted doc is bare; the reference has the summaries in its
    user_data, and the sentences that an extractive summary would take in its spans.
    """
    references = _references(row)
    reference = _make_doc(nlp, row)
    sentences = sentences_of(reference)
    chosen = choose_oracle([plain_text(sent) for sent in sentences], references, max_sentences)
    predicted = _make_doc(nlp, row)
    reference.user_data[REFERENCES] = references
    reference.spans[spans_key] = [sentences[i] for i in chosen]
    return Example(predicted, reference)


def _make_doc(nlp: Language, row: Row) -> Doc:
    listed = next((name for name in SENTENCE_FIELDS if row.record.get(name) is not None), None)
    if listed is None:
        field = next((name for name in TEXT_FIELDS if name in row.record), TEXT_FIELDS[0])
        return nlp.make_doc(_text(row, field, row.record.get(field)))
    given = row.record[listed]
    is_list = isinstance(given, list) and all(isinstance(text, str) for text in given)
    texts = [replace_surrogates(text.strip()) for text in given if text.strip()] if is_list else []
    if not texts:
        raise row.wrong(listed, "a list of texts that are not all empty")
    return join_sentences(nlp, texts)


def join_sentences(nlp: Language, texts: list[str]) -> Doc:
    """RETURNS (Doc): The texts with spaces between them, each a sentence."""
    docs = [nlp.make_doc(text) for text in texts]
    for doc in docs:
        for token in doc:
            token.is_sent_start = token.i == 0
    return Doc.from_docs(docs, ensure_whitespace=True)


def _references(row: Row) -> list[str]:
    field = next((name for name in SUMMARY_FIELDS if name in row.record), SUMMARY_FIELDS[0])
    value = row.record.get(field)
    values = value if isinstance(value, list) else [value]
    if not values:
        raise row.wrong(field, "a summary, or a list of them")
    return [_text(row, field, text) for text in values]


def _text(row: Row, field: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise row.wrong(field, "a text that is not empty, or a list of them")
    return replace_surrogates(value)
