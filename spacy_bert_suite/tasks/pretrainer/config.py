"""What a config for training says about `bert_pretrainer`: the settings of the template."""

from ...training.new_config.task import SPACY_SUFFIXES, Data, TaskConfig, rates

CHECKPOINT = {"@callbacks": "spacy-bert-suite.write_checkpoint.v1"}
LENGTH = 128  # wordpieces of an instance
INSTANCE = {"max_length": LENGTH, "objective": "mlm"}


def fit_pretrainer(task: TaskConfig, data: Data) -> TaskConfig:
    """Instances that fit into the weights' positions."""
    return task.with_reading(max_length=min(LENGTH, data.longest or 512))


CONFIG = TaskConfig(
    name="pretrainer",
    rates=rates(1e-4, 5e-5, 2e-5),
    reader="spacy-bert-suite.PretrainCorpus.v1",
    suffixes=(*SPACY_SUFFIXES, ".txt", ".jsonl"),
    reading={
        "train": {**INSTANCE, "workers": 0},
        "dev": {**INSTANCE, "fixed": True, "limit": 500},
    },
    buffer=64,
    window=(LENGTH, 96),
    why_window="As long as an instance: max_length of the corpora.",
    fit=fit_pretrainer,
    callback=CHECKPOINT,
    why_callback="A folder that transformers opens, and that other tasks can start from.",
    callback_path="${paths.checkpoint}",
    paths={"checkpoint": "training/checkpoint"},
    training={"max_epochs": -1},
    steps=10_000,
    epochs=0,
    every=500,
    trains_alone=True,
)
