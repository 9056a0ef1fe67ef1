"""Whether a model and its tokenizer can serve as a backbone."""

import inspect
from typing import Any

import torch
from transformers import (
    MODEL_FOR_MASKED_LM_MAPPING,
    PreTrainedModel,
)

from ...core.integrity import first_line
from ...errors import CodedValueError, Errors

FORWARD_ARGUMENTS = ("attention_mask", "inputs_embeds")


def check_architecture(config, name: str) -> None:
    if getattr(config, "is_encoder_decoder", False):
        reason = "it is an encoder-decoder"
    elif getattr(config, "is_decoder", False) or not hasattr(config, "hidden_size"):
        reason = "it is not a text encoder"
    else:
        return
    raise CodedValueError(
        Errors.B008.format(name=name, architecture=config.model_type, reason=reason)
    )


def check_tokenizer(tokenizer, config, name: str) -> None:
    if not getattr(tokenizer, "is_fast", False):
        reason = "its tokenizer gives no character offsets (no fast tokenizer)"
    elif tokenizer.cls_token_id is None or tokenizer.sep_token_id is None:
        reason = "its tokenizer has no [CLS] and [SEP]"
    else:
        return
    raise CodedValueError(
        Errors.B008.format(name=name, architecture=config.model_type, reason=reason)
    )


def check_weights(encoder: PreTrainedModel, missing, name: str) -> None:
    """A checkpoint without a pooler loses the pooler; one without anything else is refused."""
    missing = sorted(missing)
    if any("pooler" in key for key in missing):
        encoder.pooler = None  # type: ignore[assignment]
    others = [key for key in missing if "pooler" not in key]
    if others:
        raise CodedValueError(Errors.B007.format(path=name, n_missing=len(others), first=others[0]))


def check_forward(encoder: PreTrainedModel, tokenizer, name: str) -> None:
    taken = inspect.signature(encoder.forward).parameters
    missing = [key for key in FORWARD_ARGUMENTS if key not in taken]
    reason = f"its forward pass takes no {missing[0]}" if missing else _fault(encoder, tokenizer)
    if not reason and _looks_back_only(encoder, tokenizer):
        reason = "its states know nothing of what follows (a causal model)"
    if reason:
        architecture = encoder.config.model_type
        raise CodedValueError(
            Errors.B008.format(name=name, architecture=architecture, reason=reason)
        )


def _fault(encoder: PreTrainedModel, tokenizer) -> str:
    """RETURNS (str): What is wrong with the states of a short text, given as in training; "" if
    there is one for each wordpiece in each layer. A Funnel Transformer pools, a Nystromformer
    reads texts of one length only.
    """
    ids = torch.full((1, 8), tokenizer.cls_token_id)
    try:
        with torch.inference_mode():
            embedded = encoder.get_input_embeddings()(ids)
            layers = encoder(inputs_embeds=embedded, output_hidden_states=True).hidden_states
    except (AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
        return f"it fails on a short text ({first_line(error)})"
    if not all(torch.isfinite(layer).all() for layer in layers):
        return "its states are no numbers (NaN or infinity): config.json or the weights are damaged"
    is_whole = all(layer.shape[1] == ids.shape[1] for layer in layers)
    return "" if is_whole else "not all of its layers have a state for each wordpiece"


def _looks_back_only(encoder: PreTrainedModel, tokenizer) -> bool:
    """Whether the first state stays the same, whatever follows. Configs of causal models do not
    tell; those of models that fill in masked words do.
    """
    if type(encoder.config) in MODEL_FOR_MASKED_LM_MAPPING:
        return False
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    with torch.inference_mode():
        state, other = (
            encoder(input_ids=torch.tensor([[cls, second]])).last_hidden_state[0, 0]
            for second in (cls, sep)
        )
    # Without any attention the rest is rounding; one random layer, 16 wide, gives 1e-3.
    return bool((state - other).abs().max() <= 1e-5 * state.abs().max())


def check_vocabulary(encoder: PreTrainedModel, tokenizer, name: str) -> None:
    embeddings: Any = encoder.get_input_embeddings()
    n_rows = len(embeddings.weight)
    if len(tokenizer) > n_rows:
        n_pieces = len(tokenizer)
        raise CodedValueError(Errors.B010.format(path=name, n_pieces=n_pieces, n_rows=n_rows))
