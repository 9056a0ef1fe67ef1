"""PretrainingHeads.v1: the heads for masked words and sentence pairs."""

from collections.abc import Callable
from typing import Any

import torch
from thinc.api import Model
from torch import nn
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertPooler, BertPredictionHeadTransform

from ...backbone.encoder.inputs import EncoderInput
from ...backbone.passes.shared import SharedEncoder
from ...backbone.shim import BackboneShim
from ...core.collectives import totals_of
from ...core.device import autocast
from ...core.locks import LOADING
from ...core.torch_shim import TorchShim, get_shim
from ...errors import CodedValueError, Errors
from .checkpoint import read_heads
from .losses import Learner, Outcome
from .masking import MaskedBatch

SHAPE = ("hidden_size", "hidden_act", "layer_norm_eps", "vocab_size", "initializer_range")


class PretrainingModule(nn.Module):
    """Both heads. Parameters are named and shaped as `cls` of `BertForPreTraining`; the decoder is
    the table of word embeddings, which is the backbone's and no part of this.
    """

    def __init__(self, cfg: dict[str, Any]):
        super().__init__()
        config = BertConfig(**{key: cfg[key] for key in SHAPE})
        self.predictions = MaskedWords(config)
        self.seq_relationship = nn.Linear(config.hidden_size, 2)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=config.initializer_range)
                nn.init.zeros_(module.bias)


class MaskedWords(nn.Module):
    """States to logits over the vocabulary."""

    def __init__(self, config: BertConfig):
        super().__init__()
        self.transform = BertPredictionHeadTransform(config)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))

    def forward(self, states: torch.Tensor, decoder: torch.Tensor) -> torch.Tensor:
        """RETURNS (Tensor): *Shape:* ``(n_states, n_pieces)``"""
        return nn.functional.linear(self.transform(states), decoder, self.bias)


def PretrainingHeads(rows: Model[EncoderInput, torch.Tensor]) -> Model[MaskedBatch, Outcome]:
    """Registered as "spacy-bert-suite.PretrainingHeads.v1": masked words and next sentence.

    rows (Model): The encoder.
    RETURNS (Model): The heads. Losses are computed in the forward pass, since logits of all masked
        positions over the whole vocabulary are not to be in memory together.
    """
    shim = TorchShim(PretrainingModule, {})
    return Model("pretraining_heads", forward, init=init, layers=[rows], shims=[shim])


def forward(model: Model, batch: MaskedBatch, is_train: bool) -> tuple[Outcome, Callable]:
    """The backprop callback takes nothing: it hands the gradient of mean loss of words plus mean
    loss of pairs on to the backbone.
    """
    encoder: SharedEncoder = model.layers[0]  # type: ignore[assignment]
    module, backbone = heads_of(model).train(is_train), encoder.get_backbone()
    transformer = backbone.module.transformer
    states, backprop = encoder(batch.rows, is_train)
    n_words, n_pairs = len(batch.gold), len(batch.labels)
    all_words, all_pairs = totals_of(n_words, n_pairs) if is_train else (n_words, n_pairs)
    shared = encoder.grad_factor if encoder.reaches_backbone else 0.0
    learner = Learner(is_train, shared, backbone.scaler)
    decoder = transformer.get_input_embeddings().weight
    with torch.set_grad_enabled(is_train), autocast(backbone.module.device, backbone.module.dtype):
        words = learner.words(module.predictions, states[:n_words], batch.gold, decoder, all_words)
        pairs = learner.pairs(
            module.seq_relationship, states[n_words:], batch.labels, transformer.pooler, all_pairs
        )

    def backprop_states(_: Any = None) -> MaskedBatch:
        backprop(torch.cat([words.dStates, pairs.dStates]))
        return batch

    loss = words.tally.loss / max(1, all_words) + pairs.tally.loss / max(1, all_pairs)
    return Outcome(words.tally, pairs.tally, loss), backprop_states


def heads_of(model: Model) -> Any:
    """RETURNS (PretrainingModule): The heads, on the backbone's device.
    RAISES (ValueError): If they are not there yet.
    """
    encoder: SharedEncoder = model.layers[0]  # type: ignore[assignment]
    module = get_shim(model).module
    if module is None:
        raise CodedValueError(Errors.B050.format(name=encoder.component_name))
    return module.to(encoder.get_backbone().module.device)


def predict_words(model: Model, rows: EncoderInput) -> torch.Tensor:
    """RETURNS (Tensor): Logits of the kept positions. *Shape:* ``(n_kept, n_pieces)``, float32"""
    encoder: SharedEncoder = model.layers[0]  # type: ignore[assignment]
    module, backbone = heads_of(model).eval(), encoder.get_backbone()
    states, _ = encoder(rows, False)
    decoder = backbone.module.transformer.get_input_embeddings().weight
    with torch.no_grad(), autocast(backbone.module.device, backbone.module.dtype):
        return module.predictions(states, decoder).float()


def init(model: Model, X: Any = None, Y: Any = None) -> None:
    """Build the heads, with the weights that the backbone's source has for them.

    RAISES (ValueError): If the backbone is no BERT, or gives a mixture of layers.
    """
    encoder: SharedEncoder = model.layers[0]  # type: ignore[assignment]
    backbone = encoder.get_backbone()
    config = backbone.module.transformer.config
    if config.model_type != "bert":
        name = encoder.component_name
        raise CodedValueError(Errors.B157.format(name=name, architecture=config.model_type))
    if backbone.settings.layers != "last":
        raise CodedValueError(Errors.B020.format(key="layers", value=backbone.settings.layers,
                                            expected="last for bert_pretrainer"))  # fmt: skip
    shim = get_shim(model)
    shim.cfg.update({key: getattr(config, key) for key in SHAPE}, imported=[])
    with LOADING:
        module = shim.build(shim.cfg)
    found = read_heads(backbone.name, module)
    module.load_state_dict(found, strict=False)
    shim.cfg["imported"] = sorted(found)
    shim.module = module


def add_pooler(backbone: BackboneShim) -> None:
    """Give the backbone the pooler that next sentence prediction needs, if it has none: it is
    BERT's own, learns with it, and is saved with it.
    """
    encoder = backbone.module
    transformer = encoder.transformer
    if transformer.pooler is None:
        pooler = BertPooler(transformer.config)
        nn.init.normal_(pooler.dense.weight, std=transformer.config.initializer_range)
        nn.init.zeros_(pooler.dense.bias)
        transformer.pooler = pooler.to(encoder.device)
        backbone.module = encoder  # with new groups of parameters in the optimizer
        encoder.weights_changed()
