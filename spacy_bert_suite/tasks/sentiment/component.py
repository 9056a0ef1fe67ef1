"""bert_sentiment: sentiment of a doc and of each sentence."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Config, Model

from ...core.sentences import has_sentences, sentence_bounds
from ...core.torch_shim import get_shim
from ...data.multitask import examples_for
from ...data.polarity import known_polarities
from ...errors import CodedValueError, Errors
from ...heads.category_gold import cross_entropy, exclusive_gold, gold_labels
from ...heads.labelled import N_LOOKED_AT, LabelledPipe, check_get_examples
from ...heads.pipe import Gradients, loss_and_gradients
from ...heads.text_classifier import TextScores

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


@Language.factory(
    "bert_sentiment",
    assigns=["doc.sentiment", "doc._.sentiment", "span._.sentiment"],
    default_config=DEFAULT_CONFIG["bert_sentiment"],
    default_score_weights={"sentiment_acc": 1.0, "sentiment_macro_f": None},
)
def make_bert_sentiment(
    nlp: Language, name: str, model: Model[list[Doc], TextScores], scorer: Callable | None
) -> "BertSentiment":
    """Construct a sentiment component.

    model (Model): Logits of the labels for each doc, and for each sentence.
    scorer (Callable | None): The scoring method.
    """
    return BertSentiment(nlp.vocab, model, name, scorer=scorer, polarity={})


class BertSentiment(LabelledPipe):
    """Writes `doc._.sentiment`, `doc.sentiment` and, where there are sentence boundaries,
    `sent._.sentiment`. Learns from `doc.cats` under its own labels.
    """

    gold = "a category with a known polarity in doc.cats, such as 'positive' or '4 stars'"
    attributes = ("doc.sentiment", "span.sentiment")
    n_labels_min = 2

    def has_annotation(self, eg: Example) -> bool:
        return any(eg.reference.cats.get(label, 0.0) > 0 for label in self.labels)

    def find_labels(self, examples: Sequence[Example]) -> list[str]:
        labels = gold_labels(examples, self.name)
        polarities = known_polarities(labels)
        # Without any that is known, numbers are given on, to be refused by name.
        return list(polarities) or [label for label in labels if label.strip().isdecimal()]

    def occurring_labels(self, examples: Sequence[Example]) -> list[str]:
        return gold_labels(examples, self.name)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Iterable[str] | None = None,
        polarity: dict[str, float] | None = None,
    ) -> None:
        """Find the labels and build the model.

        labels (Iterable[str] | None): Keys of `doc.cats` that are sentiment; by default
            those with a known polarity, such as "negative", "neutral", "5 stars".
        polarity (dict[str, float] | None): Where each label stands, from -1 to 1; by default
            where it stood before, or what its name tells.
        RAISES (ValueError): If a label's polarity is neither given nor known.
        """
        if labels is None and polarity:
            labels = list(polarity)
        check_get_examples(get_examples, self.name)
        all_labels = self._all_labels(get_examples, labels)
        placed = self._place(all_labels, {**self.cfg["polarity"], **(polarity or {})})
        exclusive_gold(examples_for(get_examples, self.name, N_LOOKED_AT), all_labels, self.name)
        self._build(all_labels)
        self.cfg["polarity"] = placed

    def _place(self, labels: Sequence[str], given: dict[str, Any]) -> dict[str, float]:
        placed: dict[str, float] = {}
        by_name = known_polarities(labels)
        for label in labels:
            value = given.get(label, by_name.get(label))
            if not isinstance(value, (int, float)) or not -1 <= value <= 1:
                every = ", ".join(labels)
                raise CodedValueError(Errors.B055.format(name=self.name, label=label, labels=every))
            placed[label] = float(value)
        return _spread(placed, given)

    def set_annotations(self, docs: Iterable[Doc], scores: TextScores | None) -> None:
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

    def _describe(self, row: list[float]) -> dict[str, Any]:
        best = max(range(len(row)), key=row.__getitem__)
        polarity = self.cfg["polarity"]
        return {
            "label": self.labels[best],
            "score": row[best],
            "probabilities": dict(zip(self.labels, row)),
            "polarity": sum(polarity[label] * p for label, p in zip(self.labels, row)),
        }

    def get_loss(self, examples: Iterable[Example], scores: TextScores) -> tuple[float, Gradients]:
        """RETURNS (tuple[float, Gradients]): Mean cross-entropy of the docs with gold, and the
        gradients of the scores.
        """
        values, given = exclusive_gold(list(examples), self.labels, self.name)
        logits = scores.docs.requires_grad_()
        loss = cross_entropy(logits, values, given)
        return loss_and_gradients(loss, [logits, scores.sentences])


def _spread(polarity: dict[str, float], given: dict[str, float]) -> dict[str, float]:
    """With "very negative" and "very positive" beside them, the plain ones are half as strong."""
    names = {label.strip().lower().replace(" ", "_") for label in polarity}
    if not any(name.startswith(("very_", "strongly_")) for name in names):
        return polarity
    plain = ("negative", "neg", "positive", "pos")
    return {
        label: value / 2 if label not in given and label.strip().lower() in plain else value
        for label, value in polarity.items()
    }
