"""The transformers `Trainer` with its standard heads, as most people fine-tune BERT."""

from collections.abc import Sequence
from typing import Any

from common import BATCH_SIZE, Row, Task, bio_spans, torch, trainer_settings
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)

IGNORE = -100
MAX_PIECES = 256


def bio_labels(labels: Sequence[str]) -> list[str]:
    return ["O", *(f"{prefix}-{label}" for label in labels for prefix in "BI")]


def head_model(task: Task, labels: Sequence[str], weights: str, **options: Any) -> PreTrainedModel:
    """RETURNS (PreTrainedModel): The weights with the standard head, newly initialised."""
    is_ner = task.kind == "ner"
    auto = AutoModelForTokenClassification if is_ner else AutoModelForSequenceClassification
    names = bio_labels(labels) if is_ner else list(labels)
    return auto.from_pretrained(
        weights,
        num_labels=len(names),
        id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
        problem_type="multi_label_classification" if task.kind == "multilabel" else None,
        **options,
    )


def encode(
    task: Task, rows: Sequence[Row], labels: Sequence[str], tokenizer: PreTrainedTokenizerBase
) -> list[dict[str, Any]]:
    """RETURNS (list[Dict]): Features of the rows; a word's tag sits on its first wordpiece."""
    encoded = tokenizer(
        [row[0] for row in rows],
        is_split_into_words=task.kind == "ner",
        truncation=True,
        max_length=MAX_PIECES,
    )
    features = [
        {key: encoded[key][i] for key in ("input_ids", "token_type_ids", "attention_mask")}
        for i in range(len(rows))
    ]
    if task.kind == "ner":
        ids = {name: i for i, name in enumerate(bio_labels(labels))}
        for i, (feature, (_, tags)) in enumerate(zip(features, rows)):
            words = first_pieces(encoded.word_ids(i))
            feature["labels"] = [IGNORE if w is None else ids[tags[w]] for w in words]
    elif task.kind == "multilabel":
        for feature, (_, gold) in zip(features, rows):
            feature["labels"] = [float(label in gold) for label in labels]
    else:
        for feature, (_, label) in zip(features, rows):
            feature["labels"] = labels.index(label)
    return features


def first_pieces(word_ids: Sequence[Any]) -> list[Any]:
    """RETURNS (list[int | None]): The word each piece begins; None inside words."""
    return [w if w != last else None for last, w in zip([None, *word_ids], word_ids)]


def make_trainer(
    task: Task,
    rows: Sequence[Row],
    labels: Sequence[str],
    weights: str,
    seed: int = 0,
    max_steps: int = -1,
    group_by_length: bool = False,
) -> Any:
    """RETURNS (Trainer): A trainer, ready to run."""
    tokenizer = AutoTokenizer.from_pretrained(weights)
    collator = DataCollatorForTokenClassification if task.kind == "ner" else DataCollatorWithPadding
    settings = trainer_settings(
        seed,
        per_device_eval_batch_size=BATCH_SIZE,
        num_train_epochs=task.epochs,
        max_steps=max_steps,
        group_by_length=group_by_length,
    )
    arguments = TrainingArguments(**settings)
    trainer: Any = Trainer(
        model=head_model(task, labels, weights),
        args=arguments,
        train_dataset=encode(task, rows, labels, tokenizer),
        data_collator=collator(tokenizer),
        processing_class=tokenizer,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def predict(trainer: Any, task: Task, rows: Sequence[Row], labels: Sequence[str]) -> list[Any]:
    """RETURNS (list[Any]): Sets of entity spans over words, labels, or probabilities by label."""
    tokenizer = trainer.processing_class
    output = trainer.predict(encode(task, rows, labels, tokenizer)).predictions
    if task.kind == "multilabel":
        return [dict(zip(labels, row)) for row in torch.from_numpy(output).sigmoid().tolist()]
    best = output.argmax(-1)
    if task.kind == "textcat":
        return [labels[i] for i in best]
    names = bio_labels(labels)
    encoded = tokenizer(
        [words for words, _ in rows],
        is_split_into_words=True,
        truncation=True,
        max_length=MAX_PIECES,
    )
    spans = []
    for i, (words, _) in enumerate(rows):
        tags = ["O"] * len(words)
        for piece, word in enumerate(first_pieces(encoded.word_ids(i))):
            if word is not None:
                tags[word] = names[best[i, piece]]
        spans.append(bio_spans(tags))
    return spans
