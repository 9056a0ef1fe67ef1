"""bert_textcat and bert_textcat_multilabel: categories of a doc, with tuned thresholds."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import minibatch
from thinc.api import Config, Model

from ...core.collectives import part_of_mean
from ...core.text import is_blank
from ...core.validation import check_config
from ...data.multitask import examples_for
from ...errors import CodedValueError, Errors
from ...heads.category_gold import category_gold, cross_entropy, exclusive_gold, gold_labels
from ...heads.labelled import LabelledPipe
from ...heads.pipe import Gradients, loss_and_gradients
from ...heads.text_classifier import TextScores
from .thresholds import best_threshold

DEFAULT_CONFIG = Config().from_str("""
[textcat]
threshold = 0.5

[textcat.scorer]
@scorers = "spacy-bert-suite.textcat_scorer.v1"

[textcat.model]
@architectures = "spacy-bert-suite.TextClassifier.v1"
pooling = "mean"
long_documents = "mean"
dropout = 0.1
sentences = false

[textcat.model.bert]
@architectures = "spacy-bert-suite.BertListener.v1"
upstream = "bert"
""")["textcat"]
EXCLUSIVE_CONFIG = {key: value for key, value in DEFAULT_CONFIG.items() if key != "threshold"}
SCORE_WEIGHTS = {
    "cats_score": 1.0,
    "cats_score_desc": None,
    "cats_micro_f": None,
    "cats_macro_f": None,
    "cats_macro_auc": None,
    "cats_f_per_type": None,
    "labels_micro_f": None,
    "labels_macro_f": None,
}


@Language.factory(
    "bert_textcat",
    assigns=["doc.cats", "doc._.labels"],
    default_config=EXCLUSIVE_CONFIG,
    default_score_weights=SCORE_WEIGHTS,
)
def make_bert_textcat(
    nlp: Language, name: str, model: Model[list[Doc], TextScores], scorer: Callable | None
) -> "BertTextCategorizer":
    """Construct a categorizer whose categories exclude one another.

    model (Model): Logits of the labels for each doc.
    scorer (Callable | None): The scoring method.
    """
    return BertTextCategorizer(nlp.vocab, model, name, exclusive=True, scorer=scorer)


@Language.factory(
    "bert_textcat_multilabel",
    assigns=["doc.cats", "doc._.labels"],
    default_config=DEFAULT_CONFIG,
    default_score_weights=SCORE_WEIGHTS,
)
def make_bert_textcat_multilabel(
    nlp: Language,
    name: str,
    model: Model[list[Doc], TextScores],
    threshold: float,
    scorer: Callable | None,
) -> "BertTextCategorizer":
    """Construct a categorizer for any number of categories per doc.

    model (Model): Logits of the labels for each doc.
    threshold (float): Probability from which a label is in `doc._.labels`, until
        `tune_thresholds` has found one for each label.
    scorer (Callable | None): The scoring method.
    """
    return BertTextCategorizer(
        nlp.vocab, model, name, exclusive=False, threshold=threshold, scorer=scorer
    )


class BertTextCategorizer(LabelledPipe):
    """Writes probabilities to `doc.cats` and decisions to `doc._.labels`."""

    gold = "categories in doc.cats"
    attributes = ("doc.labels",)

    def __init__(self, *args: Any, exclusive: bool, threshold: float = 0.5, **kwargs: Any):
        super().__init__(*args, exclusive=exclusive, threshold=threshold, thresholds={}, **kwargs)
        check_config(self.name, "threshold", threshold, 0 <= threshold <= 1, "between 0 and 1")
        self.n_labels_min = 2 if exclusive else 1

    def _build(self, labels: Sequence[str]) -> None:
        super()._build(labels)
        self.cfg["thresholds"] = {}

    def first_bias(
        self, get_examples: Callable[[], Iterable[Example]], labels: Sequence[str]
    ) -> numpy.ndarray | None:
        """Where labels do not exclude one another, each begins at the probability that it has in
        the examples (Lin et al. 2017, arXiv 1708.02002, section 3.3): of many labels few are
        right, and hundreds of updates would be spent on learning no more than that.
        """
        if self.cfg["exclusive"]:
            return None
        return log_odds(examples_for(get_examples, self.name), labels, self.name)

    def check_gold(self, examples: Sequence[Example], labels: Sequence[str]) -> None:
        category_gold(examples, labels, self.name)

    def score_gold(
        self,
        scorer: Callable,
        gold: Sequence[Any],
        *,
        threshold: float | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """threshold (float | None): From which a category counts in `cats_*`; None for that of the
        config, or for any value of the best one where categories exclude one another.
        """
        if threshold is None and not self.cfg["exclusive"]:
            threshold = self.cfg["threshold"]
        return super().score_gold(scorer, gold, threshold=threshold, **kwargs)

    def has_annotation(self, eg: Example) -> bool:
        return any(label in eg.reference.cats for label in self.labels)

    def find_labels(self, examples: Sequence[Example]) -> list[str]:
        return gold_labels(examples, self.name)

    def set_annotations(self, docs: Iterable[Doc], scores: TextScores | None) -> None:
        """Write `doc.cats` and `doc._.labels`. Other components' categories stay. A doc without
        text is no evidence for any label: all are 0, as spaCy's `textcat` has it.
        """
        docs = list(docs)
        if not docs or scores is None:
            return
        probabilities = self._probabilities(scores).tolist()
        for doc, row in zip(docs, probabilities):
            is_empty = is_blank(doc.text)
            cats = dict.fromkeys(self.labels, 0.0) if is_empty else dict(zip(self.labels, row))
            doc.cats.update(cats)
            others = [label for label in doc._.labels or [] if label not in cats]
            doc._.labels = others + ([] if is_empty else self.decide(cats))

    def _probabilities(self, scores: TextScores) -> torch.Tensor:
        logits = scores.docs
        logits = logits.softmax(dim=1) if self.cfg["exclusive"] else logits.sigmoid()
        return logits.cpu()

    def decide(self, cats: dict[str, float]) -> list[str]:
        """RETURNS (list[str]): The best label if labels exclude one another, else those at
        or above their thresholds, best first.
        """
        if self.cfg["exclusive"]:
            return [max(self.labels, key=cats.__getitem__)]
        thresholds = self.cfg["thresholds"]
        default = self.cfg["threshold"]
        chosen = [label for label in self.labels if cats[label] >= thresholds.get(label, default)]
        return sorted(chosen, key=cats.__getitem__, reverse=True)

    def get_loss(self, examples: Iterable[Example], scores: TextScores) -> tuple[float, Gradients]:
        """Cross-entropy of the docs, or of each label by itself if labels do not exclude one
        another; the mean over what has gold.

        RETURNS (tuple[float, Gradients]): The loss, and the gradients of the scores.
        """
        read_gold = exclusive_gold if self.cfg["exclusive"] else category_gold
        values, given = read_gold(list(examples), self.labels, self.name)
        logits = scores.docs.requires_grad_()
        if self.cfg["exclusive"]:
            loss = cross_entropy(logits, values, given)
        else:
            mask = torch.from_numpy(given).to(logits.device)
            gold = torch.from_numpy(values).to(logits.device)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits[mask], gold[mask])
            loss = part_of_mean(loss, int(given.sum()))
        return loss_and_gradients(loss, [logits, scores.sentences])

    def tune_thresholds(self, examples: Iterable[Example]) -> dict[str, float]:
        """Give each label the threshold with the best F1 on these examples, whose predicted
        docs have been annotated. Saved with the component.

        RETURNS (dict[str, float]): The thresholds, by label; none where labels exclude one another.
        RAISES (ValueError): If one of the docs has not been annotated.
        """
        if self.cfg["exclusive"]:
            return {}
        with_gold = self.select_scored(list(examples))
        values, given = category_gold(with_gold, self.labels, self.name)
        for j, label in enumerate(self.labels):
            rows = numpy.flatnonzero(given[:, j])
            predicted = numpy.asarray([self._predicted(with_gold, int(i), label) for i in rows])
            is_gold = values[rows, j] >= 0.5
            if is_gold.any():
                self.cfg["thresholds"][label] = best_threshold(predicted, is_gold)
        return dict(self.cfg["thresholds"])

    def _predicted(self, examples: Sequence[Example], i: int, label: str) -> float:
        cats = examples[i].predicted.cats
        if label not in cats:
            raise CodedValueError(Errors.B057.format(name=self.name, place=i, label=label))
        return cats[label]


def log_odds(examples: Iterable[Example], labels: Sequence[str], name: str) -> numpy.ndarray:
    """RETURNS (ndarray): (n_labels,), the log odds of each label in the examples in which it is
    given; as if each had been right once more, and wrong once more.
    """
    counts = numpy.ones((2, len(labels)))
    for batch in minibatch(examples, 1000):
        values, given = category_gold(batch, labels, name)
        counts += (values * given).sum(axis=0), ((1 - values) * given).sum(axis=0)
    return numpy.log(counts[0] / counts[1])
