"""bert_summarizer: extractive summaries."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Config, Model

from ...backbone.listener import BertListener
from ...core.attributes import Registered
from ...core.collectives import part_of_mean
from ...core.validation import check_choice, check_config
from ...data.multitask import examples_for, is_for
from ...errors import CodedValueError, Errors, Warnings
from ...heads.pipe import Gradients, HeadPipe, loss_and_gradients
from .gold import gold_labels, has_summary
from .length import Length
from .model import SentenceScores
from .selection import Choice, Settings, choose_by_centrality, choose_by_clusters, choose_by_scores
from .sentences import plain_text, sentence_states, sentences_of

DEFAULT_CONFIG = Config().from_str("""
[bert_summarizer]
method = "kmeans"
ratio = null
n_sentences = null
max_words = null
elbow = false
min_words = 5
lead_weight = 0.2
center_weight = 0.5
keep_first = true
diversity = 0.3
trigram_blocking = true
spans_key = "summary"

[bert_summarizer.scorer]
@scorers = "spacy-bert-suite.summary_scorer.v1"

[bert_summarizer.model]
@architectures = "spacy-bert-suite.SentenceScorer.v1"
n_layers = 2
n_heads = 8
dropout = 0.1
max_sentences = 512

[bert_summarizer.model.bert]
@architectures = "spacy-bert-suite.BertListener.v1"
upstream = "bert"
""")

METHODS = {
    "kmeans": choose_by_clusters,
    "centrality": choose_by_centrality,
    "trained": choose_by_scores,
}


@Language.factory(
    "bert_summarizer",
    assigns=["doc.spans", "doc._.summary", "span._.summary_score"],
    default_config=DEFAULT_CONFIG["bert_summarizer"],
    default_score_weights={
        "summary_rouge1": 0.33,
        "summary_rouge2": 0.33,
        "summary_rougeL": 0.34,
    },
)
def make_bert_summarizer(
    nlp: Language,
    name: str,
    model: Model[list[Doc], SentenceScores],
    scorer: Callable | None,
    method: str,
    ratio: float | None,
    n_sentences: int | None,
    max_words: int | None,
    elbow: bool,
    min_words: int,
    lead_weight: float,
    center_weight: float,
    keep_first: bool,
    diversity: float,
    trigram_blocking: bool,
    spans_key: str,
) -> "BertSummarizer":
    """Construct a summarizer.

    model (Model): Scores of sentences; only its listener is used unless the method is "trained".
    scorer (Callable | None): The scoring method.
    method (str): "kmeans" (a sentence close to the center of each cluster), "centrality" (what
        is like the rest of the doc), or "trained".
    ratio, n_sentences, max_words, elbow: One way to tell the length; by default a fifth of the
        sentences. See `Length`.
    min_words, lead_weight, center_weight, keep_first, diversity, trigram_blocking: See `Settings`.
    spans_key (str): Where in `doc.spans` the summary is written, and gold is read.
    """
    settings = Settings(
        Length(ratio, n_sentences, max_words, elbow, name),
        min_words=min_words,
        lead_weight=lead_weight,
        center_weight=center_weight,
        keep_first=keep_first,
        diversity=diversity,
        trigram_blocking=trigram_blocking,
    )
    return BertSummarizer(
        nlp.vocab, model, name, method=method, settings=settings, spans_key=spans_key, scorer=scorer
    )


class BertSummarizer(HeadPipe):
    """Writes `doc.spans["summary"]`, `doc._.summary` and `sent._.summary_score`. The method
    "trained" learns from `doc.spans["summary"]` of the reference: the sentences to choose.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], SentenceScores],
        name: str = "bert_summarizer",
        *,
        method: str = "kmeans",
        settings: Settings | None = None,
        spans_key: str = "summary",
        scorer: Callable | None = None,
    ):
        super().__init__(vocab, model, name, scorer=scorer)
        self.method = method
        self.settings = settings or Settings(Length(name=name))
        self.spans_key = spans_key
        self._has_warned = False
        check_choice(name, "method", method, METHODS)
        for key in ("center_weight", "diversity"):
            value = getattr(self.settings, key)
            check_config(name, key, value, 0 <= value <= 1, "from 0 to 1")
        self._registered = Registered(name, ["doc.summary", "span.summary_score"])

    @property
    def is_trainable(self) -> bool:
        return self.method == "trained"

    def set_length(
        self,
        *,
        ratio: float | None = None,
        n_sentences: int | None = None,
        max_words: int | None = None,
        elbow: bool = False,
    ) -> None:
        """Make longer or shorter summaries from now on; what is saved is the length in the config.
        One of the four is given; see `Length`.
        """
        length = Length(ratio, n_sentences, max_words, elbow, self.name)
        self.settings = replace(self.settings, length=length)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
    ) -> None:
        """Build the model, if the method is "trained"; the others have nothing to initialize.

        get_examples (Callable): Gives examples.
        RAISES (ValueError): If none of them has a gold summary.
        """
        if not self.is_trainable:
            return
        for node in self.model.walk():
            if isinstance(node, BertListener) and node.store is None:
                upstream = node.upstream_name
                raise CodedValueError(Errors.B032.format(name=self.name, upstream=upstream))
        if not any(self._has_summary(eg) for eg in examples_for(get_examples, self.name)):
            raise CodedValueError(Errors.B081.format(name=self.name, key=self.spans_key))
        self.model.initialize()

    def predict(self, docs: Iterable[Doc]) -> list[Choice]:
        """RETURNS (list[Choice]): Scores and chosen sentences of each doc."""
        docs = list(docs)
        if not docs:
            return []
        self._warn_without_boundaries(docs)
        if self.is_trainable:
            rows = self.model.predict(docs).logits.sigmoid()
        else:
            rows, _ = sentence_states(self.model.layers[0].predict(docs), docs)
        values = rows.float().cpu().numpy()
        choices, start = [], 0
        for doc in docs:
            texts = [plain_text(sentence) for sentence in sentences_of(doc)]
            own = values[start : start + len(texts)]
            choices.append(METHODS[self.method](own, texts, self.settings))
            start += len(texts)
        return choices

    def _warn_without_boundaries(self, docs: Sequence[Doc]) -> None:
        if not self._has_warned and not all(doc.has_annotation("SENT_START") for doc in docs):
            self._has_warned = True
            warnings.warn(Warnings.B904.format(name=self.name), stacklevel=2)

    def set_annotations(self, docs: Iterable[Doc], choices: Sequence[Choice]) -> None:
        """Write the summary of each doc, and the score of each sentence."""
        for doc, choice in zip(docs, choices):
            sentences = sentences_of(doc)
            for sentence, score in zip(sentences, choice.scores.tolist()):
                sentence._.summary_score = score
            chosen = [sentences[i] for i in choice.chosen]
            doc.spans[self.spans_key] = chosen
            doc._.summary = " ".join(plain_text(sentence) for sentence in chosen)

    def has_annotation(self, eg: Example) -> bool:
        return self.is_trainable and self._has_summary(eg)

    def get_loss(
        self, examples: Iterable[Example], scores: SentenceScores
    ) -> tuple[float, Gradients]:
        """RETURNS (tuple[float, Gradients]): Mean binary cross-entropy of the sentences of docs
        with gold, and the gradient of the scores.
        """
        labels = [
            gold_labels(eg, self.spans_key, is_given=self._has_summary(eg)) for eg in examples
        ]
        gold = torch.from_numpy(numpy.concatenate(labels)).to(scores.logits.device)
        is_given = ~gold.isnan()
        logits = scores.logits.requires_grad_()
        losses = torch.nn.functional.binary_cross_entropy_with_logits(
            logits[is_given], gold[is_given], reduction="sum"
        )
        n_given = int(is_given.sum())
        return loss_and_gradients(part_of_mean(losses / max(1, n_given), n_given), [logits])

    def _has_summary(self, eg: Example) -> bool:
        return is_for(eg, self.name) and bool(eg.reference.spans.get(self.spans_key))

    def select_scored(self, examples: Sequence[Example]) -> list[Example]:
        return [eg for eg in examples if is_for(eg, self.name) and has_summary(eg, self.spans_key)]

    def score_gold(self, scorer: Callable, gold: Sequence[Any], **kwargs: Any) -> dict[str, Any]:
        return scorer(gold, **{"spans_key": self.spans_key, **kwargs})
