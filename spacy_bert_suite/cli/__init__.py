"""The commands behind `python -m spacy bert`."""

# Of all of them; `plugin` shows it without their imports.
ABOUT = (
    "BERT pipelines: annotate texts, summarize them, answer questions about them, compare and "
    "search them; convert data, train and pretrain; import and export checkpoints."
)
