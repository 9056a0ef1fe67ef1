"""bert_similarity: one vector for each text, and how near texts are to each other."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy
import torch
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Config, Model

from ...backbone.hidden_states import BertStates
from ...backbone.model import find_backbone
from ...backbone.passes.texts import TextEncoder
from ...core.attributes import Registered
from ...core.collectives import gather
from ...core.sentences import has_sentences, sentence_bounds
from ...core.torch_shim import get_shim
from ...core.validation import check_choice, check_config
from ...data.pairs import PairAnnotation, belongs_together, get_pair
from ...data.questions import get_question
from ...errors import CodedValueError, Errors, Warnings
from ...heads.glue import built_module, with_graph
from ...heads.labelled import check_list
from ...heads.pair_pipe import PairPipe, as_texts
from ...vectors.hooks import install_hooks
from .build import build_embedder
from .distillation import Distillation
from .gradient_cache import learn_at_once, learn_batch
from .losses import PairLoss, make_batch
from .model import Embeddings, SentenceEmbedder

DEFAULT_CONFIG = Config().from_str("""
[bert_similarity]
sentence_vectors = "auto"
token_vectors = true
chunk_size = 0
distillation = 0.0

[bert_similarity.loss]
@losses = "spacy-bert-suite.MultipleNegativesRanking.v1"
scale = 20.0
symmetric = false

[bert_similarity.scorer]
@scorers = "spacy-bert-suite.similarity_scorer.v1"

[bert_similarity.model]
@architectures = "spacy-bert-suite.SentenceEncoder.v1"
pooling = "auto"
dense_width = 0
dense_activation = "Tanh"
normalize = "auto"
truncate_dim = 0
long_documents = "mean"

[bert_similarity.model.bert]
@architectures = "spacy-bert-suite.BertListener.v1"
upstream = "bert"

[bert_similarity.model.texts]
@architectures = "spacy-bert-suite.TextEncoder.v1"
upstream = "bert"
""")

SENTENCE_VECTORS = ("auto", "context", "alone", "none")
ENCODED_AT_ONCE = 512  # texts
NEEDS = {
    "score": "pairs with a score",
    "label": "pairs with a label",
    "positive": "pairs of texts that belong together",
    "negative": "triplets: an anchor, a positive and a negative",
}


@Language.factory(
    "bert_similarity",
    assigns=["doc._.embedding", "span._.embedding", "doc.tensor"],
    default_config=DEFAULT_CONFIG["bert_similarity"],
    default_score_weights={
        "similarity_score": 1.0,
        "similarity_spearman": None,
        "similarity_pearson": None,
        "similarity_ap": None,
        "similarity_f": None,
        "similarity_acc": None,
    },
)
def make_bert_similarity(
    nlp: Language,
    name: str,
    model: Model[list[Doc], Embeddings],
    loss: PairLoss,
    sentence_vectors: str,
    token_vectors: bool,
    chunk_size: int,
    distillation: float,
    scorer: Callable | None,
) -> "BertSimilarity":
    """Construct a similarity component. On the embedded default it works untrained.

    model (Model): Vectors of docs, and an encoder of texts for training and queries.
    loss (PairLoss): What training minimizes.
    sentence_vectors (str): Vectors of sentences from the same pass ("context"), from a pass over
        each sentence by itself ("alone"), or "none". "auto" is "alone" where the model pools
        [CLS] states, of which a sentence in its context has none, else "context".
    token_vectors (bool): Keep the vectors of tokens in `doc.tensor`, for tokens and spans.
    chunk_size (int): In training, texts whose activations are held at a time: the batch can
        then be large in little memory, for one more forward pass (Gao et al. 2021); 0 for all.
    distillation (float): How strongly training holds the vectors of the pairs, and of the texts
        that other tasks read one by one, to what the backbone's weights gave before: weight of
        their mean cosine distance in the loss (Li and Hoiem 2016). Costs a forward pass of a
        second copy of the weights.
    scorer (Callable | None): The scoring method.
    """
    check_choice(name, "sentence_vectors", sentence_vectors, SENTENCE_VECTORS)
    check_config(name, "chunk_size", chunk_size, chunk_size >= 0, "0 or more")
    check_config(name, "distillation", distillation, distillation >= 0, "0 or more")
    is_known = not (distillation and get_shim(model).cfg["dense"])
    expected = "0 where dense_width adds a layer, which gave no vectors before"
    check_config(name, "distillation", distillation, is_known, expected)
    return BertSimilarity(
        nlp.vocab,
        model,
        name,
        loss=loss,
        sentence_vectors=sentence_vectors,
        token_vectors=token_vectors,
        chunk_size=chunk_size,
        distillation=distillation,
        scorer=scorer,
    )


class BertSimilarity(PairPipe):
    """Writes `doc._.embedding`, `sent._.embedding` and `doc.tensor`, and lets `.vector` and
    `.similarity` of Doc, Span and Token use them. Learns from pairs: see `pairs.py`.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], Embeddings],
        name: str,
        *,
        loss: PairLoss,
        sentence_vectors: str = "auto",
        token_vectors: bool = True,
        chunk_size: int = 0,
        distillation: float = 0.0,
        scorer: Callable | None = None,
    ):
        self.vocab = vocab
        self.model = model
        self.name = name
        self.loss = loss
        self.needs = loss.needs
        self.sentence_vectors = sentence_vectors
        self.token_vectors = token_vectors
        self.chunk_size = chunk_size
        self.distillation = Distillation(distillation)
        self.scorer = scorer
        self.cfg: dict[str, Any] = {"labels": []}
        self._registered = Registered(name, ["doc.embedding", "span.embedding"])

    @property
    def text_encoder(self) -> TextEncoder:
        """RETURNS (TextEncoder): Bound, where no pipeline did that, to a backbone of its own."""
        encoder: TextEncoder = self.model.layers[1]  # type: ignore[assignment]
        own = None if encoder.backbone else find_backbone(self.model)
        if own is not None:
            encoder.bind(own, self.name, not own.attrs.get("frozen", False))
        return encoder

    # Vectors

    def encode(self, texts: Iterable[Any]) -> numpy.ndarray:
        """Vectors of texts that are in no Doc: queries, or whole collections. The texts are
        sorted by length, so give many at a time.

        texts (Iterable[str | Doc | Span]): Any texts; one alone makes one row.
        RETURNS (ndarray): *Shape:* ``(n_texts, width)``, float32
        RAISES (ValueError): If one of them is no text.
        """
        given = [texts] if isinstance(texts, (str, Doc, Span)) else texts
        return self._encode(as_texts(given, self.name))

    def _encode(self, texts: list[str]) -> numpy.ndarray:
        embedder = self.embedder
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]), reverse=True)
        vectors: numpy.ndarray | None = None
        for start in range(0, len(texts), ENCODED_AT_ONCE):
            part = order[start : start + ENCODED_AT_ONCE]
            with torch.no_grad():
                states = self.text_encoder.predict([texts[i] for i in part])
                found = embedder.embed(states).cpu().numpy()
            if vectors is None:
                vectors = numpy.zeros((len(texts), found.shape[1]), dtype="float32")
            vectors[part] = found
        return numpy.zeros((0, self.width), dtype="float32") if vectors is None else vectors

    @property
    def width(self) -> int:
        """RETURNS (int): Dimensions of the vectors."""
        return self.embedder.n_out

    def predict(self, docs: Iterable[Doc]) -> Embeddings | None:
        """RETURNS (Embeddings | None): Vectors of docs, sentences and tokens."""
        docs = list(docs)
        if not docs:
            return None
        embedder, in_context = self.embedder, self._sentences_from == "context"
        states = self.model.layers[0].predict(docs)
        with torch.no_grad():
            found = embedder(states, docs, sentences=in_context, tokens=self.token_vectors)
        if embedder.cfg["long_documents"] == "first":
            self._read_beginnings(docs, states, found.docs)
        if self._sentences_from == "alone":
            texts = [sent.text for doc in docs if has_sentences(doc) for sent in doc.sents]
            alone = torch.from_numpy(self._encode(texts)).to(found.docs)
            found = found._replace(sentences=alone)
        return found

    def _read_beginnings(
        self, docs: Sequence[Doc], states: BertStates, vectors: torch.Tensor
    ) -> None:
        """Give the docs with several windows the vectors of the first. It is read once more: where
        windows overlap, a wordpiece has but one state, and its last ones are of the second.
        """
        n_windows = numpy.diff(states.layout.window_offsets)
        long = numpy.flatnonzero(n_windows > 1).tolist()
        if long:
            vectors[long] = torch.from_numpy(self._encode([docs[i].text for i in long])).to(vectors)

    @property
    def _sentences_from(self) -> str:
        if self.sentence_vectors != "auto":
            return self.sentence_vectors
        pooling = self.embedder.cfg["pooling"]
        return "alone" if "cls" in pooling or "pooler" in pooling or "+" in pooling else "context"

    def set_annotations(self, docs: Iterable[Doc], scores: Embeddings | None) -> None:  # type: ignore[override]
        """Write vectors and install the hooks."""
        docs = list(docs)
        if not docs or scores is None:
            return
        sentences = iter(scores.sentences.cpu().numpy())
        tokens = scores.tokens.cpu().numpy()
        begin = 0
        for doc, vector in zip(docs, scores.docs.cpu().numpy()):
            doc._.embedding = vector.copy()
            if len(tokens):
                doc.tensor = tokens[begin : begin + len(doc)].copy()
                begin += len(doc)
            if self._sentences_from != "none" and has_sentences(doc):
                for start, end in sentence_bounds(doc):
                    doc[start:end]._.embedding = next(sentences).copy()
            install_hooks(doc)

    @property
    def embedder(self) -> SentenceEmbedder:
        """RETURNS (SentenceEmbedder): The torch module, built at first use, where the backbone is.
        RAISES (ValueError): If it was built for states of another width.
        """
        backbone = self.text_encoder.get_backbone()
        if get_shim(self.model).module is None:
            self._build()
        module = built_module(self.model, backbone.module.width)
        module.to(backbone.module.device).eval()
        module.pooler[0] = getattr(backbone.module.transformer, "pooler", None)
        return module

    def _build(self, *, download: bool = False) -> None:
        backbone = self.text_encoder.get_backbone()
        build_embedder(self.model, backbone, len(self.labels), download=download)

    # Training

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Iterable[str] | None = None,
    ) -> None:
        """Build the layers above the backbone.

        labels (Iterable[str] | None): Classes of pairs, for the loss that learns from them;
            by default those that occur.
        RAISES (ValueError): If no example is of the kind that the loss learns from, or the loss
            reads more dimensions than the vectors have. Examples without any pairs are no error:
            the component need not be trained.
        """
        check_list(labels, self.name)
        pairs = self.collect_pairs(get_examples)
        if pairs and not any(self.is_gold(pair) for pair in pairs):
            needs = NEEDS[self.needs]
            raise CodedValueError(Errors.B067.format(name=self.name, needs=needs))
        self._warn_of_negatives(pairs)
        if self.needs == "label":
            found = labels or sorted({pair.label for pair in pairs if pair.label})
            self.set_labels(found)
        self._build(download=True)
        self.loss.check_width(self.width)

    def _warn_of_negatives(self, pairs: Sequence[PairAnnotation]) -> None:
        if self.needs in ("positive", "negative"):
            n = sum(not belongs_together(pair) for pair in pairs)
            if n:
                message = Warnings.B905.format(name=self.name, n=n, n_all=len(pairs))
                warnings.warn(message, stacklevel=2)

    def update_batch(self, gold: Sequence[tuple[str, PairAnnotation]]) -> float:
        """Forward and backward pass: all texts go through the backbone in a pass of their own, not
        through the listener. RETURNS (float): The loss.
        """
        texts = [text for first, pair in gold for text in (first, *pair.others)]
        n_texts = [1 + len(pair.others) for _, pair in gold]
        scores = [0.0 if pair.score is None else pair.score for _, pair in gold]
        labels = [self._label_of(pair) for _, pair in gold]
        module = self.embedder.train()
        distance = self.distillation.loss_for(texts, self.text_encoder, module)

        def loss_of(vectors: torch.Tensor) -> torch.Tensor:
            classifier = getattr(module, "classifier", None)
            found = gather(vectors, (n_texts, scores, labels))
            loss = found.share * self.loss(make_batch(found.rows, *found.values), classifier)
            return loss if distance is None else loss + distance(vectors)

        return learn_batch(self._embed, texts, loss_of, self.chunk_size)

    def update_auxiliary(self, examples: Sequence[Example]) -> float | None:
        """Hold the vectors of other tasks' texts, in the pass that these share. There is none for
        pairs and questions.
        RETURNS (float | None): The loss; None where there are none, or nothing holds them.
        """
        if not self.distillation.holds(self.text_encoder):
            return None
        docs = [eg.predicted for eg in examples]
        others = [i for i, eg in enumerate(examples) if not is_for_two_texts(eg)]
        texts = [docs[i].text for i in others]
        distance = self.distillation.loss_for(texts, self.text_encoder, self.embedder)
        if distance is None:
            return None
        return learn_at_once(self._embed_docs, docs, lambda vectors: distance(vectors[others]))

    def training_state(self) -> dict[str, torch.Tensor]:
        """RETURNS (dict[str, Tensor]): What a resumed run needs beside the weights: those of the
        vectors that `distillation` holds to that are kept.
        """
        return self.distillation.known.state()

    def load_training_state(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take up what `training_state` gave."""
        device = self.text_encoder.get_backbone().module.device
        self.distillation.known.load(tensors, device)

    def update_empty(self) -> None:
        device = self.text_encoder.get_backbone().module.device
        gather(torch.zeros((0, 0), device=device), ([], [], []))
        self.distillation.skip(self.text_encoder)

    def _label_of(self, pair: PairAnnotation) -> int:
        return self.class_of(pair) if self.needs == "label" else 0

    def _embed(self, texts: Sequence[str]) -> tuple[torch.Tensor, Callable[[], None]]:
        """RETURNS (Tuple): Vectors with their graph, and what to call after `backward`, to hand
        the gradient on to the backbone.
        """
        return self._with_graph(*self.text_encoder.begin_update(list(texts)))

    def _embed_docs(self, docs: Sequence[Doc]) -> tuple[torch.Tensor, Callable[[], None]]:
        return self._with_graph(*self.model.layers[0].begin_update(list(docs)))

    def _with_graph(
        self, states: BertStates, backprop: Callable
    ) -> tuple[torch.Tensor, Callable[[], None]]:
        return with_graph(states, backprop, get_shim(self.model).module.embed)

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """Score the examples that hold pairs; none: no scores."""
        mine = [eg for eg in examples if self.pair_of(eg) is not None]
        if not mine or self.scorer is None:
            return {}
        return self.scorer(mine, encode=self.encode, **kwargs)

    # Saving

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        self._resolve_auto()
        return super().to_bytes(exclude=exclude)

    def to_disk(self, path, *, exclude: Iterable[str] = ()) -> None:
        self._resolve_auto()
        super().to_disk(path, exclude=exclude)

    def _resolve_auto(self) -> None:
        """What "auto" means is saved, not looked up again."""
        if get_shim(self.model).module is None and self.text_encoder.backbone:
            self._build()


def is_for_two_texts(eg: Example) -> bool:
    """RETURNS (bool): Whether some component reads it in a pass of its own, with another text."""
    return get_pair(eg) is not None or get_question(eg) is not None
