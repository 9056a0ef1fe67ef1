"""bert_ner: named entities with probabilities."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy
import torch
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import Config, Model

from ...core.collectives import part_of_mean, totals_of
from ...core.text import has_blank_edge, is_blank
from ...core.torch_shim import get_shim
from ...data.multitask import is_for
from ...errors import Warnings
from ...heads.labelled import LabelledPipe
from ...heads.pipe import Gradients, loss_and_gradients
from .biluo import MISSING
from .crf import crf_loss
from .decoding import Entity
from .model import TagScores
from .schemes import PARTS, decode, from_biluo, make_tags

DEFAULT_CONFIG = Config().from_str("""
[bert_ner]
overwrite = false

[bert_ner.scorer]
@scorers = "spacy.ner_scorer.v1"

[bert_ner.model]
@architectures = "spacy-bert-suite.TokenClassifier.v1"
pooling = "first"
dropout = 0.1
crf = false
scheme = "biluo"

[bert_ner.model.bert]
@architectures = "spacy-bert-suite.BertListener.v1"
upstream = "bert"
""")


@Language.factory(
    "bert_ner",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type", "span._.score"],
    default_config=DEFAULT_CONFIG["bert_ner"],
    default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None},
)
def make_bert_ner(
    nlp: Language,
    name: str,
    model: Model[list[Doc], TagScores],
    overwrite: bool,
    scorer: Callable | None,
) -> "BertEntityRecognizer":
    """Construct an entity recognizer.

    model (Model): Scores of tags for each word.
    overwrite (bool): Whether entities that are on the doc already, and blocked tokens, give
        way; if not, they stay and predicted entities that overlap them are left out.
    scorer (Callable | None): The scoring method.
    """
    return BertEntityRecognizer(nlp.vocab, model, name, overwrite=overwrite, scorer=scorer)


class BertEntityRecognizer(LabelledPipe):
    """Tags words (never pieces of words) and reads entities off the best valid tag sequence."""

    gold = "entities in doc.ents"
    attributes = ("span.score",)

    @property
    def scheme(self) -> str:
        """RETURNS (str): What the tags are: "biluo", "bio", "iob1" or "io"."""
        return get_shim(self.model).cfg.get("scheme", "biluo")

    def count_outputs(self, n_labels: int) -> int:
        return 1 + len(PARTS[self.scheme]) * n_labels

    def has_annotation(self, eg: Example) -> bool:
        return len(eg.reference) > 0 and eg.reference.has_annotation("ENT_IOB")

    def find_labels(self, examples: Sequence[Example]) -> list[str]:
        return sorted({ent.label_ for eg in examples for ent in eg.reference.ents})

    def set_annotations(self, docs: Iterable[Doc], scores: TagScores | None) -> None:
        """Write `doc.ents`, and `ent._.score`: the probability of exactly this entity given
        the text, between 0 and 1.
        """
        docs = list(docs)
        if not docs or scores is None:
            return
        offsets = numpy.cumsum([0] + [len(doc) for doc in docs])
        entities = decode(
            scores.emissions.cpu().numpy(),
            scores.transitions.cpu().numpy(),
            offsets,
            find_blanks(docs),
            self.labels,
            self.scheme,
        )
        for doc, found in zip(docs, entities):
            self._set_entities(doc, found)

    def _set_entities(self, doc: Doc, found: list[Entity]) -> None:
        kept: list[Span] = []
        blocked: list[Span] = []
        if self.cfg["overwrite"]:
            drop_scores(doc)
        else:
            kept, blocked = list(doc.ents), find_blocked(doc)
        taken = {i for span in kept + blocked for i in range(span.start, span.end)}
        spans = []
        for entity in found:
            if taken.isdisjoint(range(entity.start, entity.end)):
                span = Span(doc, entity.start, entity.end, label=entity.label)
                if has_blank_edge(span.text):  # part of a word, which a span cannot cut
                    message = Warnings.B955.format(name=self.name, text=span.text)
                    warnings.warn(message, stacklevel=2)
                    continue
                span._.score = entity.score
                spans.append(span)
        doc.set_ents(kept + spans, blocked=blocked, default="outside")

    def get_loss(self, examples: Iterable[Example], scores: TagScores) -> tuple[float, Gradients]:
        """Mean negative log-likelihood of the gold tags over the words that have one: of each
        word by itself, or of the sequence with a CRF.

        RETURNS (tuple[float, Gradients]): The loss, and the gradients of the scores; none if no
            word has a gold tag.
        """
        examples = list(examples)
        gold = [self._gold_tags(eg) for eg in examples]
        crf = get_shim(self.model).cfg["crf"]
        n_words = sum(count_words(tags, crf) for tags in gold)
        if not n_words:
            totals_of(0)
            return 0.0, (None, None)
        emissions = scores.emissions.requires_grad_()
        transitions = scores.transitions.requires_grad_(crf)
        if crf:
            is_blank = find_blanks([eg.predicted for eg in examples])
            loss = crf_loss(emissions, transitions, gold, is_blank)
        else:
            tags = torch.from_numpy(numpy.concatenate(gold)).to(emissions.device)
            loss = torch.nn.functional.cross_entropy(emissions, tags, ignore_index=MISSING)
        return loss_and_gradients(part_of_mean(loss, n_words), [emissions, transitions])

    def _gold_tags(self, eg: Example) -> numpy.ndarray:
        """RETURNS (ndarray): A tag for each predicted token, MISSING where there is no gold."""
        tags = numpy.full(len(eg.predicted), MISSING, dtype="int64")
        if is_for(eg, self.name) and self.has_annotation(eg):
            index = {tag: i for i, tag in enumerate(make_tags(self.labels, self.scheme))}
            words = numpy.flatnonzero(~find_blanks([eg.predicted])).tolist()
            aligned = aligned_tags(eg)
            for i, tag in zip(words, from_biluo([aligned[i] for i in words], self.scheme)):
                if tag is not None:
                    tags[i] = index.get(tag, MISSING)
        return tags


def aligned_tags(eg: Example) -> list[str | None]:
    """RETURNS (list[str | None]): The gold BILUO tag of each predicted word. Blanks at the
    edges of an entity are no part of it, as when decoding.
    """
    ents, aligned = eg.get_aligned_ents_and_ner()
    tags: list[str | None] = list(aligned)
    for ent in ents:
        words = [token.i for token in ent if not is_blank(token.text)]
        if words:
            first, last = words[0], words[-1]
            tags[first] = f"B-{ent.label_}"
            tags[last] = f"L-{ent.label_}" if last > first else f"U-{ent.label_}"
    return tags


def count_words(tags: numpy.ndarray, crf: bool) -> int:
    """RETURNS (int): Words of a doc over which the loss is a mean: those with gold, or with a CRF
    all, if any has gold.
    """
    n_given = int((tags != MISSING).sum())
    return len(tags) if crf and n_given else n_given


def find_blanks(docs: Sequence[Doc]) -> numpy.ndarray:
    """RETURNS (ndarray): Whether each word of the docs is blank, (n_words,). None is ever at the
    edge of an entity.
    """
    if len({id(doc.vocab) for doc in docs}) > 1:  # each knows its own words only
        return numpy.concatenate([find_blanks([doc]) for doc in docs])
    words, places = numpy.unique(
        numpy.concatenate([doc.to_array("ORTH") for doc in docs]), return_inverse=True
    )
    strings = docs[0].vocab.strings
    return numpy.asarray([is_blank(strings[word]) for word in words.tolist()], dtype=bool)[places]


def find_blocked(doc: Doc) -> list[Span]:
    """RETURNS (list[Span]): Tokens that spaCy marks as blocked: never in an entity."""
    marks = doc.to_array(["ENT_IOB", "ENT_TYPE"]).reshape(-1, 2)
    begins_nothing = (marks[:, 0] == 3) & (marks[:, 1] == 0)
    return [doc[i : i + 1] for i in numpy.flatnonzero(begins_nothing).tolist()]


def drop_scores(doc: Doc) -> None:
    """Forget the scores of the doc's entities, which are about to be replaced."""
    user_data: Any = doc.user_data  # its keys are not only strings
    for ent in doc.ents:
        user_data.pop(("._.", "score", ent.start_char, ent.end_char), None)
