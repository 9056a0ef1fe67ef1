"""Heads that transformers fine-tuned on real data, beside the pipelines imported from them: what
the original predicts, the imported pipeline, that pipeline after it was saved and loaded, and the
folder to which it is exported again, opened by transformers.

All in fp32, for the first dev texts that fit into one window. Each head is trained for `--steps`
updates: enough for predictions that differ from text to text, not for good ones.
"""

import json
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy
import paraphrase
import qa
import spacy
import trainer
import transformers
from common import (
    BATCH_SIZE,
    GOEMOTIONS,
    TASKS,
    append_json,
    environment,
    read_rows,
    set_seed,
    task_labels,
    torch,
    trainer_settings,
    weights_folder,
)
from spacy.language import Language
from spacy.tokens import Doc
from transformers import AutoTokenizer

from spacy_bert_suite.checkpoints import export_checkpoint, import_checkpoint

RESULTS = Path(__file__).parent / "results" / "checkpoints.jsonl"
QUESTIONS = 12  # in a batch: their texts are long
LONGEST = 512  # wordpieces, special ones included
Tuned = tuple[Any, list[Any]]  # a trainer that has run, and dev inputs


class Head(NamedTuple):
    """A kind of checkpoint.

    tune (Callable): From the data folder and a number of updates, a trainer that has run, and
        inputs of dev.
    auto (str): The class of transformers that opens it.
    ours (Callable): What a pipeline predicts for some inputs: a row for each piece, text or pair.
    theirs (Callable): The same from a model of transformers and its tokenizer, for one input.
    options (Dict): For `import_checkpoint`.
    """

    tune: Callable[[Path, int], Tuned]
    auto: str
    ours: Callable[[Language, list[Any]], numpy.ndarray]
    theirs: Callable[[Any, Any, Any], torch.Tensor]
    options: dict[str, Any] = {}


# Originals


def tune_rows(task: Any, data: Path, steps: int) -> Tuned:
    rows = read_rows(data, task, "train", steps * BATCH_SIZE)
    labels = task_labels(rows)
    tuned = trainer.make_trainer(task, rows, labels, weights_folder(), max_steps=steps)
    tuned.train()
    return tuned, [row[0] for row in read_rows(data, task, "dev")]


def tune_pairs(name: str, data: Path, steps: int) -> Tuned:
    rows = paraphrase.read_rows(data, name, "train")[: steps * BATCH_SIZE]
    dev = paraphrase.read_rows(data, name, "dev")
    return paraphrase.train_peer(name, rows, 1, 0), [(row["text1"], row["text2"]) for row in dev]


def tune_answers(data: Path, steps: int) -> Tuned:
    settings = qa.Settings(384, 128, 1, QUESTIONS, 1e-4, 0)
    rows = qa.read_rows(data, "squad_v1", "train", steps * QUESTIONS)
    dev = qa.read_rows(data, "squad_v1", "dev", 0)
    return qa.train_recipe(settings, rows), [(row.question, row.context) for row in dev]


def tune_masks(data: Path, steps: int) -> Tuned:
    """Texts of dev have a [MASK] in the place of their third word."""
    rows = read_rows(data, TASKS["ag_news"], "train", steps * BATCH_SIZE)
    tokenizer = AutoTokenizer.from_pretrained(weights_folder())
    encoded = tokenizer([text for text, _ in rows], truncation=True, max_length=128)
    settings = trainer_settings(0, max_steps=steps)
    tuned: Any = transformers.Trainer(
        model=transformers.AutoModelForMaskedLM.from_pretrained(weights_folder()),
        args=transformers.TrainingArguments(**settings),
        train_dataset=[{"input_ids": ids} for ids in encoded["input_ids"]],
        data_collator=transformers.DataCollatorForLanguageModeling(tokenizer),
        processing_class=tokenizer,
    )
    tuned.train()
    words = [text.split() for text, _ in read_rows(data, TASKS["ag_news"], "dev")]
    return tuned, [" ".join([*row[:2], "[MASK]", *row[3:]]) for row in words]


# Predictions of theirs


def tag_logits(model: Any, tokenizer: Any, words: list[str]) -> torch.Tensor:
    """RETURNS (Tensor): Of the first piece of each word, in the order O, B-X, I-X, B-Y ..."""
    encoded = tokenizer(words, is_split_into_words=True, return_tensors="pt")
    firsts = trainer.first_pieces(encoded.word_ids(0))
    names = model.config.id2label
    order = sorted(names, key=lambda i: (names[i][2:], names[i]))
    rows = [place for place, word in enumerate(firsts) if word is not None]
    return model(**encoded).logits[0][rows][:, order]


def class_logits(model: Any, tokenizer: Any, given: Any) -> torch.Tensor:
    texts = (given,) if isinstance(given, str) else given
    return model(**tokenizer(*texts, return_tensors="pt")).logits


def class_probabilities(model: Any, tokenizer: Any, text: str) -> torch.Tensor:
    logits = class_logits(model, tokenizer, text)
    is_exclusive = model.config.problem_type != "multi_label_classification"
    return logits.softmax(1) if is_exclusive else logits.sigmoid()


def pair_logits(model: Any, tokenizer: Any, pair: tuple[str, str]) -> torch.Tensor:
    """RETURNS (Tensor): Of no and yes the difference, as the sigmoid of it is the probability."""
    logits = class_logits(model, tokenizer, pair)
    return logits[:, 1:] - logits[:, :1] if logits.shape[1] == 2 else logits


def span_logits(model: Any, tokenizer: Any, pair: tuple[str, str]) -> torch.Tensor:
    output = model(**tokenizer(*pair, return_tensors="pt"))
    return torch.stack([output.start_logits[0], output.end_logits[0]], dim=1)


def mask_probabilities(model: Any, tokenizer: Any, text: str) -> torch.Tensor:
    encoded = tokenizer(text, return_tensors="pt")
    is_mask = encoded["input_ids"] == tokenizer.mask_token_id
    return model(**encoded).logits[is_mask].softmax(1).topk(5).values


# Predictions of ours


def our_tags(nlp: Language, inputs: list[list[str]]) -> numpy.ndarray:
    docs = [Doc(nlp.vocab, words=words) for words in inputs]
    bert, pipe = nlp.get_pipe("bert"), nlp.get_pipe("bert_ner")
    bert.set_annotations(docs, bert.predict(docs))
    return pipe.predict(docs).emissions.numpy()


def our_classes(nlp: Language, inputs: list[str]) -> numpy.ndarray:
    labels = nlp.get_pipe(nlp.pipe_names[-1]).labels
    return numpy.asarray([[doc.cats[label] for label in labels] for doc in nlp.pipe(inputs)])


def our_pairs(nlp: Language, inputs: list[tuple[str, str]]) -> numpy.ndarray:
    """RETURNS (ndarray): Logits: of a regression transformers gives no more."""
    return nlp.get_pipe("bert_paraphrase")._logits(inputs).numpy()


def our_spans(nlp: Language, inputs: list[tuple[str, str]]) -> numpy.ndarray:
    return nlp.get_pipe("bert_qa").model.predict(inputs).logits.numpy()


def our_masks(nlp: Language, inputs: list[str]) -> numpy.ndarray:
    found = nlp.get_pipe("bert_pretrainer").fill_mask(inputs, top_k=5)
    return numpy.asarray([[fill.score for fill in fills] for fills in found])


TEXTS = "AutoModelForSequenceClassification"
HEADS = {
    "entities (WNUT-17)": Head(
        partial(tune_rows, TASKS["wnut17"]), "AutoModelForTokenClassification", our_tags, tag_logits
    ),
    "classes (AG News)": Head(
        partial(tune_rows, TASKS["ag_news"]), TEXTS, our_classes, class_probabilities
    ),
    "several labels (GoEmotions)": Head(
        partial(tune_rows, GOEMOTIONS), TEXTS, our_classes, class_probabilities
    ),
    "pairs, yes or no (MRPC)": Head(
        partial(tune_pairs, "mrpc"), TEXTS, our_pairs, pair_logits, {"task": "pair"}
    ),
    "pairs, three classes (SICK)": Head(
        partial(tune_pairs, "sick"), TEXTS, our_pairs, pair_logits,
        {"task": "pair", "labels": ["contradiction", "entailment", "neutral"]},
    ),
    "pairs, a score (STS-B)": Head(partial(tune_pairs, "stsb"), TEXTS, our_pairs, pair_logits),
    "answers (SQuAD)": Head(
        tune_answers, "AutoModelForQuestionAnswering", our_spans, span_logits
    ),
    "masks (AG News)": Head(tune_masks, "AutoModelForMaskedLM", our_masks, mask_probabilities),
}  # fmt: skip


def compare(head: Head, data: Path, steps: int, n: int) -> dict[str, float]:
    """RETURNS (dict[str, float]): Largest differences of any number from the original's."""
    set_seed(0)
    tuned, inputs = head.tune(data, steps)
    with tempfile.TemporaryDirectory() as folder:
        original = Path(folder) / "original"
        tuned.model.save_pretrained(original)
        tuned.processing_class.save_pretrained(original)
        fitting = list(islice(those_that_fit(tuned.processing_class, inputs), n))
        expected = predict(original, head, fitting)
        found = {
            name: float(numpy.abs(values - expected).max())
            for name, values in systems(original, head, fitting, Path(folder))
        }
    return {**found, "numbers": expected.size, "deviation": float(expected.std())}


def those_that_fit(tokenizer: Any, inputs: list[Any]) -> Iterator[Any]:
    for given in inputs:
        texts = given if isinstance(given, tuple) else (given,)
        pieces = tokenizer(*texts, is_split_into_words=isinstance(given, list))["input_ids"]
        if len(pieces) <= LONGEST:
            yield given


def predict(folder: Path, head: Head, inputs: list[Any]) -> numpy.ndarray:
    """RETURNS (ndarray): What transformers predicts, each input by itself."""
    model = getattr(transformers, head.auto).from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        return torch.cat([head.theirs(model, tokenizer, given) for given in inputs]).numpy()


def systems(
    original: Path, head: Head, inputs: list[Any], folder: Path
) -> Iterator[tuple[str, numpy.ndarray]]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"\[B938\]")  # a score is squashed
        nlp = import_checkpoint(original, **head.options)
    yield "imported", head.ours(nlp, inputs)
    nlp.to_disk(folder / "nlp")
    yield "loaded", head.ours(spacy.load(folder / "nlp"), inputs)
    exported = export_checkpoint(nlp, nlp.pipe_names[-1], folder / "exported")
    yield "exported", predict(exported, head, inputs)


@click.command(help=__doc__)
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--head", "names", type=click.Choice(list(HEADS)), multiple=True)
@click.option("--steps", default=60, show_default=True)
@click.option("--n", default=100, show_default=True, help="Texts or pairs of dev.")
@click.option("--threads", default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS)
def main(data, names, steps, n, threads, out) -> None:
    torch.set_num_threads(threads)
    for name in names or HEADS:
        record = {"head": name, "steps": steps, "n": n, **compare(HEADS[name], data, steps, n)}
        append_json(out, {**record, **environment()})
        print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
