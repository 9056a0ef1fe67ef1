"""The spaCy pipelines that are compared: ours and stock spacy-transformers."""

from collections.abc import Iterable, Sequence
from typing import Any

import spacy
from common import GRAD_CLIP, LEARN_RATE, WEIGHT_DECAY, Row, Task, as_list, warmup_steps
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Optimizer
from thinc.schedules import warmup_linear

TRANSFORMER = {
    "@architectures": "spacy-transformers.TransformerModel.v3",
    "tokenizer_config": {"use_fast": True},
    "get_spans": {
        "@span_getters": "spacy-transformers.strided_spans.v1",
        "window": 128,
        "stride": 96,
    },
}
LISTENER = {
    "@architectures": "spacy-transformers.TransformerListener.v1",
    "grad_factor": 1.0,
    "pooling": {"@layers": "reduce_mean.v1"},
}
PARSER = {
    "@architectures": "spacy.TransitionBasedParser.v2",
    "state_type": "ner",
    "extra_state_tokens": False,
    "hidden_width": 64,
    "maxout_pieces": 2,
    "use_upper": False,
    "tok2vec": LISTENER,
}
# Not TextCatEnsemble: with a transformer listener it raises when another listener follows it.
REDUCE = {
    "@architectures": "spacy.TextCatReduce.v1",
    "exclusive_classes": True,
    "use_reduce_first": False,
    "use_reduce_last": False,
    "use_reduce_max": False,
    "use_reduce_mean": True,
    "tok2vec": LISTENER,
}


def stock_pipeline(tasks: Sequence[Task], weights: str, multilabel: Sequence[str] = ()) -> Language:
    """The pipeline of spacy-transformers with one stock component per task, named as the task.

    multilabel (Sequence[str]): Names of tasks that get a textcat_multilabel.
    """
    nlp = spacy.blank("en")
    nlp.add_pipe("transformer", config={"model": {**TRANSFORMER, "name": weights}})
    for task in tasks:
        if task.kind == "ner":
            nlp.add_pipe("ner", name=task.name, config={"model": PARSER})
        elif task.name in multilabel or task.kind == "multilabel":
            model = {**REDUCE, "exclusive_classes": False}
            nlp.add_pipe("textcat_multilabel", name=task.name, config={"model": model})
        else:
            nlp.add_pipe("textcat", name=task.name, config={"model": REDUCE})
    return nlp


def our_pipeline(tasks: Sequence[Task], weights: str = "embedded", **backbone: Any) -> Language:
    """Our pipeline: one backbone and one head per task.

    backbone (Any): Options of `spacy-bert-suite.BertModel.v1`.
    """
    model = {"@architectures": "spacy-bert-suite.BertModel.v1", "name": weights, **backbone}
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": model})
    for task in tasks:
        nlp.add_pipe(task.head)
    return nlp


def initialize(nlp: Language, examples: Sequence[Example], labels: dict[str, list[str]]) -> None:
    """Initialise a pipeline.

    labels (dict[str, list[str]]): Labels by component, so that heads trained from different
        corpora do not take each other's.
    """
    nlp.config["initialize"]["components"] = {
        name: {"labels": names} for name, names in labels.items()
    }
    nlp.initialize(lambda: examples)


def make_optimizer(n_steps: int, learn_rate: float = LEARN_RATE, eps: float = 1e-8) -> Optimizer:
    """RETURNS (Optimizer): Adam with the learn rate, decay and clip that every system gets."""
    schedule: Any = warmup_linear(learn_rate, warmup_steps(n_steps), n_steps)
    return Optimizer(
        schedule,
        beta1=0.9,
        beta2=0.999,
        eps=eps,
        L2=WEIGHT_DECAY,
        L2_is_weight_decay=True,
        grad_clip=GRAD_CLIP,
        use_averages=False,
    )


def make_examples(
    nlp: Language, task: Task, rows: Iterable[Row], labels: Sequence[str]
) -> list[Example]:
    return [make_example(gold_doc(nlp, task, row, labels)) for row in rows]


def make_example(gold: Doc) -> Example:
    spaces = [bool(token.whitespace_) for token in gold]
    return Example(Doc(gold.vocab, [token.text for token in gold], spaces), gold)


def gold_doc(nlp: Language, task: Task, row: Row, labels: Sequence[str]) -> Doc:
    """RETURNS (Doc): The words of the data for entities, spaCy's own tokens for categories."""
    if task.kind == "ner":
        return Doc(nlp.vocab, words=row[0], ents=row[1])
    doc = nlp.make_doc(row[0])
    doc.cats = {label: float(label in as_list(row[1])) for label in labels}
    return doc


def train(nlp: Language, batches: Iterable[list[Example]], optimizer: Optimizer) -> None:
    for batch in batches:
        nlp.update(batch, drop=0.1, sgd=optimizer)
        optimizer.step_schedules()


def predict(nlp: Language, task: Task, rows: Sequence[Row], labels: Sequence[str]) -> list[Any]:
    """RETURNS (list[Any]): Sets of entity spans over words, labels, or probabilities by label."""
    docs = nlp.pipe((unlabelled(nlp, task, row) for row in rows), batch_size=128)
    if task.kind == "ner":
        return [{(ent.start, ent.end, ent.label_) for ent in doc.ents} for doc in docs]
    if task.kind == "multilabel":
        return [doc.cats for doc in docs]
    if "bert_sentiment" in nlp.pipe_names and task.head == "bert_sentiment":
        return [doc._.sentiment["label"] for doc in docs]
    return [max(labels, key=doc.cats.__getitem__) for doc in docs]


def unlabelled(nlp: Language, task: Task, row: Row) -> Doc:
    return Doc(nlp.vocab, words=row[0]) if task.kind == "ner" else nlp.make_doc(row[0])
