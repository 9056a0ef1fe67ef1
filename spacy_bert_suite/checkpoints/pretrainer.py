"""Masked language models: `bert_pretrainer` from a checkpoint, and as one."""

from pathlib import Path
from typing import Any

import torch
from spacy.language import Language

from ..errors import CodedValueError, Errors
from .plan import ImportOptions, Plan
from .source import Source, read_tensors

TABLES = ["cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"]


def plan_import(source: Source, config: Any, options: ImportOptions) -> Plan:
    """A `bert_pretrainer`, which reads its heads itself.

    RAISES (ValueError): If the heads are not those of BERT, or words are predicted by another
    table than that of the word embeddings.
    """
    if source.model_type != "bert":
        raise CodedValueError(
            Errors.B222.format(path=source.name, model_type=source.model_type, known="bert")
        )
    tables = read_tensors(source.folder, TABLES)
    if not config.tie_word_embeddings and len(tables) == 2 and not torch.equal(*tables.values()):
        raise CodedValueError(Errors.B235.format(path=source.name))
    model = {"@architectures": "spacy-bert-suite.PretrainingHeads.v1"}
    return Plan("bert_pretrainer", model, ["rows"], by_pooler=True)


def write_folder(nlp: Language, pipe: Any, path: Path) -> None:
    """Write encoder and heads as a `BertForPreTraining`."""
    pipe.write_checkpoint(path)
