"""ROUGE of every method of bert_summarizer, next to the first sentences, TextRank and
bert-extractive-summarizer, and the time that they take.

All systems start from the same weights and the same sentences, and choose as many of them. The
peers have their own defaults. TextRank is that of Mihalcea and Tarau 2004, written out here:
pytextrank needs a pipeline with a tagger and a parser, which would bring other weights.
"""

import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy
import spacy
from common import (
    N_THREADS,
    append_json,
    environment,
    interleave,
    n_batches,
    set_seed,
    shuffled_batches,
    speed_table,
    torch,
    weights_folder,
)
from pipelines import make_optimizer
from rouge_score.rouge_scorer import RougeScorer
from spacy.language import Language
from spacy.training import Example
from summarizer import Summarizer
from transformers import BertConfig, BertModel, BertTokenizer

from spacy_bert_suite.data.records import read_rows
from spacy_bert_suite.tasks.summarizer.corpus import make_example
from spacy_bert_suite.tasks.summarizer.gold import references_of
from spacy_bert_suite.tasks.summarizer.rouge import score_summary, words_of
from spacy_bert_suite.tasks.summarizer.sentences import plain_text, sentences_of

RESULTS = Path(__file__).parent / "results" / "summaries.jsonl"
MODELS = Path(tempfile.gettempdir()) / "summaries"
# How long a summary may be: part of the sentences, or their number.
LENGTHS: dict[str, dict[str, float]] = {
    "bbc_summary": {"ratio": 0.4},
    "scitldr_a": {"n_sentences": 1},
    "opinosis": {"n_sentences": 2},
}
# Gold sentences of BBC often share three words in a row.
TRAINED: dict[str, dict[str, Any]] = {"bbc_summary": {"trigram_blocking": False}}
DAMPING = 0.85
ROUGE = ("rouge1", "rouge2", "rougeL")
BATCH = 8  # articles in a training step


@dataclass
class Article:
    """text (str): With line breaks in place of the spaces between given sentences.
    n (int): Sentences to choose.
    """

    example: Example
    sentences: list[str]
    references: list[str]
    n: int

    @property
    def text(self) -> str:
        return "\n".join(self.sentences)


Summarize = Callable[[Sequence[Article]], list[str]]


def read_articles(folder: Path, split: str, name: str, limit: int) -> list[Article]:
    nlp = spacy.blank("en")
    nlp.max_length = 10**8
    articles = []
    for row in list(read_rows(folder / name / f"{split}.jsonl.gz"))[: limit or None]:
        example = make_example(nlp, row, 0, "summary")
        sentences = [plain_text(sentence) for sentence in sentences_of(example.reference)]
        sentences = [sentence for sentence in sentences if sentence]
        length = LENGTHS[name]
        n = length.get("n_sentences") or max(1, round(length["ratio"] * len(sentences)))
        references = references_of(example, "summary")
        articles.append(Article(example, sentences, references, int(n)))
    return articles


# Systems


def lead(articles: Sequence[Article]) -> list[str]:
    return [" ".join(article.sentences[: article.n]) for article in articles]


def textrank(articles: Sequence[Article]) -> list[str]:
    """Mihalcea and Tarau 2004: shared words over log lengths, and PageRank."""
    summaries = []
    for article in articles:
        words = [set(words_of(sentence)) for sentence in article.sentences]
        weights = numpy.array([[likeness(a, b) * (a is not b) for b in words] for a in words])
        totals = numpy.maximum(weights.sum(axis=1), 1e-9)
        scores = numpy.ones(len(words))
        for _ in range(50):
            scores = 1 - DAMPING + DAMPING * (weights / totals[:, None]).T @ scores
        chosen = sorted(numpy.argsort(-scores, kind="stable")[: article.n])
        summaries.append(" ".join(article.sentences[i] for i in chosen))
    return summaries


def likeness(a: set, b: set) -> float:
    size = math.log(len(a) or 1) + math.log(len(b) or 1)
    return len(a & b) / size if size else 0.0


class Sentences:
    """The given sentences, filtered by length as bert-extractive-summarizer does."""

    def __call__(self, body: str, min_length: int = 40, max_length: int = 600) -> list[str]:
        return [s for s in body.split("\n") if max_length > len(s) > min_length]


def their_summarizer(hidden: int) -> Summarize:
    """bert-extractive-summarizer. hidden (int): The layer of its vectors; by default -2."""
    folder = weights_folder()
    config = BertConfig.from_pretrained(folder, output_hidden_states=True)
    summarizer = Summarizer(
        custom_model=BertModel.from_pretrained(folder, config=config).eval(),
        custom_tokenizer=BertTokenizer.from_pretrained(folder),
        hidden=hidden,
        sentence_handler=Sentences(),
    )

    def summarize(articles: Sequence[Article]) -> list[str]:
        return [summarizer(article.text, num_sentences=article.n) for article in articles]

    return summarize


def our_pipeline(name: str, **config: Any) -> Language:
    nlp = spacy.blank("en")
    nlp.max_length = 10**8
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("bert")
    nlp.add_pipe("bert_summarizer", config={**LENGTHS[name], **config})
    return nlp


def our_summarizer(nlp: Language) -> Summarize:
    def summarize(articles: Sequence[Article]) -> list[str]:
        docs = [article.example.predicted.copy() for article in articles]
        return [doc._.summary for doc in nlp.pipe(docs)]

    return summarize


def from_text(nlp: Language) -> Summarize:
    """The same from strings, as the peers are timed."""
    return lambda articles: [doc._.summary for doc in nlp.pipe(a.text for a in articles)]


def trained(data: Path, name: str, epochs: int, seed: int, limit: int, models: Path) -> Language:
    """Train on the articles of the train split, or load what was trained so before."""
    folder = models / f"{name}-{epochs}-{seed}-{limit}"
    config = {"method": "trained", **TRAINED.get(name, {})}
    if folder.exists():
        return spacy.load(folder, config={"components": {"bert_summarizer": config}})
    set_seed(seed)
    nlp = our_pipeline(name, **config)
    examples = [article.example for article in read_articles(data, "train", name, limit)]
    nlp.initialize(lambda: examples[:10])
    optimizer = make_optimizer(n_batches(len(examples), epochs) * 32 // BATCH)
    start = time.time()
    for batch in shuffled_batches(examples, epochs, seed):  # of 32
        batch = [Example(eg.predicted.copy(), eg.reference) for eg in batch]
        for i in range(0, len(batch), BATCH):
            losses = nlp.update(batch[i : i + BATCH], sgd=optimizer)
            optimizer.step_schedules()
        print(f"{time.time() - start:.0f} s, loss {losses['bert_summarizer']:.3f}", flush=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    nlp.to_disk(folder)
    return nlp


# Measuring


def measure(summarize: Summarize, articles: Sequence[Article]) -> dict[str, float]:
    """RETURNS (dict[str, float]): Mean F1 in percent, words in a summary, and the largest
    difference between our ROUGE and that of rouge_score.
    """
    scorer = RougeScorer(ROUGE, use_stemmer=False)
    summaries = summarize(articles)
    ours = [score_summary(s, article.references) for s, article in zip(summaries, articles)]
    theirs = [best(scorer, s, article.references) for s, article in zip(summaries, articles)]
    result = {key: 100 * float(numpy.mean([score[key] for score in theirs])) for key in ROUGE}
    result["words"] = float(numpy.mean([len(summary.split()) for summary in summaries]))
    result["difference"] = max(abs(a[key] - b[key]) for a, b in zip(ours, theirs) for key in ROUGE)
    return result


def best(scorer: RougeScorer, summary: str, references: Sequence[str]) -> dict[str, float]:
    found = [scorer.score(reference, summary) for reference in references]
    return {key: max(score[key].fmeasure for score in found) for key in ROUGE}


def systems_of(name: str) -> dict[str, Callable[[], Summarize]]:
    return {
        "first sentences": lambda: lead,
        "TextRank": lambda: textrank,
        "bert-extractive-summarizer": lambda: their_summarizer(-2),
        "bert-extractive-summarizer, last layer": lambda: their_summarizer(-1),
        "ours, kmeans": lambda: our_summarizer(our_pipeline(name)),
        "ours, centrality": lambda: our_summarizer(our_pipeline(name, method="centrality")),
    }


def report(name: str, results: dict[str, dict[str, float]]) -> None:
    print(f"\n| {name} | ROUGE-1 | ROUGE-2 | ROUGE-L | words |\n|---|---:|---:|---:|---:|")
    for system, result in results.items():
        values = " | ".join(f"{result[key]:.2f}" for key in ROUGE)
        print(f"| {system} | {values} | {result['words']:.0f} |")


def time_them(data: Path, name: str, n: int, n_rounds: int) -> None:
    articles = read_articles(data, "dev", name, n)
    systems = {
        "ours, kmeans": from_text(our_pipeline(name)),
        "bert-extractive-summarizer": their_summarizer(-2),
    }
    for summarize in systems.values():
        summarize(articles[:2])
    runs = {system: partial(summarize, articles) for system, summarize in systems.items()}
    speeds = interleave(runs, n_rounds, len(articles))
    print("\n" + speed_table(speeds, f"{name}: articles/s", "ours, kmeans"))
    append_json(RESULTS, {"speed": speeds, "set": name, "articles": len(articles), **environment()})


@click.command()
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--set", "names", multiple=True, default=tuple(LENGTHS), type=click.Choice(LENGTHS))
@click.option("--split", default="dev", help="Split to measure on.")
@click.option("--limit", default=0, help="Articles to measure on, 0 for all.")
@click.option("--epochs", default=0, help="Train for so many epochs, too; 0 does not.")
@click.option("--train-limit", default=0, help="Articles to train on, 0 for all.")
@click.option("--seed", default=0)
@click.option("--models", default=MODELS, type=click.Path(path_type=Path))
@click.option("--only-train", is_flag=True, help="Leave out the systems that are not trained.")
@click.option("--rounds", default=0, help="Rounds of timing, 0 for none.")
@click.option("--timed", default=16, help="Articles in a round of timing.")
def main(
    data: Path,
    names: Sequence[str],
    split: str,
    limit: int,
    epochs: int,
    train_limit: int,
    seed: int,
    models: Path,
    only_train: bool,
    rounds: int,
    timed: int,
) -> None:
    """DIR holds summarization/<set>/{train,dev}.jsonl.gz with `document` or `sentences`, and
    `references`.
    """
    torch.set_num_threads(N_THREADS)
    data = data / "summarization"
    for name in names:
        if rounds:
            time_them(data, name, timed, rounds)
            continue
        articles = read_articles(data, split, name, limit)
        systems = {} if only_train else systems_of(name)
        if epochs and (data / name / "train.jsonl.gz").exists():
            nlp = trained(data, name, epochs, seed, train_limit, models)
            systems["ours, trained"] = lambda nlp=nlp: our_summarizer(nlp)
        results = {system: measure(make(), articles) for system, make in systems.items()}
        report(name, results)
        for system, result in results.items():
            record = {"set": name, "split": split, "system": system, **result, **environment()}
            append_json(RESULTS, {**record, "articles": len(articles), "epochs": epochs})


if __name__ == "__main__":
    main()
