"""What a config for training says about `bert_sentiment`: the settings of the template."""

from ...training.new_config.task import TaskConfig, rates

CONFIG = TaskConfig(
    name="sentiment",
    rates=rates(1e-3, 5e-5, 2e-5, scale=0.2),
    convert="sentiment",
    epochs=2,
    window=(48, 32),
    why_window="Short windows: a sentence takes its mood from what stands right beside it.",
    sentences=True,
)
