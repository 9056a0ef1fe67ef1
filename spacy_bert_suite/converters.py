"""Annotated data in common formats to corpora that `spacy train` reads.

A converter takes one file and yields Docs; `convert` writes them as a `.spacy` file. Every file
may be gzipped. What is malformed raises an error that names the file and the line.
"""

import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span

from .errors import Errors, Warnings
from .pairs import PAIR, make_pair_corpus, make_pair_example
from .pipelines import MAX_TEXT
from .questions import QUESTION, make_question_example
from .records import RECORD_SUFFIXES, Renames, Row, is_name, read_lines, read_rows
from .schemes import PART_OF
from .squad import QuestionCorpus
from .summarization.corpus import summary_docs
from .summarization.gold import REFERENCES
from .unicode import clean

SUFFIXES = (*RECORD_SUFFIXES, ".json", ".conll", ".bio", ".iob", ".txt")
CLOSING = {*".,;:!?)]}%", "...", "…", "”"}
OPENING = {*"([{$€£#", "“"}
CLITICS = ("n't", "'s", "'m", "'re", "'ve", "'ll", "'d")
DOCUMENT_START = "-DOCSTART-"


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

    kind (str): "ner", "textcat", "sentiment", "multitask", "pairs", "qa" or
        "summaries".
    source (Union[str, Path]): The annotated file, plain or gzipped.
    target (Union[str, Path]): The file to write; its folder is made.
    lang (str): Language of the tokenizer.
    rename (Optional[Dict[str, str]]): New names for labels, such as {"1": "positive"}.
    max_score (float): Of pairs: what the highest score is in the file, 5 for STS.
    keep_labels (Optional[List[str]]): Of pairs: leave out those with another label.
    RETURNS (int): Number of texts written.
    RAISES (ValueError): For an unknown kind or language, a malformed line, a file without
        annotation, a folder, or a target that is the source.
    """
    if kind not in CONVERTERS:
        raise ValueError(Errors.B206.format(kind=kind, kinds=", ".join(CONVERTERS)))
    if Path(source).is_dir():
        raise ValueError(Errors.B216.format(path=source))
    if Path(source).resolve() == Path(target).resolve():
        raise ValueError(Errors.B215.format(path=source))
    make_docs: Any = CONVERTERS[kind]
    if kind == "pairs":
        make_docs = partial(pair_docs, max_score=max_score, keep_labels=keep_labels)
    docs = list(make_docs(Path(source), tokenizer_of(lang), rename or {}))
    if not any(map(is_annotated, docs)):
        raise ValueError(Errors.B201.format(path=source))
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    DocBin(docs=docs, store_user_data=kind in STORES_USER_DATA).to_disk(target)
    return len(docs)


def is_annotated(doc: Doc) -> bool:
    has_texts = any(key in doc.user_data for key in (PAIR, QUESTION, REFERENCES))
    return bool(doc.cats) or has_texts or doc.has_annotation("ENT_IOB")


@lru_cache(maxsize=1)  # a dataset has several files, and to make one takes half a second
def tokenizer_of(lang: str) -> Language:
    try:
        nlp = spacy.blank(lang)
    except ImportError as error:
        raise ValueError(Errors.B212.format(lang=lang, reason=error)) from error
    nlp.max_length = MAX_TEXT
    return nlp


def find_split(path: str | Path, split: str, dataset: str = "") -> Path:
    """Find the file of a split ("train", "dev") in a folder of data.

    path (Union[str, Path]): A folder with the files, or one that holds `dataset`. A file is
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
        raise ValueError(Errors.B200.format(path=path))
    for folder in (path / dataset, path):
        for found in sorted(folder.glob(f"{split}.*")):
            if found.name[len(split) :].replace(".gz", "") in SUFFIXES:
                return found
    names = [str(Path(folder) / f"{split}.*") for folder in sorted({dataset, ""})]
    raise ValueError(Errors.B207.format(looked_for=" or ".join(names), path=path))


def ner_docs(path: Path, nlp: Language, rename: Renames) -> Iterator[Doc]:
    """Entities from `token<TAB>tag` lines with BIO, BILOU or BIOES tags and a blank line between
    sentences (or a -DOCSTART- line). The tokens are kept as they are; more columns may stand
    between token and tag.

    path (Path): The file.
    nlp (Language): Gives the vocab.
    rename (Dict[str, str]): New names for entity labels.
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


def textcat_docs(path: Path, nlp: Language, rename: Renames) -> Iterator[Doc]:
    """Categories from records with `text` and a `label` or a list of `labels`.

    path (Path): A .jsonl, .tsv or .csv file.
    nlp (Language): Gives the tokenizer.
    rename (Dict[str, str]): New names for labels.
    YIELDS (Doc): One per text; its `cats` have a value for every label of the file.
    """
    rows = list(read_rows(path))
    labels = [row.labels(rename) for row in rows]
    known = sorted({label for gold in labels for label in gold})
    for row, gold in zip(rows, labels):
        doc = nlp.make_doc(row.text())
        doc.cats = {label: float(label in gold) for label in known}
        yield doc


def sentiment_docs(path: Path, nlp: Language, rename: Renames) -> Iterator[Doc]:
    """Sentiment from records with `text` and a `label`, or `stars` from 1 to 5.

    path (Path): A .jsonl, .tsv or .csv file.
    nlp (Language): Gives the tokenizer.
    rename (Dict[str, str]): New names for labels.
    YIELDS (Doc): One per text; its `cats` have a value for every label of the file.
    """
    return textcat_docs(path, nlp, rename)


def multitask_docs(path: Path, nlp: Language, rename: Renames) -> Iterator[Doc]:
    """Entities, topic and sentiment from records with `text` and any of `entities`
    ([[start, end, label], ...] in characters), `topic` and `sentiment`.

    path (Path): A .jsonl file.
    nlp (Language): Gives the tokenizer.
    rename (Dict[str, str]): New names for topics and sentiments.
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
        raise ValueError(Errors.B187.format(path=path, labels=", ".join(shared)))
    for row in rows:
        doc = nlp.make_doc(row.text())
        if "entities" in row.record:
            set_entities(doc, row)
        for field, labels in known.items():
            if field in row.record:
                gold = row.label(field, rename)
                doc.cats.update({label: float(label == gold) for label in labels})
        yield doc


def pair_docs(
    path: Path,
    nlp: Language,
    rename: Renames,
    max_score: float = 1.0,
    keep_labels: list[str] | None = None,
) -> Iterator[Doc]:
    """Pairs from records with two texts and a `score`, a `label` or a `negative`; see
    `PairCorpus.v1` for the names of the columns.

    path (Path): A .jsonl, .tsv or .csv file.
    nlp (Language): Gives the tokenizer.
    rename (Dict[str, str]): New names for labels.
    max_score (float): What the highest score is in the file.
    keep_labels (Optional[List[str]]): Leave out pairs with another label.
    YIELDS (Doc): The first text of each record; the rest is in its `user_data`.
    """
    for texts, gold in make_pair_corpus(path, max_score, keep_labels).read():
        label = gold["label"]
        gold["label"] = rename.get(label, label)
        yield make_pair_example(nlp, texts, **gold).reference


def question_docs(path: Path, nlp: Language, rename: Renames) -> Iterator[Doc]:
    """Questions from SQuAD's .json, or from .jsonl records with `context`, `question` and
    `answers`; see `QuestionCorpus.v1`.

    path (Path): The file.
    nlp (Language): Gives the tokenizer.
    rename (Dict[str, str]): Not used.
    YIELDS (Doc): The context of each question; the question is in its `user_data`.
    """
    for context, question in QuestionCorpus(path).read():
        answers = question.answers
        yield make_question_example(nlp, context, question.text, answers, id=question.id).reference


CONVERTERS: dict[str, Callable[[Path, Language, Renames], Iterator[Doc]]] = {
    "ner": ner_docs,
    "textcat": textcat_docs,
    "sentiment": sentiment_docs,
    "multitask": multitask_docs,
    "pairs": pair_docs,
    "qa": question_docs,
    "summaries": summary_docs,
}
STORES_USER_DATA = ("pairs", "qa", "summaries")


def read_token(path: Path, number: int, line: str) -> tuple[str, str]:
    """Word and tag of a CoNLL line: its first and last column."""
    columns = line.split("\t") if "\t" in line else line.split()
    word, tag = columns[0], columns[-1].strip()
    bad_tag = tag != "O" and not (tag[:1] in PART_OF and tag[1:2] == "-" and tag[2:])
    if len(columns) < 2 or not word.strip() or bad_tag:
        raise ValueError(Errors.B202.format(path=path, line=number, found=line[:60]))
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

    words (List[str]): The tokens of a sentence.
    RETURNS (List[bool]): One value per token.
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
        start, end, label = entity[0], entity[1], clean(entity[2])
        inside = 0 <= start < end <= len(doc.text)
        span = doc.char_span(start, end, label) if inside else None
        if span is None or any(span.start < e.end and e.start < span.end for e in spans):
            raise ValueError(
                Errors.B205.format(
                    path=row.path, line=row.number, start=start, end=end, label=label,
                    found=doc.text[max(start, 0) : max(end, 0)],
                )
            )  # fmt: skip
        spans.append(span)
    doc.set_ents(spans)
