"""bert_paraphrase: the relation of two texts, from a cross-encoder."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Config, Model

from ...core.attributes import Registered
from ...core.batching import rows_in_batches
from ...core.collectives import part_of_mean
from ...core.validation import check_choice
from ...data.pairs import PairAnnotation, is_positive
from ...errors import CodedValueError, Errors, Warnings
from ...heads.labelled import check_list
from ...heads.pair_pipe import PairPipe, as_pairs
from ...heads.pipe import loss_and_gradients
from .calibration import best_temperature
from .classes import check_both, positive_columns
from .comparer import answer_for, paraphrase
from .model import PairScores
from .probabilities import cross_entropy_of_classes, cross_entropy_of_yes, log_probabilities

DEFAULT_CONFIG = Config().from_str("""
[bert_paraphrase]
mode = "binary"
symmetric = false

[bert_paraphrase.scorer]
@scorers = "spacy-bert-suite.paraphrase_scorer.v1"

[bert_paraphrase.model]
@architectures = "spacy-bert-suite.PairClassifier.v1"
pooling = "pooler"
long_texts = "mean"
dropout = 0.1
activation = "Tanh"

[bert_paraphrase.model.pairs]
@architectures = "spacy-bert-suite.PairEncoder.v1"
upstream = "bert"
""")

MODES = ("binary", "graded", "classes")
READ_AT_ONCE = 256  # pairs
Texts = tuple[str, str]


@Language.factory(
    "bert_paraphrase",
    assigns=["doc._.paraphrase"],
    default_config=DEFAULT_CONFIG["bert_paraphrase"],
    default_score_weights={
        "paraphrase_score": 1.0,
        "paraphrase_acc": None,
        "paraphrase_f": None,
        "paraphrase_ap": None,
        "paraphrase_macro_f": None,
        "paraphrase_spearman": None,
    },
)
def make_bert_paraphrase(
    nlp: Language,
    name: str,
    model: Model[list[Texts], PairScores],
    mode: str,
    symmetric: bool,
    scorer: Callable | None,
) -> "BertParaphrase":
    """Construct a cross-encoder of pairs.

    model (Model): Logits of pairs.
    mode (str): "binary" learns from labels that say yes or no (1 and 0, "paraphrase", ...),
        "graded" from scores from 0 to 1, "classes" from any labels, such as those of natural
        language inference.
    symmetric (bool): Read each pair in both orders, and take the mean.
    scorer (Callable | None): The scoring method.
    """
    check_choice(name, "mode", mode, MODES)
    return BertParaphrase(nlp.vocab, model, name, mode=mode, symmetric=symmetric, scorer=scorer)


class BertParaphrase(PairPipe):
    """Gives `doc._.paraphrase(other)`, and probabilities of pairs of texts. Learns from pairs:
    see `pairs.py`. Both texts stand in one window, in a pass of their own.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Texts], PairScores],
        name: str,
        *,
        mode: str = "binary",
        symmetric: bool = False,
        scorer: Callable | None = None,
    ):
        super().__init__(vocab, model, name, scorer=scorer, labels=[], temperature=1.0)
        self.mode = mode
        self.needs = "score" if mode == "graded" else "label"
        self.symmetric = symmetric
        self._registered = Registered(name, [], methods={"doc.paraphrase": paraphrase})
        answer_for(vocab, self)

    # Prediction

    def predict_pairs(self, pairs: Iterable[Texts]) -> numpy.ndarray:
        """Read pairs of texts, many at a time.

        pairs (Iterable[tuple[str, str]]): Any texts, or Docs or Spans.
        RETURNS (ndarray): Probability, or predicted score, of each pair, (n_pairs,); in the mode
            "classes" a probability of each class, (n_pairs, n_labels), in the order of `labels`.
        RAISES (ValueError): If one of them is no pair of texts.
        """
        read = as_pairs(pairs, self.name)
        found = self._log_probabilities(self._read(read), self.cfg["temperature"]).exp().numpy()
        return found if self.mode == "classes" else found[:, 0]

    def _read(self, pairs: Sequence[Texts]) -> list[torch.Tensor]:
        """RETURNS (list[Tensor]): Logits of the pairs, and of the symmetric ones turned round."""
        turned = [(b, a) for a, b in pairs]
        return [self._logits(each) for each in ([pairs, turned] if self.symmetric else [pairs])]

    def _logits(self, pairs: Sequence[Texts]) -> torch.Tensor:
        """RETURNS (Tensor): *Shape:* ``(n_pairs, n_out)``, float32, on the host"""
        rows = rows_in_batches(
            lambda batch: self.model.predict(batch).pairs.cpu().numpy(),
            pairs,
            size=lambda pair: len(pair[0]) + len(pair[1]),
            width=self._n_out,
            at_once=READ_AT_ONCE,
        )
        return torch.from_numpy(rows)

    def _log_probabilities(
        self, orders: Sequence[torch.Tensor], temperature: float
    ) -> torch.Tensor:
        """RETURNS (Tensor): Of the classes, or of yes and no. *Shape:* ``(n_pairs, n_classes)``"""
        return log_probabilities(orders, temperature, is_single=self.mode != "classes")

    @property
    def _n_out(self) -> int:
        return max(1, len(self.labels))

    def rerank(self, query: str, hits: Sequence[Any], *, label: str | None = None) -> list[float]:
        """Score search results: `index.search(query, rerank=nlp.get_pipe(...).rerank)`.

        hits (Sequence[Hit]): Things with a `text`.
        label (str | None): In the mode "classes", the class whose probability counts:
            `rerank=partial(pipe.rerank, label="entailment")`. By default those whose names say yes.
        RETURNS (list[float]): A probability for each hit.
        RAISES (ValueError): If there is no such class, or no name tells which says yes.
        """
        columns = positive_columns(self.labels, label, self.name)
        found = self.predict_pairs([(query, hit.text) for hit in hits])
        return found[:, columns].sum(axis=1).tolist() if self.mode == "classes" else found.tolist()

    def predict(self, docs: Iterable[Doc]) -> None:
        """There is nothing to predict for a doc alone."""

    def set_annotations(self, docs: Iterable[Doc], scores: Any) -> None:
        """Let `doc._.paraphrase` find this component."""
        answer_for(self.vocab, self)

    # Training

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Iterable[str] | None = None,
    ) -> None:
        """Build the model.

        labels (Iterable[str] | None): The classes, in the mode "classes"; by default those
            that occur.
        RAISES (ValueError): If there are pairs, but none with the gold that the mode needs; or if
            there are no classes.
        """
        check_list(labels, self.name)
        pairs = self.collect_pairs(get_examples)
        if pairs and not any(self.is_gold(pair) for pair in pairs):
            needs = "pairs with a score" if self.mode == "graded" else "pairs with a label"
            raise CodedValueError(Errors.B070.format(name=self.name, mode=self.mode, needs=needs))
        if self.mode == "binary":
            check_both(self.name, {pair.label for pair in pairs if pair.label is not None})
        if self.mode == "classes":
            found = list(labels or sorted({pair.label for pair in pairs if pair.label}))
            if len(found) < 2:
                names = ", ".join(map(str, found))
                raise CodedValueError(Errors.B052.format(name=self.name, n=2, found=names))
            self.set_labels(found)
        self.cfg["temperature"] = 1.0
        self.model.set_dim("nO", self._n_out, force=True)
        self.model.initialize()

    def update_batch(self, gold: Sequence[tuple[str, PairAnnotation]]) -> float:
        scores, backprop = self.model.begin_update([(a, pair.others[0]) for a, pair in gold])
        logits = scores.pairs.requires_grad_()
        found = self._log_probabilities([logits], temperature=1.0)
        mean = self._cross_entropy(found, [pair for _, pair in gold])
        loss, gradients = loss_and_gradients(part_of_mean(mean, len(gold)), [logits])
        backprop(gradients)  # type: ignore[arg-type]
        return loss

    def _cross_entropy(self, found: torch.Tensor, pairs: Sequence[PairAnnotation]) -> torch.Tensor:
        """RETURNS (Tensor): The mean over pairs; of a graded pair, with its score as soft gold."""
        if self.mode == "classes":
            return cross_entropy_of_classes(found, [self.class_of(pair) for pair in pairs])
        if self.mode == "graded":
            return cross_entropy_of_yes(found, [float(pair.score or 0.0) for pair in pairs])
        return cross_entropy_of_yes(found, [float(is_positive(pair.label)) for pair in pairs])

    def calibrate(self, examples: Iterable[Example]) -> float:
        """Fit the temperature by which logits are divided, so that probabilities are neither
        overconfident nor underconfident on these examples (Guo et al. 2017). Saved with the
        component.

        RETURNS (float): The temperature.
        RAISES (ValueError): If none holds a pair with gold.
        """
        batch = self._with_class(self.select_examples(examples))
        if not batch:
            raise CodedValueError(Errors.B250.format(name=self.name, needs=self.needs))
        pairs = [pair for _, pair in batch]
        orders = self._read([(text, pair.others[0]) for text, pair in batch])
        found = best_temperature(
            lambda t: float(self._cross_entropy(self._log_probabilities(orders, t), pairs))
        )
        self.cfg["temperature"] = found
        return found

    def _with_class(
        self, batch: Sequence[tuple[str, PairAnnotation]]
    ) -> list[tuple[str, PairAnnotation]]:
        """RETURNS (list[tuple[str, PairAnnotation]]): Those whose class is known. Of the
        others there is a warning.
        """
        if self.mode != "classes":
            return list(batch)
        kept = [(text, pair) for text, pair in batch if pair.label in self.labels]
        if len(kept) < len(batch):
            others = sorted({str(pair.label) for _, pair in batch} - set(self.labels))
            message = Warnings.B942.format(
                name=self.name, n=len(batch) - len(kept), n_all=len(batch), found=", ".join(others)
            )
            warnings.warn(message, stacklevel=3)
        return kept

    # Scoring

    def select_scored(self, examples: Sequence[Example]) -> list[tuple[str, PairAnnotation]]:
        return self.select_examples(examples)

    def score_gold(self, scorer: Callable, gold: Sequence[Any], **kwargs: Any) -> dict[str, Any]:
        predicted = self.predict_pairs((text, pair.others[0]) for text, pair in gold)
        pairs = [pair for _, pair in gold]
        return scorer(pairs, predicted, labels=self.labels, mode=self.mode, **kwargs)
