"""bert_pretrainer: pretraining on plain text (MLM, NSP, SOP), and filling masks."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Config, Model, Optimizer

from ...backbone.passes.shared import SharedEncoder
from ...backbone.shim import BackboneShim
from ...core.batching import batches_by_size
from ...core.collectives import totals_of
from ...core.torch_shim import get_shim
from ...core.validation import check_config
from ...data.multitask import examples_for, is_for
from ...errors import CodedValueError, Errors
from ...heads.pipe import HeadPipe
from ...heads.tuning import before_saving
from .checkpoint import PAIRS, write_folder
from .fill_mask import MaskPrediction, fill_texts
from .instance import Instance, get_instance
from .losses import Outcome
from .masking import (
    MaskedBatch,
    MaskSettings,
    Vocabulary,
    check_instances,
    mask_instances,
    vocabulary_of,
)
from .model import add_pooler
from .scorer import total

DEFAULT_CONFIG = Config().from_str("""
[bert_pretrainer]
mask_share = 0.15
whole_words = true
max_predictions = 0

[bert_pretrainer.scorer]
@scorers = "spacy-bert-suite.pretraining_scorer.v1"

[bert_pretrainer.model]
@architectures = "spacy-bert-suite.PretrainingHeads.v1"

[bert_pretrainer.model.rows]
@architectures = "spacy-bert-suite.RowEncoder.v1"
upstream = "bert"
grad_factor = 1.0
""")

SCORED_AT_ONCE = 64  # instances
FIXED = 2**32  # the number of the draw of masks for scoring, which no training step has


@Language.factory(
    "bert_pretrainer",
    default_config=DEFAULT_CONFIG["bert_pretrainer"],
    default_score_weights={
        "mlm_accuracy": 1.0,
        "mlm_loss": None,
        "mlm_perplexity": None,
        "nsp_accuracy": 0.0,
    },
)
def make_bert_pretrainer(
    nlp: Language,
    name: str,
    model: Model[MaskedBatch, Outcome],
    mask_share: float,
    whole_words: bool,
    max_predictions: int,
    scorer: Callable | None,
) -> "BertPretrainer":
    """Construct a component that trains the backbone on plain text.

    model (Model): The heads.
    mask_share (float): Share of the wordpieces that are to be predicted.
    whole_words (bool): Mask all wordpieces of a token together.
    max_predictions (int): Most masked wordpieces of an instance; 0 for no limit.
    scorer (Callable | None): The scoring method.
    """
    check_config(name, "mask_share", mask_share, 0 < mask_share < 1, "between 0 and 1")
    check_config(name, "max_predictions", max_predictions, max_predictions >= 0, "0 or more")
    settings = MaskSettings(mask_share, whole_words, max_predictions)
    return BertPretrainer(nlp.vocab, model, name, settings=settings, scorer=scorer)


class BertPretrainer(HeadPipe):
    """Learns masked language modeling and next sentence prediction (Devlin et al. 2019) from the
    instances of `spacy-bert-suite.PretrainCorpus.v1`. Writes nothing to Docs.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[MaskedBatch, Outcome],
        name: str = "bert_pretrainer",
        *,
        settings: MaskSettings,
        scorer: Callable | None = None,
    ):
        super().__init__(vocab, model, name, scorer=scorer, n_updates=0, learns_pairs=False)
        self.settings = settings
        self._vocabulary: tuple[Any, Vocabulary] | None = None  # and the tokenizer that has it

    @property
    def n_updates(self) -> int:
        """RETURNS (int): Steps of the optimizer so far. Each draws other masks."""
        return self.cfg["n_updates"]

    @property
    def _encoder(self) -> SharedEncoder:
        return self.model.layers[0]  # type: ignore[return-value]

    @property
    def _backbone(self) -> BackboneShim:
        return self._encoder.get_backbone()

    # Filling masks

    def fill_mask(self, texts: str | Iterable[str], top_k: int = 5) -> Any:
        """Find what may stand in place of [MASK].

        texts (str | Iterable[str]): A text with one or more masks, or several texts.
        top_k (int): Fills wanted for each mask.
        RETURNS (list[MaskPrediction] | List): Fills, best first: each has a `token`, a `score` (its
            probability) and the `text` with it. For a text with several masks a list of these,
            with the other masks left as they are; for several texts a list of those.
        RAISES (ValueError): If a text has no mask.
        """
        check_config(self.name, "top_k", top_k, top_k >= 1, "at least 1")
        given = [texts] if isinstance(texts, str) else list(texts)
        found: list[list[list[MaskPrediction]]] = fill_texts(
            self.model, self._backbone, given, top_k
        )
        rows = [by_mask[0] if len(by_mask) == 1 else by_mask for by_mask in found]
        return rows[0] if isinstance(texts, str) else rows

    def predict(self, docs: Iterable[Doc]) -> None:
        """There is nothing to predict for a doc."""

    def set_annotations(self, docs: Iterable[Doc], scores: Any) -> None:
        """Docs stay as they are."""

    # Training

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: dict | None = None,
    ) -> None:
        """Build the heads, with the weights of the backbone's checkpoint if that has any.

        get_examples (Callable): Gives examples. The first instance says whether there are pairs.
        RAISES (ValueError): If there is no instance, and no head in the checkpoint either.
        """
        examples_for(get_examples, self.name, limit=1)  # that it gives any at all
        get_shim(self.model).module = None
        self.model.initialize()
        imported = get_shim(self.model).cfg["imported"]
        found = (self._instance(eg) for eg in get_examples())
        instance = next((each for each in found if each is not None), None)
        if instance is None and not imported:
            raise CodedValueError(Errors.B158.format(name=self.name))
        has_pairs = instance is not None and instance.label is not None
        if has_pairs:
            add_pooler(self._backbone)
        self.cfg["learns_pairs"] = has_pairs or PAIRS in imported

    def _instance(self, eg: Example) -> Instance | None:
        return get_instance(eg) if is_for(eg, self.name) else None

    def select_examples(self, examples: Sequence[Example]) -> list[Instance]:
        """RETURNS (list[Instance]): Those that are for this component."""
        return [found for eg in examples if (found := self._instance(eg)) is not None]

    def update_batch(self, gold: Sequence[Instance]) -> float:
        outcome, backprop = self.model.begin_update(self._mask(gold, self.n_updates))
        backprop(outcome)
        return outcome.loss

    def update_empty(self) -> None:
        totals_of(0, 0)

    def _mask(self, instances: Sequence[Instance], n_updates: int) -> MaskedBatch:
        backbone = self._backbone
        if self._vocabulary is None or self._vocabulary[0] is not backbone.tokenizer:
            found = vocabulary_of(backbone.tokenizer, self.name)
            self._vocabulary = backbone.tokenizer, found
        vocabulary = self._vocabulary[1]
        check_instances(instances, backbone.window, vocabulary)
        batch = mask_instances(instances, self.settings, vocabulary, n_updates)
        if len(batch.labels) and backbone.module.transformer.pooler is None:
            raise CodedValueError(Errors.B161.format(name=self.name))
        return batch

    def finish_update(self, sgd: Optimizer) -> None:
        """Take a step: the next one draws other masks."""
        super().finish_update(sgd)
        self.cfg["n_updates"] += 1

    # Scoring and saving

    def select_scored(self, examples: Sequence[Example]) -> list[Instance]:
        return self.select_examples(examples)

    def score_gold(self, scorer: Callable, gold: Sequence[Any], **kwargs: Any) -> dict[str, Any]:
        """Score the instances, with masks that are the same each time."""
        return scorer(self.evaluate_instances(gold), **kwargs)

    def evaluate_instances(self, instances: Sequence[Instance]) -> Outcome:
        """RETURNS (Outcome): Losses and right predictions on instances, with fixed masks."""
        sizes = [len(instance.ids) for instance in instances]
        batches = batches_by_size(sizes, at_once=SCORED_AT_ONCE)
        return total(
            self.model.predict(self._mask([instances[i] for i in batch], FIXED))
            for batch in batches
        )

    def write_checkpoint(self, path: str | Path) -> None:
        """Write a folder that opens in transformers as `BertForPreTraining` (as `BertForMaskedLM`
        where nothing was learnt about pairs), and as `components.bert.model.name`.

        path (str | Path): The folder; made if it is not there.
        RAISES (ValueError): If the component is not initialized.
        """
        module = get_shim(self.model).module
        if module is None:
            raise CodedValueError(Errors.B050.format(name=self.name))
        self._encoder.flush_pending_step()
        write_folder(self._backbone, module, Path(path), self.cfg["learns_pairs"])


def make_write_checkpoint(path: str) -> Callable[[Language], Language]:
    """Registered as the callback "spacy-bert-suite.write_checkpoint.v1", for
    `training.before_to_disk`: writes the checkpoint of the `bert_pretrainer` each time that the
    pipeline is saved.

    path (str): The folder, for transformers.
    """
    return before_saving("write_checkpoint", lambda nlp: path)
