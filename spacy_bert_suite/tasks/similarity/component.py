"""bert_similarity: text vectors and their similarity."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy
import torch
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Config, Model

from ...backbone.passes.texts import TextEncoder
from ...core.attributes import Registered
from ...core.collectives import gather
from ...core.torch_shim import get_shim
from ...core.validation import check_choice, check_config
from ...data.pairs import PairAnnotation
from ...heads.glue import built_module
from ...heads.labelled import check_list
from ...heads.pair_pipe import PairPipe, as_texts
from ...vectors.hooks import ATTRIBUTES
from .build import build_embedder
from .distillation import Distillation
from .embedding import embed_docs, encode_texts, sentences_from, write_vectors
from .gold import check_gold, is_for_two_texts
from .gradient_cache import embed_with, learn_at_once, learn_batch
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


@Language.factory(
    "bert_similarity",
    assigns=["doc._.embedding", "span._.embedding", "doc._.token_vectors"],
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
    token_vectors (bool): Keep `doc._.token_vectors`, for tokens and spans.
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
    """Writes `doc._.embedding`, `sent._.embedding` and `doc._.token_vectors`, and lets `.vector`
    and `.similarity` of Doc, Span and Token use them. Learns from pairs: see `pairs.py`.
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
        super().__init__(vocab, model, name, scorer=scorer, labels=[])
        self.loss = loss
        self.needs = loss.needs
        self.sentence_vectors = sentence_vectors
        self.token_vectors = token_vectors
        self.chunk_size = chunk_size
        self.distillation = Distillation(distillation)
        self._registered = Registered(name, ATTRIBUTES)

    @property
    def text_encoder(self) -> TextEncoder:
        """RETURNS (TextEncoder): For texts in no Doc: queries, and training pairs."""
        return self.model.layers[1]  # type: ignore[return-value]

    # Vectors

    def encode(self, texts: Iterable[Any]) -> numpy.ndarray:
        """Vectors of texts that are in no Doc: queries, or whole collections. The texts are
        sorted by length, so give many at a time.

        texts (Iterable[str | Doc | Span]): Any texts; one alone makes one row.
        RETURNS (ndarray): *Shape:* ``(n_texts, width)``, float32
        RAISES (ValueError): If one of them is no text.
        """
        given = [texts] if isinstance(texts, (str, Doc, Span)) else texts
        return encode_texts(as_texts(given, self.name), self.text_encoder, self.get_embedder())

    @property
    def width(self) -> int:
        """RETURNS (int): Dimensions of the vectors."""
        return self.get_embedder().n_out

    def predict(self, docs: Iterable[Doc]) -> Embeddings | None:
        """RETURNS (Embeddings | None): Vectors of docs, sentences and tokens."""
        docs = list(docs)
        if not docs:
            return None
        module = self.get_embedder()
        return embed_docs(
            docs,
            self.model.layers[0].predict(docs),
            self.text_encoder,
            module,
            sentences=self._sentences_from(module),
            tokens=self.token_vectors,
        )

    def set_annotations(self, docs: Iterable[Doc], scores: Embeddings | None) -> None:  # type: ignore[override]
        """Write vectors and install the hooks."""
        docs = list(docs)
        if docs and scores is not None:
            is_given = self._sentences_from(self.get_embedder()) != "none"
            write_vectors(docs, scores, has_sentence_vectors=is_given)

    def _sentences_from(self, module: SentenceEmbedder) -> str:
        return sentences_from(self.sentence_vectors, module.cfg["pooling"])

    def get_embedder(self) -> SentenceEmbedder:
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
        check_gold(pairs, [self.is_gold(pair) for pair in pairs], self.needs, self.name)
        if self.needs == "label":
            found = labels or sorted({pair.label for pair in pairs if pair.label})
            self.set_labels(found)
        self._build(download=True)
        self.loss.check_width(self.width)

    def update_batch(self, gold: Sequence[tuple[str, PairAnnotation]]) -> float:
        """Forward and backward pass: all texts go through the backbone in a pass of their own, not
        through the listener. RETURNS (float): The loss.
        """
        texts = [text for first, pair in gold for text in (first, *pair.others)]
        n_texts = [1 + len(pair.others) for _, pair in gold]
        scores = [0.0 if pair.score is None else pair.score for _, pair in gold]
        labels = [self._label_of(pair) for _, pair in gold]
        module = self.get_embedder().train()
        distance = self.distillation.loss_for(texts, self.text_encoder, module)

        def loss_of(vectors: torch.Tensor) -> torch.Tensor:
            classifier = getattr(module, "classifier", None)
            found = gather(vectors, (n_texts, scores, labels))
            loss = found.share * self.loss(make_batch(found.rows, *found.values), classifier)
            return loss if distance is None else loss + distance(vectors)

        return learn_batch(embed_with(self.text_encoder, module), texts, loss_of, self.chunk_size)

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
        module = self.get_embedder()
        distance = self.distillation.loss_for(texts, self.text_encoder, module)
        if distance is None:
            return None
        embed = embed_with(self.model.layers[0], module)
        return learn_at_once(embed, docs, lambda vectors: distance(vectors[others]))

    def training_state(self) -> dict[str, torch.Tensor]:
        """RETURNS (dict[str, Tensor]): What a resumed run needs beside the weights: those of the
        vectors that `distillation` holds to that are kept.
        """
        return self.distillation.cache.state()

    def load_training_state(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take up what `training_state` gave."""
        device = self.text_encoder.get_backbone().module.device
        self.distillation.cache.load(tensors, device)

    def update_empty(self) -> None:
        device = self.text_encoder.get_backbone().module.device
        gather(torch.zeros((0, 0), device=device), ([], [], []))
        self.distillation.skip(self.text_encoder)

    def _label_of(self, pair: PairAnnotation) -> int:
        return self.class_of(pair) if self.needs == "label" else 0

    # Scoring

    def select_scored(self, examples: Sequence[Example]) -> list[Example]:
        return [eg for eg in examples if self.pair_of(eg) is not None]

    def score_gold(self, scorer: Callable, gold: Sequence[Any], **kwargs: Any) -> dict[str, Any]:
        return scorer(gold, encode=self.encode, **kwargs)

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
