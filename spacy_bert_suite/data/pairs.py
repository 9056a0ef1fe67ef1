"""PairCorpus.v1 and examples of pairs: with a score, a class, positives or negatives."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ..core.attributes import PAIR
from ..core.text import is_blank, replace_surrogates
from ..errors import CodedValueError, Errors
from .corpora import read_corpus, take
from .records import Renames, Row, is_name, read_records
from .tables import FIRST_COLUMNS, SECOND_COLUMNS

NEGATIVE = ("negative", "negatives")
# Names that data sets give to the gold of a pair.
SCORES = ("score", "similarity_score", "relatedness_score")
LABELS = ("label", "gold_label", "is_duplicate", "entailment_judgment", "quality")
# The label of SNLI and MNLI for pairs on which people did not agree; -1 in the hub's copies.
NO_CONSENSUS = ("-", "-1")
POSITIVE = (
    *("1", "1.0", "true", "yes", "positive", "match", "similar", "same", "equal"),
    *("paraphrase", "paraphrases", "duplicate", "duplicates", "equivalent", "entailment"),
)


@dataclass(frozen=True)
class PairAnnotation:
    """What an example holds beyond its doc, whose text is the first.

    others (list[str]): The second text, or the positive one and then negatives.
    score (float | None): Similarity of the two, from 0 to 1.
    label (str | None): Class of the two, such as "entailment", or "1" for a paraphrase.
    """

    others: list[str] = field(default_factory=list)
    score: float | None = None
    label: str | None = None


def is_positive(label: str | None) -> bool:
    """RETURNS (bool): Whether a label says yes: 1, "paraphrase", "entailment" ..."""
    return str(label).lower() in POSITIVE


def belongs_together(pair: PairAnnotation) -> bool:
    """RETURNS (bool): Whether the second text is a positive of the first: its label says so, or
    nothing is said of the pair at all. A score alone leaves that open.
    """
    return pair.score is None if pair.label is None else is_positive(pair.label)


def make_pair_example(
    nlp: Language,
    texts: Sequence[str],
    *,
    score: float | None = None,
    label: str | int | None = None,
) -> Example:
    """Make a training example from texts that belong together.

    nlp (Language): Makes the doc of the first text.
    texts (Sequence[str]): Two texts, or three and more: an anchor, its positive, its negatives.
    score (float | None): How similar the first two are, from 0 to 1.
    label (str | int | None): Class of the first two.
    RETURNS (Example): An example for components that learn from pairs.
    RAISES (ValueError): If there is only one text, or the score is out of its range.
    """
    if isinstance(texts, str) or len(texts) < 2 or not all(isinstance(t, str) for t in texts):
        raise CodedValueError(Errors.B063.format(texts=texts))
    if score is not None and not 0 <= score <= 1:
        raise CodedValueError(Errors.B064.format(score=score))
    first, *others = [replace_surrogates(text) for text in texts]
    name = None if label is None else str(label).strip()
    if name == "" or label != label:  # NaN: a missing value
        raise CodedValueError(Errors.B255.format(label=label))
    doc = nlp.make_doc(first)
    reference = doc.copy()
    reference.user_data[PAIR] = {"others": others, "score": score, "label": name}
    return Example(doc, reference)


def get_pair(eg: Example) -> PairAnnotation | None:
    """RETURNS (PairAnnotation | None): What was stored by `make_pair_example`, if anything was."""
    stored = eg.reference.user_data.get(PAIR)
    if stored is None:
        return None
    return PairAnnotation(
        list(stored["others"]), stored["score"], stored["label"]
    )  # msgpack made a tuple


def make_pair_corpus(
    path: Path,
    max_score: float = 1.0,
    keep_labels: list[str] | None = None,
    limit: int = 0,
) -> "PairCorpus":
    """Registered as "spacy-bert-suite.PairCorpus.v1": examples from a .jsonl, .tsv or .csv file
    (any also .gz) with named columns: text1 and text2 (or sentence1 and sentence2, anchor and
    positive, premise and hypothesis, question and answer), and score, label or negative (or
    similarity_score, relatedness_score, gold_label, is_duplicate, entailment_judgment); also
    those of MRPC as it is published. A table without names has two texts and a score. Pairs with
    the label "-" or -1 are left out.

    path (Path): The file.
    max_score (float): What the highest score is in the file: 5 for STS. Scores are divided by it.
    keep_labels (list[str] | None): Leave out pairs with another label: ["1"] or
        ["entailment"] to learn from paraphrases alone.
    limit (int): Read only so many; 0 for all.
    RETURNS (PairCorpus): The corpus.
    RAISES (ValueError): If max_score is not above 0, or keep_labels is no list.
    """
    if not max_score > 0:
        raise CodedValueError(Errors.B072.format(max_score=max_score))
    if isinstance(keep_labels, str):
        raise CodedValueError(Errors.B256.format(labels=keep_labels))
    return PairCorpus(Path(path), max_score, keep_labels, limit)


class PairCorpus:
    """Reads pairs anew for every epoch."""

    def __init__(self, path: Path, max_score: float, keep_labels: list[str] | None, limit: int):
        self.path = path
        self.max_score = max_score
        self.keep_labels = keep_labels
        self.limit = limit

    def __call__(self, nlp: Language) -> Iterator[Example]:
        examples = (make_pair_example(nlp, texts, **gold) for texts, gold in self.read())
        return take(examples, self.limit, Errors.B065.format(path=self.path))

    def read(self) -> "Iterator[tuple[list[str], dict[str, Any]]]":
        """YIELDS (tuple[list[str], Dict]): The texts of an example, and its score and label."""
        for row in read_records(self.path):
            label = read_label(row)
            if label in NO_CONSENSUS:
                continue
            if self.keep_labels is None or label in self.keep_labels:
                yield read_texts(row), {"score": read_score(row, self.max_score), "label": label}


def read_examples(path: str | Path, nlp: Language, max_score: float = 1.0) -> list[Example]:
    """RETURNS (list[Example]): Those of a file of pairs, or of a `.spacy` corpus."""
    return read_corpus(Path(path), nlp, make_pair_corpus(Path(path), max_score))


def read_texts(row: Row) -> list[str]:
    texts = [read_text(row, FIRST_COLUMNS), read_text(row, SECOND_COLUMNS)]
    for name in NEGATIVE:
        negatives = row.record.get(name) or []
        negatives = [negatives] if isinstance(negatives, str) else negatives
        if not isinstance(negatives, list) or not all(map(is_text, negatives)):
            raise row.wrong(name, "a text, or a list of texts, none of them empty")
        texts.extend(map(replace_surrogates, negatives))
    return texts


def is_text(value: object) -> bool:
    return isinstance(value, str) and not is_blank(value)


def read_text(row: Row, names: Iterable[str]) -> str:
    name = next((name for name in names if name in row.record), None)
    if name is None:
        found = ", ".join(row.record)
        wanted = " or ".join(names)
        raise CodedValueError(
            Errors.B066.format(path=row.path, line=row.number, found=found, wanted=wanted)
        )
    text = row.record[name]
    if not is_text(text):
        raise row.wrong(name, "a text that is not empty")
    return replace_surrogates(str(text))


def read_score(row: Row, max_score: float) -> float | None:
    name = next((name for name in SCORES if name in row.record), "score")
    value = row.record.get(name)
    if value in (None, ""):
        return None
    try:
        score = float(value) / max_score
    except (TypeError, ValueError):
        score = -1.0
    if not 0 <= score <= 1 or isinstance(value, bool):
        raise row.wrong(name, f"a number from 0 to max_score, {max_score:g}")
    return score


def read_label(row: Row) -> str | None:
    name = next((name for name in LABELS if name in row.record), "label")
    label = row.record.get(name)
    if label in (None, ""):
        return None
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    if not (is_name(label) or isinstance(label, int)):
        raise row.wrong(name, "a string or a whole number")
    return str(label).strip()


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
    rename (dict[str, str]): New names for labels.
    max_score (float): What the highest score is in the file.
    keep_labels (list[str] | None): Leave out pairs with another label.
    YIELDS (Doc): The first text of each record; the rest is in its `user_data`.
    """
    for texts, gold in make_pair_corpus(path, max_score, keep_labels).read():
        label = gold["label"]
        gold["label"] = rename.get(label, label)
        yield make_pair_example(nlp, texts, **gold).reference
