"""What transformers itself computes."""

import inspect
import json
from pathlib import Path
from typing import Any

import torch
import transformers
from spacy.tokens import Doc
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoTokenizer, PreTrainedTokenizerFast

# Settings of tiny models where their classes have others.
OTHERS = {
    "DistilBertForQuestionAnswering": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 8},
    "MPNetForQuestionAnswering": {"max_position_embeddings": 66, "pad_token_id": 0},
    "DebertaV2ForQuestionAnswering": {
        "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False,
        "type_vocab_size": 0,
    },
}  # fmt: skip
ROBERTA = {"max_position_embeddings": 66, "type_vocab_size": 1, "pad_token_id": 1}


def open_original(path: Path, auto: str) -> Any:
    """RETURNS (Tuple): Model and tokenizer, as transformers opens them."""
    model = getattr(transformers, auto).from_pretrained(path).eval()
    return model, AutoTokenizer.from_pretrained(path)


def logits_of(path: Path, auto: str, *texts: Any) -> Any:
    """RETURNS: What transformers computes for one text, or for a pair."""
    model, tokenizer = open_original(path, auto)
    with torch.no_grad():
        encoded = tokenizer(*texts, return_tensors="pt")
        if "token_type_ids" not in inspect.signature(model.forward).parameters:
            del encoded["token_type_ids"]
        return model(**encoded)


def entities_of(doc: Doc) -> list[tuple[int, int, str, float]]:
    """RETURNS (list[tuple]): Start, end, label and rounded score of each entity."""
    return [(ent.start, ent.end, ent.label_, round(ent._.score, 5)) for ent in doc.ents]


def change_config(path: Path, **values: Any) -> None:
    """Put other values into config.json, as others may have written them."""
    file = path / "config.json"
    config = json.loads(file.read_text(encoding="utf8"))
    file.write_text(json.dumps({**config, **values}), encoding="utf8")


def roberta_tokenizer() -> PreTrainedTokenizerFast:
    """RETURNS (PreTrainedTokenizerFast): One that writes two texts as RoBERTa does, with two marks
    between them. Its pieces are single bytes.
    """
    marks = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {piece: i for i, piece in enumerate([*marks, *alphabet])}
    backend = Tokenizer(models.BPE(vocab, [], unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    backend.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", cls_token="<s>",
        sep_token="</s>", unk_token="<unk>", pad_token="<pad>", mask_token="<mask>",
        model_input_names=["input_ids", "attention_mask"],
    )  # fmt: skip
