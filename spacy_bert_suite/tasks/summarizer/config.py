"""What a config for training says about `bert_summarizer`: the settings of the template."""

from ...training.new_config.task import TaskConfig, rates

CONFIG = TaskConfig(
    name="summarizer",
    rates=rates(1e-4, 5e-5, 2e-5),
    convert="summaries",
    reader="spacy-bert-suite.SummaryCorpus.v1",
    suffixes=(".jsonl",),
    batch_size=8,
    buffer=32,
    sentences=True,
    settings={"method": "trained", "n_sentences": 3},
    epochs=1,
    every=20,
    steps=100,
)
