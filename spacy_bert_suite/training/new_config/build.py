"""The sections of a config for `spacy train`."""

from pathlib import Path
from typing import Any

from spacy.util import CONFIG_SECTION_ORDER, load_model_from_config
from thinc.api import Config

from .machine import MODEL, PARTS, window_of
from .plan import Plan
from .task import BACKBONE, SPLITS
from .text import Comments, commented, in_order

WARMUP = 15  # one update in so many
OPTIMIZER: dict[str, Any] = {
    "@optimizers": "Adam.v1",
    "L2": 0.01,
    "L2_is_weight_decay": True,
    "grad_clip": 1.0,
    "use_averages": False,
}
NO_SCORES = {"sents_f": None, "sents_p": None, "sents_r": None}
SCORES_COMMENT = "The sentencizer learns nothing: its score is not to decide."


def make_text(plan: Plan, title: str) -> str:
    """RETURNS (str): A whole config, with comments; title stands above it."""
    config, comments = make_config(plan)
    filled = load_model_from_config(config, auto_fill=True).config
    text = in_order(filled.to_str(interpolate=False), CONFIG_SECTION_ORDER)
    return commented(text, {("", ""): title, **comments})


def make_config(plan: Plan) -> tuple[Config, Comments]:
    """RETURNS (tuple[Config, Comments]): What is not spaCy's default, and comments on it."""
    request, tasks, comments = plan.request, plan.tasks, Comments()
    needs_sentences = any(task.sentences for task in tasks)
    names = [*(["sentencizer"] if needs_sentences else []), BACKBONE]
    components: dict[str, Any] = {name: {"factory": name} for name in names}
    components[BACKBONE]["model"] = make_model(plan, comments)
    for task in tasks:
        components[task.component] = {"factory": task.component, **task.settings}
    score_weights = {key: value for task in tasks for key, value in task.score_weights.items()}
    if needs_sentences:
        score_weights.update(NO_SCORES)
        comments["training.score_weights", ""] = SCORES_COMMENT
    training = make_training(plan, comments)
    training["score_weights"] = score_weights
    config = {
        "paths": make_paths(plan),
        "system": {"seed": 0, "gpu_allocator": None},
        "nlp": {
            "lang": request.lang,
            "pipeline": [*components],
            "batch_size": min(task.buffer for task in tasks),
        },
        "components": components,
        "corpora": {split: make_corpus(plan, split, comments) for split in SPLITS},
        "training": training,
        "initialize": make_initialize(plan, comments),
    }
    return Config(config), comments


def make_model(plan: Plan, comments: Comments) -> dict[str, Any]:
    wanted = plan.tasks[0].window if plan.alone else None
    window, stride = window_of(wanted, plan.shape)
    section = f"components.{BACKBONE}.model"
    if plan.rate.scale < 1:
        comments[section, "lr_scale"] = (
            "Factor on the learning rate for the backbone: it knows much already, a head nothing."
        )
    if wanted:
        comments[section, "window"] = plan.tasks[0].why_window
    return {
        "@architectures": "spacy-bert-suite.BertModel.v1",
        "name": plan.request.weights,
        "window": window,
        "stride": stride,
        "lr_scale": plan.rate.scale,
        **MODEL[plan.request.machine][plan.size],
    }


def make_paths(plan: Plan) -> dict[str, Any]:
    paths = {
        found.variable(split, len(plan.groups) == 1): found.paths[split].as_posix()
        for split in SPLITS
        for found in plan.groups
    }
    others = {key: value for task in plan.tasks for key, value in task.paths.items()}
    empty = dict.fromkeys(SPLITS)  # spaCy's own, where each task has its paths
    return {**empty, **paths, **others}


def make_corpus(plan: Plan, split: str, comments: Comments) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The reader of the one corpus, or of all."""
    if len(plan.groups) == 1:
        corpus = plan.groups[0].corpus(split, True)
        if corpus.get("gold_preproc"):
            comments[f"corpora.{split}", "gold_preproc"] = "Keep the tokens of the file."
        return corpus
    comments["corpora.train", ""] = (
        "The key of a corpus names the components that learn from it, joined by +."
    )
    reader = {"@readers": "spacy-bert-suite.MultiTaskCorpus.v1", "shuffle": split == "train"}
    return {**reader, "corpora": {found.key: found.corpus(split, False) for found in plan.groups}}


def make_batcher(plan: Plan, comments: Comments) -> dict[str, Any]:
    comments["training.batcher", "size"] = (
        "Texts in an update. Where memory is short, raise training.accumulate_gradient."
    )
    if len(plan.groups) == 1:
        size = min(task.batch_size for task in plan.tasks)
        return {"@batchers": "spacy.batch_by_sequence.v1", "size": size, "get_length": None}
    sizes = {found.key: min(t.batch_size for t in found.tasks) for found in plan.groups}
    most = max(sizes.values())
    return {
        "@batchers": "spacy-bert-suite.batch_by_task.v1",
        "size": most,
        "sizes": {key: size for key, size in sizes.items() if size < most},
    }


def make_training(plan: Plan, comments: Comments) -> dict[str, Any]:
    steps = plan.steps
    every = min(steps, max(task.every for task in plan.tasks))
    comments["training", "max_steps"] = (
        "Updates; more where initialize.after_init counts more. Change total_steps with it."
    )
    comments["training.optimizer.learn_rate", "initial_rate"] = (
        "The highest rate, that of the heads. What it should be depends on the weights."
    )
    rate = {
        "@schedules": "warmup_linear.v1",
        "warmup_steps": max(1, steps // WARMUP),
        "total_steps": steps,
        "initial_rate": plan.rate.heads,
    }
    training = {
        "seed": "${system.seed}",
        "gpu_allocator": "${system.gpu_allocator}",
        "max_steps": steps,
        "eval_frequency": every,
        "patience": 0,
        "accumulate_gradient": PARTS[plan.request.machine][plan.size],
        "batcher": make_batcher(plan, comments),
        "optimizer": {**OPTIMIZER, "learn_rate": rate},
    }
    callbacks = make_callbacks(plan, comments)
    if callbacks:
        training["before_to_disk"] = callbacks
    return {**training, **{k: v for task in plan.tasks for k, v in task.training.items()}}


def make_callbacks(plan: Plan, comments: Comments) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): What is done before a pipeline is saved; empty for nothing."""
    found: dict[str, Any] = {}
    for each in plan.groups:
        dev = f"${{paths.{each.variable('dev', len(plan.groups) == 1)}}}"
        for task in each.tasks:
            if task.callback is not None:
                path = task.callback_path.replace("{dev}", dev)
                found[task.component] = {**task.callback, "path": path}
    whys = {task.component: task.why_callback for task in plan.tasks}
    section = "training.before_to_disk"
    if len(found) == 1:
        ((name, callback),) = found.items()
        comments[section, ""] = whys[name]
        return callback
    for name in found:
        comments[f"{section}.callbacks.{name}", ""] = whys[name]
    chain = {"@callbacks": "spacy-bert-suite.chain_callbacks.v1", "callbacks": found}
    return chain if found else {}


def make_initialize(plan: Plan, comments: Comments) -> dict[str, Any]:
    labels = {t.component: {"labels": t.labels} for t in plan.tasks if t.labels is not None}
    initialize: dict[str, Any] = {"components": labels} if labels else {}
    for name in labels:
        comments[f"initialize.components.{name}", "labels"] = (
            "All categories of the corpus but those of bert_sentiment."
        )
    if plan.epochs:
        comments["initialize.after_init", "epochs"] = (
            "Train for so many passes over the data, where these are more than max_steps."
        )
        callback = {"@callbacks": "spacy-bert-suite.training_length.v1", "epochs": plan.epochs}
        initialize["after_init"] = callback
    return initialize


def write(text: str, path: Path) -> None:
    """Write a config, in a folder that need not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf8")
