"""Masked language models: `bert_pretrainer` from a checkpoint, which reads its heads itself."""

from typing import Any

from .plan import Plan, Wishes
from .source import Source


def plan_pretrainer(source: Source, config: Any, wishes: Wishes) -> Plan:
    model = {"@architectures": "spacy-bert-suite.PretrainingHeads.v1"}
    return Plan("bert_pretrainer", model, ["rows"], by_pooler=True)
