"""Training that is run by one process and by two; as a script, one of the two."""

import io
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import spacy_bert_suite  # noqa: F401, I001  (before spaCy)

import numpy
import safetensors.torch
import spacy
import torch
from conftest import bert_model, make_examples
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import subdivide_batch
from spacy.util import fix_random_seed, load_model_from_config
from thinc.api import Adam, Config

from spacy_bert_suite.backbone.model import get_backbone
from spacy_bert_suite.data.pairs import make_pair_example
from spacy_bert_suite.tasks.pretrainer.instance import Instance, Record, make_example
from spacy_bert_suite.data.questions import make_question_example
from spacy_bert_suite.training import loop
from spacy_bert_suite.training.parallel.processes import (
    add_gradients,
    add_losses,
    learn_own_part,
    process_group,
    synchronize_weights,
)
from spacy_bert_suite.training.parallel.tensor_refs import modules_of, nodes_of

PAIRS = [
    (("Anna works in Paris.", "Ben lives near Oslo.", "The film was bad."), 0.9, "entailment"),
    (("The film was awful.", "The film was great.", "Anna met Ben."), 0.1, "contradiction"),
    (("Carla met Ben at the bank.", "Anna works in London.", "A goal."), 0.3, "neutral"),
    (("Ben lives in Paris.", "The film was great.", "The price of trade."), 0.6, "neutral"),
    (("A match in the city.", "The team met in London.", "Music."), 0.8, "entailment"),
]  # fmt: skip
NO_DROPOUT = {"model": {"dropout": 0.0}}


def heads(nlp: Language) -> list[Example]:
    """Three heads; one doc has no gold for any of them, two have none for some."""
    for name in ("bert_ner", "bert_textcat", "bert_textcat_multilabel", "bert_sentiment"):
        nlp.add_pipe(name, config=NO_DROPOUT)
    nlp.get_pipe("bert_sentiment").add_label("negative")
    nlp.get_pipe("bert_sentiment").add_label("positive")
    nlp.get_pipe("bert_textcat").add_label("home")
    nlp.get_pipe("bert_textcat").add_label("work")
    only_cats = Example.from_dict(nlp.make_doc("Music in London"), {"cats": {"home": 1.0}})
    only_ents = Example.from_dict(nlp.make_doc("Carla"), {"entities": ["U-PER"]})
    bare = [Example.from_dict(nlp.make_doc(text), {}) for text in ("A goal.", "")]
    return [*make_examples(nlp), only_cats, only_ents, *bare]


def crf(nlp: Language) -> list[Example]:
    nlp.add_pipe("bert_ner", config={"model": {"dropout": 0.0, "crf": True}})
    bare = Example.from_dict(nlp.make_doc("A goal."), {})
    return [*make_examples(nlp), bare]


def stock(nlp: Language) -> list[Example]:
    """A component of spaCy's own, with layers of thinc's own, beside one of ours."""
    nlp.add_pipe("tagger")
    nlp.add_pipe("bert_ner", config=NO_DROPOUT)
    examples = make_examples(nlp)
    for eg in examples:
        for token in eg.reference:
            token.tag_ = "TITLE" if token.is_title else "LOWER"
    return examples


def qa(nlp: Language) -> list[Example]:
    """With texts of several windows."""
    nlp.add_pipe("bert_qa")
    long = "The film was good and the music was great. " * 6 + "Anna works in Paris."
    table = [
        ("Anna works in Paris.", "where is anna", "Paris"),
        (long, "where is anna", "Paris"),
        ("The film was awful.", "where is carla", None),
    ]
    examples = [
        make_question_example(nlp, text, asked, [(gold, text.index(gold))] if gold else [])
        for text, asked, gold in table
    ]
    return [*examples, Example.from_dict(nlp.make_doc("No question"), {})]


def paraphrase(nlp: Language) -> list[Example]:
    nlp.add_pipe("bert_paraphrase", config={"mode": "classes", **NO_DROPOUT})
    return [make_pair_example(nlp, texts[:2], label=label) for texts, _, label in PAIRS]


def similarity(nlp: Language) -> list[Example]:
    """Every text is a negative for all others of the batch."""
    nlp.add_pipe("bert_similarity")
    return [make_pair_example(nlp, texts) for texts, *_ in PAIRS]


def similarity_in_chunks(nlp: Language) -> list[Example]:
    nlp.add_pipe("bert_similarity", config={"chunk_size": 2})
    return [make_pair_example(nlp, texts) for texts, *_ in PAIRS]


def similarity_held(nlp: Language) -> list[Example]:
    """Beside a head with texts of its own; these hold the vectors too. The weights have moved:
    where vectors are still what they were before, their gradient is rounding noise.
    """
    nlp.add_pipe("bert_ner", config=NO_DROPOUT)
    nlp.add_pipe("bert_similarity", config={"distillation": 2.0})
    random = torch.Generator().manual_seed(5)
    for parameter in get_backbone(nlp.get_pipe("bert").model).module.parameters():
        parameter.data += 0.02 * torch.randn(parameter.shape, generator=random)
    return [*(make_pair_example(nlp, texts) for texts, *_ in PAIRS[:3]), *make_examples(nlp)]


def similarity_of_classes(nlp: Language) -> list[Example]:
    """A loss with weights of its own."""
    loss = {"@losses": "spacy-bert-suite.Softmax.v1"}
    nlp.add_pipe("bert_similarity", config={"loss": loss})
    return [make_pair_example(nlp, texts[:2], label=label) for texts, _, label in PAIRS]


def summarizer(nlp: Language) -> list[Example]:
    model = {"@architectures": "spacy-bert-suite.SentenceScorer.v1", "n_heads": 2, "dropout": 0.0}
    nlp.add_pipe("sentencizer", first=True)
    nlp.add_pipe("bert_summarizer", config={"method": "trained", "model": model})
    examples = []
    for text in ("Anna works. Ben lives in Oslo. A film.", "A goal. The law.", "Trade."):
        reference = nlp.get_pipe("sentencizer")(nlp.make_doc(text))
        reference.spans["summary"] = [next(iter(reference.sents))]
        predicted = nlp.get_pipe("sentencizer")(nlp.make_doc(text))
        examples.append(Example(predicted, reference))
    return [*examples, Example(nlp.make_doc("None."), nlp.make_doc("None."))]


def pretrainer(nlp: Language) -> list[Example]:
    """Two means in one loss: over masked words and over pairs, of which some have none."""
    nlp.add_pipe("bert_pretrainer")
    tokenizer = get_backbone(nlp.get_pipe("bert").model).tokenizer
    examples = []
    for seed, (texts, *_) in enumerate(PAIRS):
        segments = [tokenizer.tokenize(text) for text in texts[: 2 if seed else 1]]
        pieces = [piece for segment in segments for piece in segment]
        instance = Instance(
            numpy.asarray(tokenizer.convert_tokens_to_ids(pieces), dtype="int32"),
            numpy.arange(len(pieces), dtype="int32"),
            len(segments[0]),
            len(segments[0]),
            seed % 2 if seed else None,
            seed,
        )
        examples.append(make_example(nlp.vocab, Record(pieces, [True] * len(pieces), instance)))
    return [*examples[1:], examples[0]]


def frozen(nlp: Language) -> list[Example]:
    """A backbone that does not learn, and averages of the weights of the head."""
    nlp.get_pipe("bert").trainable = False
    nlp.add_pipe("bert_ner", config=NO_DROPOUT)
    return make_examples(nlp)


def tagger(nlp: Language) -> list[Example]:
    nlp.add_pipe("bert_ner", config=NO_DROPOUT)
    return make_examples(nlp)


CASES = {
    case.__name__: case
    for case in (heads, crf, stock, qa, paraphrase, similarity, similarity_in_chunks,
                 similarity_held, similarity_of_classes, summarizer, pretrainer, frozen)
}  # fmt: skip
CASES.update(cached=tagger, adapted=tagger)


def make_bert(case: str, source: str, folder: Path) -> dict[str, Any]:
    """RETURNS (Dict): Config of the backbone."""
    if case == "cached":  # all processes write to the folder
        cache = {"trainable": False, "feature_cache": str(folder / "features")}
        return {"model": bert_model(source), **cache}
    if case == "adapted":
        lora = {"@misc": "spacy-bert-suite.LoRA.v1", "rank": 2, "dropout": 0.0}
        return {"model": {**bert_model(source), "adapter": lora}}
    return {"model": bert_model(source)}


def train(case: str, source: str, seed: int, folder: Path) -> dict[str, Any]:
    """RETURNS (Dict): The weights after a few steps, and the losses."""
    fix_random_seed(seed)
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config=make_bert(case, source, folder))
    examples = CASES[case](nlp)
    nlp.initialize(lambda: examples)
    synchronize_weights(nlp)
    # BERT's own epsilon: with a smaller one, Adam makes whole steps of rounding noise.
    optimizer = Adam(5e-4, L2=0.01, eps=1e-6, grad_clip=1.0, use_averages=True)
    losses: dict[str, float] = {}
    # Fewer examples than processes; such that have nothing in common with the first; none at all.
    for batch in (examples, examples[:1], examples[-1:], examples[1:], []):
        for part in subdivide_batch(batch, 2):
            learn_own_part(nlp, part, losses=losses, exclude=[])
        pipes = [pipe for _, pipe in nlp.pipeline if getattr(pipe, "is_trainable", False)]
        nlp.get_pipe("bert").flush_pending_step()  # the backward pass, as in the training loop
        add_gradients(pipes)
        for pipe in pipes:
            pipe.finish_update(optimizer)
    weights = named_weights(nlp, "last")
    with nlp.use_params(optimizer.averages):
        weights |= named_weights(nlp, "average")
    found = {f"loss of {name}": torch.tensor(loss) for name, loss in add_losses(losses).items()}
    return {**weights, **found}


def named_weights(nlp: Language, kind: str) -> dict[str, torch.Tensor]:
    """Softmax does not see a shift of all keys: the gradient of their bias is rounding noise."""
    found = {}
    for i, node in enumerate(nodes_of([pipe for _, pipe in nlp.pipeline])):
        for name in node.param_names:
            found[f"{kind} {i} {name}"] = torch.from_numpy(node.get_param(name).copy())
        for module in modules_of(node):
            for name, parameter in module.named_parameters():
                if not name.endswith("key.bias"):
                    found[f"{kind} {i} {name}"] = parameter.detach().clone()
    return found


CONFIG = """
[nlp]
lang = "en"
pipeline = ["bert","bert_ner","bert_textcat"]

[components]

[components.bert]
factory = "bert"

[components.bert_ner]
factory = "bert_ner"

[components.bert_textcat]
factory = "bert_textcat"

[corpora]

[corpora.train]
@readers = "spacy.Corpus.v1"
path = "train.spacy"

[corpora.dev]
@readers = "spacy.Corpus.v1"
path = "train.spacy"

[training]
max_steps = 9
eval_frequency = 3

[training.batcher]
@batchers = "spacy.batch_by_sequence.v1"
size = 5

[training.optimizer]
@optimizers = "Adam.v1"
use_averages = true

[training.optimizer.learn_rate]
@schedules = "spacy-bert-suite.warmup.v1"
initial_rate = 8e-4
warmup_steps = 2
total_steps = 10
decay = "cosine"

[training.before_update]
@callbacks = "spacy-bert-suite.gradual_unfreezing.v1"
steps_per_layer = 2

[initialize]

[initialize.components]

[initialize.components.bert_textcat]
labels = ["home","work"]
"""


def make_config(source: str, folder: Path, dropout: float, **training: Any) -> Config:
    """RETURNS (Config): A whole config; its corpus is written to the folder."""
    nlp = spacy.blank("en")
    docs = [eg.reference for _ in range(4) for eg in make_examples(nlp)]
    DocBin(docs=docs).to_disk(folder / "train.spacy")
    config = Config().from_str(CONFIG)
    config["components"]["bert"]["model"] = bert_model(source)
    for head, architecture in (("ner", "Token"), ("textcat", "Text")):
        config["components"][f"bert_{head}"]["model"] = {
            "@architectures": f"spacy-bert-suite.{architecture}Classifier.v1",
            "bert": {"@architectures": "spacy-bert-suite.BertListener.v1"},
            "dropout": dropout,
        }
    for corpus in config["corpora"].values():
        corpus["path"] = str(folder / "train.spacy")
    config["training"].update(training)
    return load_model_from_config(config, auto_fill=True).config


def run(config: Config, output: Path, **options: Any) -> None:
    loop.train(init_nlp(config), output, stdout=io.StringIO(), stderr=io.StringIO(), **options)


def main(tiny: str, still: str, folder: Path, rank: int) -> None:
    with process_group():
        for case in CASES:
            found = train(case, still, rank, folder)  # the first gives its weights to the other
            safetensors.torch.save_file(found, folder / f"{case}-{rank}.safetensors")
        data = folder / f"data-{rank}"
        data.mkdir()
        run(make_config(still, data, 0.0), folder / "two")
        run(make_config(still, data, 0.0, max_steps=4), folder / "handed on")
        run(make_config(tiny, data, 0.1), folder / "whole")
        run(make_config(tiny, data, 0.1, max_steps=4), folder / "resumed", keep=9)
        run(make_config(tiny, data, 0.1), folder / "resumed", keep=9, resume=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(os.environ["RANK"]))
