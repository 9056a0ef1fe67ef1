"""Writes the folder `files` beside it, and what was seen of it, with the version that is installed:

    python tests/saved_by_0_1/make.py FOLDER

Only registered names, commands and `SemanticIndex` are used, so that it runs with any version.
"""

import spacy_bert_suite  # noqa: F401, I001  (before spaCy, for transformers 5)

import json
import os
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any
from collections.abc import Callable, Iterator

import spacy
import spacy.cli  # noqa: F401  (the commands)
import typer.testing
from spacy.language import Language
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.util import compile_suffix_regex, fix_random_seed, load_model_from_config, registry

from spacy_bert_suite.search import SemanticIndex

TEXTS = [
    "Anna met Ben in Paris. The film was great. It is good for trade.",
    "The bank in Oslo was bad. Carla lives near it, and works at the bank.",
    "",
]
QUESTION = "Who met Ben?"
PAIRS = [("The film was good.", "A great film."), ("A great film.", "The bank was bad.")]
LABELS = {
    "bert_ner": ["LOC", "PER"],
    "bert_textcat": ["home", "work"],
    "bert_textcat_multilabel": ["negative", "positive"],
    "bert_sentiment": ["negative", "positive"],
}
DATA: dict[str, list[dict[str, Any]]] = {
    "pairs": [
        {"text1": PAIRS[0][0], "text2": PAIRS[0][1], "label": 1, "score": 0.9},
        {"text1": PAIRS[1][0], "text2": PAIRS[1][1], "label": 0, "score": 0.1},
    ],
    "questions": [
        {
            "context": TEXTS[0],
            "question": QUESTION,
            "answers": {"text": ["Anna"], "answer_start": [0]},
        },
        {"context": TEXTS[1], "question": QUESTION, "answers": []},
    ],
    "summaries": [{"document": text, "references": text.split(". ")[0]} for text in TEXTS[:2]],
    "text": [{"text": text} for text in TEXTS[:2]],
}
READERS: dict[str, dict[str, Any]] = {
    "pairs": {"@readers": "spacy-bert-suite.PairCorpus.v1"},
    "questions": {"@readers": "spacy-bert-suite.QuestionCorpus.v1"},
    "summaries": {"@readers": "spacy-bert-suite.SummaryCorpus.v1"},
    "text": {"@readers": "spacy-bert-suite.PretrainCorpus.v1", "max_length": 24, "fixed": True},
}
TUNING = {
    "@callbacks": "spacy-bert-suite.chain_callbacks.v1",
    "callbacks": {
        "labels": {"@callbacks": "spacy-bert-suite.tune_thresholds.v1", "path": "corpus.spacy"},
        "pairs": {"@callbacks": "spacy-bert-suite.calibrate.v1", "path": "pairs.jsonl"},
        "null": {
            "@callbacks": "spacy-bert-suite.tune_null_threshold.v1",
            "path": "questions.jsonl",
        },
    },
}
MODEL = {
    "@architectures": "spacy-bert-suite.BertModel.v1",
    "name": "bert",
    "window": 32,
    "stride": 24,
    "precision": "fp32",
    "device": "cpu",
}
HEADS: dict[str, dict[str, Any]] = {
    "bert_ner": {
        "model": {
            "@architectures": "spacy-bert-suite.TokenClassifier.v1",
            "crf": True,
            "dropout": 0.0,
        }
    },
    "bert_textcat": {},
    "bert_textcat_multilabel": {},
    "bert_sentiment": {},
    "bert_similarity": {"loss": {"@losses": "spacy-bert-suite.CoSENT.v1", "scale": 20.0}},
    "bert_paraphrase": {"symmetric": True},
    "bert_qa": {},
    "bert_summarizer": {
        "method": "trained",
        "n_sentences": 1,
        "model": {
            "@architectures": "spacy-bert-suite.SentenceScorer.v1",
            "n_layers": 1,
            "n_heads": 2,
            "max_sentences": 8,
        },
    },
    "bert_pretrainer": {},
}

# What is seen of a doc, by the component that writes it, and what the component gives on request.
WRITTEN: dict[str, Callable[[Doc], Any]] = {
    "bert_ner": lambda doc: [[e.start, e.end, e.label_, e._.score] for e in doc.ents],
    "bert_textcat": lambda doc: [doc.cats, doc._.labels],
    "bert_textcat_multilabel": lambda doc: [doc.cats, doc._.labels],
    "bert_sentiment": lambda doc: [doc._.sentiment, [s._.sentiment for s in doc.sents]],
    "bert_similarity": lambda doc: [doc.vector.tolist(), doc[:2].vector.tolist()],
    "bert_qa": lambda doc: doc._.answers,
    "bert_summarizer": lambda doc: [doc._.summary, [s._.summary_score for s in doc.sents]],
}
GIVEN: dict[str, Callable[[Any], Any]] = {
    "bert_similarity": lambda pipe: pipe.encode(TEXTS[:2]).tolist(),
    "bert_paraphrase": lambda pipe: pipe.predict_pairs(PAIRS).tolist(),
    "bert_pretrainer": lambda pipe: [[f.token, f.score] for f in pipe.fill_mask("A [MASK] film.")],
}


def outputs(nlp: Language) -> dict[str, Any]:
    """RETURNS (Dict): What a pipeline gives, by component, as plain values."""
    docs = [nlp.make_doc(text) for text in TEXTS]
    if nlp.has_pipe("bert_qa"):
        for doc in docs:
            doc._.questions = [QUESTION]
    docs = list(nlp.pipe(docs))
    found: dict[str, Any] = {"pipeline": nlp.pipe_names}
    for name in filter(nlp.has_pipe, HEADS):
        pipe = nlp.get_pipe(name)
        seen = [WRITTEN[name](doc) for doc in docs] if name in WRITTEN else []
        found[name] = [getattr(pipe, "labels", []), seen, GIVEN.get(name, lambda _: None)(pipe)]
    return json.loads(json.dumps(found, default=float))


def scores(nlp: Language) -> dict[str, Any]:
    """RETURNS (Dict): What every scorer makes of the corpus and the records."""
    found = nlp.evaluate(list(read_examples(nlp)))
    return json.loads(json.dumps({key: found[key] for key in sorted(found) if key != "speed"}))


def hits(index: SemanticIndex) -> list[Any]:
    """RETURNS (List): What an index finds: by vectors, with a condition, by words, by both."""
    searches: list[dict[str, Any]] = [
        {},
        {"where": {"year": {"gte": 2000}}},
        {"mode": "bm25"},
        {"mode": "hybrid"},
    ]
    return [
        [[hit.id, hit.text, hit.start, hit.end, hit.score, hit.metadata] for hit in found]
        for how in searches
        for found in index.batch(["a great film", "the bank"], k=4, **how)
    ]


def import_checkpoint(folder: str, into: str = "imported") -> Language:
    """RETURNS (Language): The pipeline that a checkpoint becomes."""
    command("import-checkpoint", folder, into, "--lang", "xx")
    nlp = spacy.load(into)
    shutil.rmtree(into)
    return nlp


def command(*args: str) -> str:
    """Run `python -m spacy bert` in this process. RETURNS (str): What was printed."""
    from spacy.cli._util import app

    registry.cli.get_all()
    result = typer.testing.CliRunner().invoke(app, ["bert", *args])
    if result.exit_code:
        raise RuntimeError(result.output) from result.exception
    return result.output


def write_data() -> None:
    """Write the backbone, a corpus, and records for the readers."""
    from conftest import write_tiny_bert

    small = {"hidden_size": 8, "intermediate_size": 16, "max_position_embeddings": 32}
    write_tiny_bert(Path("bert"), num_hidden_layers=2, **small)
    docs = []
    nlp = spacy.blank("xx")
    for text, entity, label, topic in zip(TEXTS, [(0, 4), (12, 16)], ["PER", "LOC"], [0, 1]):
        cats = {"home": 1.0 - topic, "work": topic, "positive": 1.0 - topic, "negative": topic}
        annotation = {"entities": [(*entity, label)], "cats": cats}
        docs.append(Example.from_dict(nlp.make_doc(text), annotation).reference)
    DocBin(docs=docs * 4).to_disk("corpus.spacy")
    for name, rows in DATA.items():
        lines = "".join(f"{json.dumps(row)}\n" for row in rows)
        Path(f"{name}.jsonl").write_text(lines, encoding="utf8")


def read_examples(nlp: Language) -> Iterator[Example]:
    readers = {name: {**reader, "path": f"{name}.jsonl"} for name, reader in READERS.items()}
    readers["corpus"] = {"@readers": "spacy.Corpus.v1", "path": "corpus.spacy"}
    readers["corpus"].update(gold_preproc=False, limit=2)
    for reader in registry.resolve(readers).values():
        yield from reader(nlp)


def make_pipeline() -> Language:
    """RETURNS (Language): Every factory, trained a little, with all that can be tuned tuned."""
    nlp = spacy.blank("xx")
    stop = compile_suffix_regex([r"\."]).search  # spaCy's own rules would fill 30 KB
    nlp.tokenizer = Tokenizer(nlp.vocab, suffix_search=stop)
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("bert", config={"model": MODEL})
    for name, config in HEADS.items():
        pipe = nlp.add_pipe(name, config=config)
        for label in LABELS.get(name, []):
            pipe.add_label(label)
    examples = list(read_examples(nlp))
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 1e-2
    for step in range(90):  # entities take longest; they come last
        nlp.update(examples if step < 30 else examples[-2:], sgd=optimizer)
    return registry.resolve({"tuning": TUNING})["tuning"](nlp)


def make_index(nlp: Language, folder: str) -> SemanticIndex:
    """RETURNS (SemanticIndex): One of several segments, in which entries were replaced."""
    index = SemanticIndex(nlp, path=folder)
    metadata = [{"year": 1990, "tags": ["film"]}, {"year": 2010, "tags": []}]
    index.add(TEXTS[:2], ids=["film", "bank"], metadata=metadata, unit="sentence")
    index.add(["Music is great.", "The law is bad."], ids=["music", "law"])
    index.add(["The price of a goal."], ids=["law"], metadata=[{"year": 2005}], replace=True)
    index.delete(["music"])
    return index


def run_config() -> Any:
    """RETURNS (Config): A run whose layers are unfrozen one by one, with averages of weights."""
    heads = ("bert_ner", "bert_textcat_multilabel")
    corpus = {"@readers": "spacy.Corpus.v1", "path": "corpus.spacy"}
    rate = {"@schedules": "spacy-bert-suite.warmup.v1", "warmup_steps": 1, "total_steps": 12}
    components: dict[str, Any] = {"bert": {"factory": "bert", "model": MODEL}}
    components.update({name: {"factory": name} for name in heads})
    tuning = {"topics": TUNING["callbacks"]["labels"]}  # type: ignore[index]
    config = {
        "nlp": {"lang": "xx", "pipeline": list(components)},
        "components": components,
        "corpora": {"train": corpus, "dev": {**corpus, "limit": 2}},
        "training": {
            "max_steps": 6,
            "eval_frequency": 3,
            "patience": 0,
            "seed": 0,
            "batcher": {"@batchers": "spacy.batch_by_sequence.v1", "size": 3, "get_length": None},
            "optimizer": {
                "@optimizers": "Adam.v1",
                "use_averages": True,
                "learn_rate": {**rate, "initial_rate": 2e-2},
            },
            "logger": {"@loggers": "spacy-bert-suite.ProgressLogger.v1"},
            "before_update": {
                "@callbacks": "spacy-bert-suite.gradual_unfreezing.v1",
                "steps_per_layer": 2,
            },
            "before_to_disk": {**TUNING, "callbacks": tuning},
        },
        "initialize": {"components": {name: {"labels": LABELS[name]} for name in heads}},
    }
    return load_model_from_config(config, auto_fill=True).config


def make_run() -> dict[str, Any]:
    """Train, and leave what a process that is killed after its third update would leave.
    RETURNS (Dict): What the pipeline gives at the end.
    """
    run_config().to_disk("config.cfg")
    command("train", "config.cfg", "--output", "run", "--keep", "9", "--checkpoint-every", "1")
    found = outputs(spacy.load("run/model-last"))
    for path in [*Path("run").glob("model-*"), *Path("run/checkpoints").iterdir()]:
        if path.name != "step-2":  # updates are counted from 0
            shutil.rmtree(path)
    return found


def main(folder: Path) -> None:
    folder.mkdir(parents=True)
    os.chdir(folder)  # all paths in what is saved are relative to it
    fix_random_seed(0)
    write_data()
    nlp = make_pipeline()
    nlp.to_disk("pipeline")
    expected = {"pipeline": outputs(nlp), "index": hits(make_index(nlp, "index"))}
    command("export", "pipeline", "bert_paraphrase", "exported")
    expected["exported"] = outputs(import_checkpoint("exported"))
    expected["run"] = make_run()
    expected["scores"] = scores(nlp)
    Path("expected.json").write_text(json.dumps(expected, indent=1), encoding="utf8")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]))
