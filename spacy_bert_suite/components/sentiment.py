"""bert_sentiment: how a doc and each of its sentences feel about things."""

import re
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy
from spacy.language import Language
from spacy.scorer import PRFScore
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Config, Model

from ..backbone.shim import get_shim
from ..errors import Errors
from ..heads import (
    BertHead,
    Gradients,
    cross_entropy,
    exclusive_gold,
    gold_labels,
    loss_and_gradients,
)
from ..layers import TextScores
from ..sentences import has_sentences, sentence_bounds

DEFAULT_CONFIG = Config().from_str("""
[bert_sentiment]

[bert_sentiment.scorer]
@scorers = "spacy-bert-suite.sentiment_scorer.v1"

[bert_sentiment.model]
@architectures = "spacy-bert-suite.TextClassifier.v1"
pooling = "mean"
long_documents = "mean"
dropout = 0.1
sentences = true

[bert_sentiment.model.bert]
@architectures = "spacy-bert-suite.BertListener.v1"
upstream = "bert"
""")

# Names that data sets give to the classes, on a scale from -1 to 1.
POLARITY = {
    **dict.fromkeys(["very_negative", "strongly_negative"], -1.0),
    **dict.fromkeys(["negative", "neg"], -1.0),
    **dict.fromkeys(["neutral", "neu", "mixed"], 0.0),
    **dict.fromkeys(["positive", "pos"], 1.0),
    **dict.fromkeys(["very_positive", "strongly_positive"], 1.0),
}
STARS = re.compile(r"([1-5])([ _-]?stars?)?")


@Language.factory(
    "bert_sentiment",
    assigns=["doc.sentiment", "doc._.sentiment", "span._.sentiment"],
    default_config=DEFAULT_CONFIG["bert_sentiment"],
    default_score_weights={"sentiment_acc": 1.0, "sentiment_macro_f": None},
)
def make_bert_sentiment(
    nlp: Language, name: str, model: Model[List[Doc], TextScores], scorer: Optional[Callable]
) -> "BertSentiment":
    """Construct a sentiment component.

    model (Model): Logits of the labels for each doc, and for each sentence.
    scorer (Optional[Callable]): The scoring method.
    """
    return BertSentiment(nlp.vocab, model, name, scorer=scorer, polarity={})


class BertSentiment(BertHead):
    """Writes `doc._.sentiment`, `doc.sentiment` and, where there are sentence boundaries,
    `sent._.sentiment`. Learns from `doc.cats` under its own labels.
    """

    gold = "a category with a known polarity in doc.cats, such as 'positive' or '4 stars'"
    attributes = ("doc.sentiment", "span.sentiment")
    n_labels_min = 2

    def has_gold(self, eg: Example) -> bool:
        return any(eg.reference.cats.get(label, 0.0) > 0 for label in self.labels)

    def find_labels(self, examples: Sequence[Example]) -> List[str]:
        labels = gold_labels(examples, self.name)
        known = known_polarities(labels)
        # Without any that is known, numbers are given on, to be refused by name.
        return list(known) or [label for label in labels if label.strip().isdecimal()]

    def occurring_labels(self, examples: Sequence[Example]) -> List[str]:
        return gold_labels(examples, self.name)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[Iterable[str]] = None,
        polarity: Optional[Dict[str, float]] = None,
    ) -> None:
        """Find the labels and build the model.

        labels (Optional[Iterable[str]]): Keys of `doc.cats` that are sentiment; by default
            those with a known polarity, such as "negative", "neutral", "5 stars".
        polarity (Optional[Dict[str, float]]): Where each label stands, from -1 to 1; by default
            where it stood before, or what its name tells.
        RAISES (ValueError): If a label's polarity is neither given nor known.
        """
        if labels is None and polarity:
            labels = list(polarity)
        all_labels = self._all_labels(get_examples, labels)
        placed = self._place(all_labels, {**self.cfg["polarity"], **(polarity or {})})
        self._build(all_labels)
        self.cfg["polarity"] = placed

    def _place(self, labels: Sequence[str], given: Dict[str, Any]) -> Dict[str, float]:
        placed: Dict[str, float] = {}
        known = known_polarities(labels)
        for label in labels:
            value = given.get(label, known.get(label))
            if not isinstance(value, (int, float)) or not -1 <= value <= 1:
                every = ", ".join(labels)
                raise ValueError(Errors.B055.format(name=self.name, label=label, labels=every))
            placed[label] = float(value)
        return _spread(placed, given)

    def set_annotations(self, docs: Iterable[Doc], scores: Optional[TextScores]) -> None:
        """Write the sentiment of docs and sentences: label, probability of that label ("score"),
        all probabilities, and "polarity", their mean on the scale from -1 to 1.
        """
        docs = list(docs)
        if not docs or scores is None:
            return
        by_doc = scores.docs.softmax(dim=1).tolist()
        by_sentence = iter(scores.sentences.softmax(dim=1).tolist())
        for doc, row in zip(docs, by_doc):
            doc._.sentiment = self._describe(row)
            doc.sentiment = doc._.sentiment["polarity"]
            if self._scores_sentences and has_sentences(doc):
                for start, end in sentence_bounds(doc):
                    doc[start:end]._.sentiment = self._describe(next(by_sentence))

    @property
    def _scores_sentences(self) -> bool:
        return get_shim(self.model).cfg["sentences"]

    def _describe(self, row: List[float]) -> Dict[str, Any]:
        best = max(range(len(row)), key=row.__getitem__)
        polarity = self.cfg["polarity"]
        return {
            "label": self.labels[best],
            "score": row[best],
            "probabilities": dict(zip(self.labels, row)),
            "polarity": sum(polarity[label] * p for label, p in zip(self.labels, row)),
        }

    def get_loss(self, examples: Iterable[Example], scores: TextScores) -> Tuple[float, Gradients]:
        """RETURNS (Tuple[float, Gradients]): Mean cross-entropy of the docs with gold, and the
        gradients of the scores.
        """
        values, given = exclusive_gold(list(examples), self.labels, self.name)
        logits = scores.docs.requires_grad_()
        loss = cross_entropy(logits, values, given)
        return loss_and_gradients(loss, [logits, scores.sentences])


def known_polarities(labels: Sequence[str]) -> Dict[str, float]:
    """RETURNS (Dict[str, float]): The labels whose names tell a polarity. Bare numbers are stars
    only where 1 and 5 occur and nothing beyond: classes 0 and 1, or 1 and 2, are none.
    """
    numbers = {label.strip() for label in labels if label.strip().isdecimal()}
    are_stars = {"1", "5"} <= numbers <= {"1", "2", "3", "4", "5"}
    polarities = {label: polarity_of(label) for label in labels}
    return {
        label: value
        for label, value in polarities.items()
        if value is not None and (are_stars or label.strip() not in numbers)
    }


def polarity_of(label: str) -> Optional[float]:
    """RETURNS (Optional[float]): The polarity that a label's name tells, from -1 to 1; stars
    are spread evenly from one (-1) to five (1). None if the name tells nothing.
    """
    name = label.strip().lower().replace(" ", "_")
    stars = STARS.fullmatch(name)
    return (int(stars.group(1)) - 3) / 2 if stars else POLARITY.get(name)


def _spread(polarity: Dict[str, float], given: Dict[str, float]) -> Dict[str, float]:
    """With "very negative" and "very positive" beside them, the plain ones are half as strong."""
    names = {label.strip().lower().replace(" ", "_") for label in polarity}
    if not any(name.startswith(("very_", "strongly_")) for name in names):
        return polarity
    plain = ("negative", "neg", "positive", "pos")
    return {
        label: value / 2 if label not in given and label.strip().lower() in plain else value
        for label, value in polarity.items()
    }


def make_sentiment_scorer() -> Callable:
    """Registered as "spacy-bert-suite.sentiment_scorer.v1"."""
    return score_sentiment


def score_sentiment(
    examples: Iterable[Example], *, labels: Sequence[str], **cfg: Any
) -> Dict[str, Any]:
    """Accuracy (`sentiment_acc`), macro F1 (`sentiment_macro_f`), F1 by label
    (`sentiment_f_per_type`) and mean absolute error of the polarity (`sentiment_mae`). A doc
    without a prediction is wrong, and left out of the last.
    """
    polarity = cfg["polarity"]
    by_label = {label: PRFScore() for label in labels}
    hits, errors = [], []
    for eg in examples:
        cats = {label: eg.reference.cats.get(label, 0.0) for label in labels}
        gold = max(labels, key=cats.__getitem__)
        predicted = eg.predicted._.sentiment or {}
        chosen = {predicted.get("label")}
        hits.append(gold in chosen)
        if predicted:
            errors.append(abs(predicted["polarity"] - polarity[gold]))
        for label, counts in by_label.items():
            counts.score_set({label} & chosen, {label} & {gold})
    return {
        "sentiment_acc": float(numpy.mean(hits)),
        "sentiment_macro_f": float(numpy.mean([c.fscore for c in by_label.values()])),
        "sentiment_f_per_type": {label: c.to_dict() for label, c in by_label.items()},
        "sentiment_mae": float(numpy.mean(errors)) if errors else None,
    }
