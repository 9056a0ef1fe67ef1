"""The config that the command `pretrain` makes, and its training run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import spacy
from spacy.training.initialize import init_nlp
from spacy.util import load_model_from_config
from thinc.api import Config

from ...core.atomic import coded_errors
from ...errors import Errors
from ...training.loop import train
from ...training.parallel.processes import is_first
from .text import find_files

NAME = "bert_pretrainer"
BEST = "model-best"
CHECKPOINT = "checkpoint"
CONFIG = "config.cfg"

TEMPLATE = """
[nlp]
lang = "en"
pipeline = ["bert", "bert_pretrainer"]
batch_size = 64

[components]

[components.bert]
factory = "bert"

[components.bert.model]
@architectures = "spacy-bert-suite.BertModel.v1"
stride = 1

[components.bert_pretrainer]
factory = "bert_pretrainer"

[corpora]

[corpora.train]
@readers = "spacy-bert-suite.PretrainCorpus.v1"

[corpora.dev]
@readers = "spacy-bert-suite.PretrainCorpus.v1"
fixed = true

[training]
max_epochs = -1
patience = 0
accumulate_gradient = 1

[training.batcher]
@batchers = "spacy.batch_by_sequence.v1"

[training.optimizer]
@optimizers = "Adam.v1"
beta1 = 0.9
beta2 = 0.999
eps = 0.000001
L2 = 0.01
L2_is_weight_decay = true
grad_clip = 1.0
use_averages = false

[training.optimizer.learn_rate]
@schedules = "warmup_linear.v1"

[training.logger]
@loggers = "spacy.ConsoleLogger.v3"
progress_bar = "train"
"""


@dataclass(frozen=True)
class Recipe:
    """What the command asks for; see its options for the meaning."""

    inputs: Sequence[Path]
    model: str = "embedded"
    lang: str = "en"
    objective: str = "mlm+nsp"
    max_length: int = 128
    batch_size: int = 32
    accumulate: int = 1
    steps: int = 10_000
    learn_rate: float = 1e-4
    warmup: float = 0.1
    whole_words: bool = True
    sentences: str = "sentencizer"
    dev: Path | None = None
    dev_instances: int = 1000
    eval_every: int = 500
    seed: int = 0
    workers: int = 1
    device: str = "auto"
    precision: str = "auto"


def make_config(recipe: Recipe) -> Config:
    """RETURNS (Config): A whole config for `spacy train`. Paths are absolute in it.
    RAISES (ValueError): If there is no text.
    """
    config = Config().from_str(TEMPLATE)
    config["nlp"]["lang"] = recipe.lang
    config["components"]["bert"]["model"].update(
        name=absolute(recipe.model),
        window=recipe.max_length,
        stride=max(1, recipe.max_length * 3 // 4),
        device=recipe.device,
        precision=recipe.precision,
    )
    config["components"][NAME]["whole_words"] = recipe.whole_words
    fill_corpora(config["corpora"], recipe)
    training = config["training"]
    training.update(
        seed=recipe.seed,
        max_steps=recipe.steps,
        eval_frequency=max(1, min(recipe.eval_every, recipe.steps)),
        accumulate_gradient=recipe.accumulate,
    )
    training["batcher"].update(size=recipe.batch_size, get_length=None)
    training["optimizer"]["learn_rate"].update(
        initial_rate=recipe.learn_rate,
        warmup_steps=max(1, int(recipe.warmup * recipe.steps)),
        total_steps=recipe.steps + 1,
    )
    return Config(config)


def fill_corpora(corpora: Any, recipe: Recipe) -> None:
    train_files = [str(path) for path in find_files([path.resolve() for path in recipe.inputs])]
    dev = [recipe.dev.resolve()] if recipe.dev is not None else []
    dev_files = [str(path) for path in find_files(dev)] if dev else train_files
    shared = {
        "max_length": recipe.max_length,
        "objective": recipe.objective,
        "sentences": recipe.sentences,
        "seed": recipe.seed,
    }
    corpora["train"].update(path=train_files, workers=recipe.workers, **shared)
    corpora["dev"].update(path=dev_files, limit=recipe.dev_instances, **shared)


def absolute(name: str) -> str:
    """RETURNS (str): A folder as an absolute path; other names as they are."""
    return str(Path(name).resolve()) if Path(name).is_dir() else name


def pretrain(config: Config, output: Path, *, resume: bool = False) -> Path:
    """Train by a config, and write the checkpoint of the best model.

    config (Config): As from `make_config`.
    output (Path): A folder. Gets `config.cfg`, `model-last`, `model-best` and `checkpoint`, and on
        the way `checkpoints` from which the training can go on.
    resume (bool): Go on from the last of these. A run that has ended stays as it is.
    RETURNS (Path): The checkpoint, for transformers and for `components.bert.model.name`.
    RAISES (OSError): If the folder cannot be made.
    """
    with coded_errors(output, Errors.B177):
        output.mkdir(parents=True, exist_ok=True)
    filled = load_model_from_config(config, auto_fill=True).config
    nlp = init_nlp(filled)

    def write_config() -> None:
        if is_first():
            nlp.config.to_disk(output / CONFIG)

    # Its schedule has come to its end too: with more steps it would be another one from the start.
    for_more = f"To train on, begin another run: --model {output / CHECKPOINT} and another OUTPUT."
    train(nlp, output, resume=resume, on_begin=write_config, for_more=for_more)
    if is_first():
        best = spacy.load(output / BEST)
        best.get_pipe(NAME).write_checkpoint(output / CHECKPOINT)  # type: ignore[attr-defined]
    return output / CHECKPOINT
