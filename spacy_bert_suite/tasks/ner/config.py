"""What a config for training says about `bert_ner`: the settings of the template."""

from ...training.new_config.task import TaskConfig, rates

CONFIG = TaskConfig(
    name="ner",
    rates=rates(1e-3, 5e-5, 2e-5, scale=0.2),
    convert="ner",
    gold_tokens=True,
)
