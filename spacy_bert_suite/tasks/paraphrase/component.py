"""bert_paraphrase: what two texts are to each other, read together."""

import math
import warnings
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import (
    Any,
)

import numpy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Config, Model

from ...core.attributes import Registered
from ...core.collectives import part_of_mean
from ...core.validation import check_choice, check_config
from ...data.pairs import POSITIVE, PairAnnotation, is_positive
from ...errors import CodedValueError, Errors, Warnings
from ...heads.labelled import check_list
from ...heads.pair_pipe import PairPipe, as_pairs
from ...heads.pipe import loss_and_gradients
from .calibration import best_temperature
from .model import PairScores

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
HOOK = "paraphrase"  # key in doc.user_hooks
Texts = tuple[str, str]


@Language.factory(
    "bert_paraphrase",
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
        self.vocab = vocab
        self.model = model
        self.name = name
        self.mode = mode
        self.needs = "score" if mode == "graded" else "label"
        self.symmetric = symmetric
        self.scorer = scorer
        self.cfg: dict[str, Any] = {"labels": [], "temperature": 1.0}
        self._registered = Registered(name, [], methods={"doc.paraphrase": paraphrase})

    # Prediction

    def predict_pairs(self, pairs: Iterable[Texts]) -> numpy.ndarray:
        """Read pairs of texts, many at a time.

        pairs (Iterable[tuple[str, str]]): Any texts, or Docs or Spans.
        RETURNS (ndarray): Probability, or predicted score, of each pair, (n_pairs,); in the mode
            "classes" a probability of each class, (n_pairs, n_labels), in the order of `labels`.
        RAISES (ValueError): If one of them is no pair of texts.
        """
        read = as_pairs(pairs, self.name)
        self.model.layers[0].flush_pending_step()  # type: ignore[attr-defined]
        found = self._log_probabilities(self._read(read), self.cfg["temperature"]).exp().numpy()
        return found if self.mode == "classes" else found[:, 0]

    def _read(self, pairs: Sequence[Texts]) -> list[torch.Tensor]:
        """RETURNS (list[Tensor]): Logits of the pairs, and of the symmetric ones turned round."""
        turned = [(b, a) for a, b in pairs]
        return [self._logits(each) for each in ([pairs, turned] if self.symmetric else [pairs])]

    def _log_probabilities(
        self, orders: Sequence[torch.Tensor], temperature: float
    ) -> torch.Tensor:
        """RETURNS (Tensor): Logarithms of the classes' probabilities, or of yes and no, each the
        mean over the orders in which the pairs were read. *Shape:* ``(n_pairs, n_classes)``
        """
        logits = torch.stack(list(orders)) / temperature  # (n_orders, n_pairs, n_out)
        if self.mode != "classes":
            logits = torch.cat([logits, torch.zeros_like(logits)], dim=2)
        found = logits.log_softmax(dim=2).logsumexp(dim=0) - math.log(len(orders))
        return found.clamp(max=0.0)

    def _logits(self, pairs: Sequence[Texts]) -> torch.Tensor:
        """RETURNS (Tensor): *Shape:* ``(n_pairs, n_out)``, float32, on the host"""
        order = sorted(range(len(pairs)), key=lambda i: -len(pairs[i][0]) - len(pairs[i][1]))
        logits = torch.zeros(len(pairs), self._n_out)
        for start in range(0, len(order), READ_AT_ONCE):
            part = order[start : start + READ_AT_ONCE]
            logits[part] = self.model.predict([pairs[i] for i in part]).pairs.cpu()
        return logits

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
        columns = self._columns(label)
        found = self.predict_pairs([(query, hit.text) for hit in hits])
        return found[:, columns].sum(axis=1).tolist() if self.mode == "classes" else found.tolist()

    def _columns(self, label: str | None) -> list[int]:
        """RETURNS (list[int]): The classes by which search results are ranked."""
        if label is not None:
            expected = f"one of its classes ({', '.join(self.labels)})" if self.labels else "None"
            check_config(self.name, "label", label, label in self.labels, expected)
            return [self.labels.index(label)]
        columns = [i for i, known in enumerate(self.labels) if is_positive(known)]
        is_clear = 0 < len(columns) < len(self.labels) and not are_numbered(self.labels)
        if self.labels and not is_clear:
            names = ", ".join(self.labels)
            raise CodedValueError(Errors.B249.format(name=self.name, labels=names))
        return columns

    def predict(self, docs: Iterable[Doc]) -> None:
        """There is nothing to predict for a doc alone."""

    def set_annotations(self, docs: Iterable[Doc], scores: Any) -> None:
        """Let `doc._.paraphrase` find this component."""
        for doc in docs:
            doc.user_hooks[HOOK] = Comparer(self)

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
        mean = self._loss(logits, [p for _, p in gold])
        loss, gradients = loss_and_gradients(part_of_mean(mean, len(gold)), [logits])
        backprop(PairScores(*gradients))  # type: ignore[arg-type]
        return loss

    def _loss(self, logits: torch.Tensor, pairs: Sequence[PairAnnotation]) -> torch.Tensor:
        """RETURNS (Tensor): Mean cross-entropy; of a graded pair, with its score as a soft gold."""
        return self._cross_entropy(self._log_probabilities([logits], 1.0), pairs)

    def _cross_entropy(self, found: torch.Tensor, pairs: Sequence[PairAnnotation]) -> torch.Tensor:
        if self.mode == "classes":
            gold = torch.tensor([self.class_of(pair) for pair in pairs], device=found.device)
            return torch.nn.functional.nll_loss(found, gold)
        values = [
            float(pair.score or 0.0) if self.mode == "graded" else float(is_positive(pair.label))
            for pair in pairs
        ]
        yes = torch.tensor(values, device=found.device)
        return -(torch.stack([yes, 1 - yes], dim=1) * found).sum(dim=1).mean()

    def calibrate(self, examples: Iterable[Example]) -> float:
        """Fit the temperature by which logits are divided, so that probabilities are neither
        overconfident nor underconfident on these examples (Guo et al. 2017). Saved with the
        component.

        RETURNS (float): The temperature.
        RAISES (ValueError): If none holds a pair with gold.
        """
        batch = self._known(self.select_examples(examples))
        if not batch:
            raise CodedValueError(Errors.B250.format(name=self.name, needs=self.needs))
        self.model.layers[0].flush_pending_step()  # type: ignore[attr-defined]
        pairs = [pair for _, pair in batch]
        orders = self._read([(text, pair.others[0]) for text, pair in batch])
        found = best_temperature(
            lambda t: float(self._cross_entropy(self._log_probabilities(orders, t), pairs))
        )
        self.cfg["temperature"] = found
        return found

    def _known(
        self, batch: Sequence[tuple[str, PairAnnotation]]
    ) -> list[tuple[str, PairAnnotation]]:
        """RETURNS (list[tuple[str, PairAnnotation]]): Those whose class there is; of others there
        is a warning.
        """
        if self.mode != "classes":
            return list(batch)
        known = [(text, pair) for text, pair in batch if pair.label in self.labels]
        if len(known) < len(batch):
            others = sorted({str(pair.label) for _, pair in batch} - set(self.labels))
            message = Warnings.B942.format(
                name=self.name, n=len(batch) - len(known), n_all=len(batch), found=", ".join(others)
            )
            warnings.warn(message, stacklevel=3)
        return known

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """Score the examples that hold pairs with gold; none: no scores."""
        mine = self.select_examples(examples)
        if not mine or self.scorer is None:
            return {}
        predicted = self.predict_pairs((text, pair.others[0]) for text, pair in mine)
        gold = [pair for _, pair in mine]
        return self.scorer(gold, predicted, labels=self.labels, mode=self.mode, **kwargs)


class Comparer:
    """Behind `doc._.paraphrase`. A copy of a doc in bytes or a pickle goes without it."""

    def __init__(self, pipe: BertParaphrase | None):
        self.pipe = pipe

    def __call__(self, doc: Doc, other: Any) -> Any:
        if self.pipe is None:
            raise CodedValueError(Errors.B071)
        found = self.pipe.predict_pairs([(doc.text, other)])[0]
        if self.pipe.mode != "classes":
            return float(found)
        return dict(zip(self.pipe.labels, found.tolist()))

    def __reduce__(self):
        return Comparer, (None,)


def paraphrase(doc: Doc, other: Any) -> Any:
    """`doc._.paraphrase(other)`: a probability, or one of each class.

    other (str | Doc | Span): The second text.
    RAISES (ValueError): If the doc has not come out of a pipeline with 'bert_paraphrase'.
    """
    return doc.user_hooks.get(HOOK, Comparer(None))(doc, other)


def check_both(name: str, labels: set[str]) -> None:
    """RAISES (ValueError): If all labels mean yes or all mean no, or they are numbers of classes:
    what would be learnt is a constant, or something else than was meant.
    """
    n_sides = len({is_positive(label) for label in labels})
    if labels and (n_sides < 2 or are_numbered(labels)):
        found, positive = ", ".join(sorted(labels)), ", ".join(POSITIVE)
        raise CodedValueError(Errors.B073.format(name=name, found=found, positive=positive))


def are_numbered(labels: Collection[str]) -> bool:
    """RETURNS (bool): Whether there are three labels or more, all numbers: then 1 is not "yes",
    but the second class.
    """
    return len(labels) > 2 and all(label.removesuffix(".0").isdigit() for label in labels)
