"""What a config for training says about `bert_qa`: the settings of the template."""

from ...training.new_config.task import TaskConfig, rates

TUNE_NULL = {"@callbacks": "spacy-bert-suite.tune_null_threshold.v1"}

CONFIG = TaskConfig(
    name="qa",
    rates=rates(1e-3, 3e-5, 2e-5, scale=0.1),
    convert="qa",
    reader="spacy-bert-suite.QuestionCorpus.v1",
    suffixes=(".json", ".jsonl"),
    batch_size=16,
    window=(384, 256),
    why_window="Each begins with the question. They overlap by a third.",
    sentences=True,
    callback=TUNE_NULL,
    why_callback='The threshold for "no answer", set on the dev questions.',
    score_weights={"qa_em": 0.0},
    epochs=2,
    every=20,
)
