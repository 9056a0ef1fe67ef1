"""Write the files of this folder, and what they gave, with the version that is installed:

    python tests/saved_before/make.py FOLDER

Only names that users may rely on are used, so that it runs with any version.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy
import spacy
import torch
from spacy.training import Example
from spacy.util import fix_random_seed, registry

import spacy_bert_suite  # noqa: F401, I001  (before spaCy, for transformers 5)

try:
    from spacy_bert_suite import make_pair_example, make_question_example
except ImportError:  # of 0.1.0 before its modules moved
    from spacy_bert_suite.pairs import make_pair_example  # type: ignore[no-redef]
    from spacy_bert_suite.questions import make_question_example  # type: ignore[no-redef]

from spacy_bert_suite.search import SemanticIndex

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import bert_model, write_tiny_bert  # noqa: E402

TEXTS = ["anna met ben in paris . the film was great .", "the bank in oslo is bad ."]
PAIR = ("the film was good", "a great film")
QUESTION = "who met ben"
LISTENER = {"@architectures": "spacy-transformers.TransformerListener.v1", "grad_factor": 1.0,
            "pooling": {"@layers": "reduce_mean.v1"}, "upstream": "bert"}  # fmt: skip
CRF = {"@architectures": "spacy-bert-suite.TokenClassifier.v1", "crf": True,
       "bert": {"@architectures": "spacy-bert-suite.BertListener.v1"}}  # fmt: skip
CONFIGS: dict[str, dict[str, Any]] = {
    "bert_ner": {},
    "bert_textcat": {},
    "bert_textcat_multilabel": {},
    "bert_sentiment": {},
    "bert_similarity": {},
    "bert_paraphrase": {},
    "bert_qa": {},
    "bert_summarizer": {"min_words": 1},
    "bert_pretrainer": {},
    "tagger": {"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": LISTENER}},
}
LABELS = {
    "bert_ner": ["LOC", "PER"],
    "bert_textcat": ["home", "work"],
    "bert_textcat_multilabel": ["home", "work"],
    "bert_sentiment": ["negative", "positive"],
    "tagger": ["N", "V"],
}


def make_pipeline(weights: str, text: Path) -> spacy.Language:
    """Every factory, and a stock component that listens; heads of random weights."""
    fix_random_seed(0)
    torch.manual_seed(0)
    nlp = spacy.blank("xx")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("bert", config={"model": bert_model(weights)})
    for name, config in CONFIGS.items():
        pipe = nlp.add_pipe(name, config=config)
        for label in LABELS.get(name, []):
            pipe.add_label(label)
    nlp.add_pipe("bert_ner", name="crf", config={"model": CRF}).add_label("LOC")
    cats = {"home": 1.0, "work": 0.0, "positive": 1.0, "negative": 0.0}
    docs = [nlp.make_doc(text) for text in TEXTS]
    tags = [{"tags": ["N", "V"] * (len(doc) // 2) + ["N"] * (len(doc) % 2)} for doc in docs]
    examples = [
        Example.from_dict(doc, {**tag, "cats": cats, "entities": [(0, 4, "PER")]})
        for doc, tag in zip(docs, tags)
    ]
    examples += [
        make_pair_example(nlp, PAIR, label="paraphrase"),
        make_pair_example(nlp, (PAIR[0], TEXTS[1]), label="other"),
        make_question_example(nlp, TEXTS[0], QUESTION, [("anna", 0)]),
    ]
    read_text = registry.readers.get("spacy-bert-suite.PretrainCorpus.v1")
    instances = list(read_text(path=str(text), max_length=32)(nlp))
    optimizer = nlp.initialize(lambda: [*examples, *instances])
    nlp.get_pipe("bert_textcat_multilabel").cfg["thresholds"] = {"home": 0.3, "work": 0.6}
    optimizer.learn_rate = 1e-3
    nlp.update(examples, sgd=optimizer)
    return nlp


def outputs(nlp: spacy.Language) -> dict[str, Any]:
    """What a pipeline gives, as plain values."""
    found: dict[str, Any] = {}
    for text, doc in zip(TEXTS, nlp.pipe(TEXTS)):
        found[text] = {
            "entities": [[e.start, e.end, e.label_, float(e._.score)] for e in doc.ents],
            "cats": {key: float(value) for key, value in sorted(doc.cats.items())},
            "labels": doc._.labels,
            "sentiment": doc._.sentiment["probabilities"],
            "vector": [float(x) for x in doc.vector],
            "summary": doc._.summary,
            "tags": [token.tag_ for token in doc],
        }
    pairs = nlp.get_pipe("bert_paraphrase")
    answer = nlp.get_pipe("bert_qa").answer(nlp(TEXTS[0]), QUESTION)
    found["paraphrase"] = [float(x) for x in numpy.ravel(pairs.predict_pairs([PAIR]))]
    found["answer"] = [str(answer.span), float(answer.null_probability)]
    found["mask"] = [
        [fill.token, float(fill.score)]
        for fill in nlp.get_pipe("bert_pretrainer").fill_mask("the [MASK] was good")
    ]
    return found


def hits(index: SemanticIndex) -> list[Any]:
    """What an index finds, by meaning and by words, with and without a condition."""
    searches: list[dict[str, Any]] = [{}, {"where": {"kind": "film"}}, {"mode": "bm25"}]
    return [
        [[hit.id, hit.text, float(hit.score), hit.metadata] for hit in index.search(*given, **how)]
        for given in [("great film", 3)]
        for how in searches
    ]


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    weights = write_tiny_bert(folder / "weights")
    text = folder / "text.txt"
    documents = [
        "\n".join(TEXTS),
        "the team met at the match .\nmusic is great .",
        "a law .\nit is bad .",
    ]
    text.write_text("\n\n".join(documents), encoding="utf8")
    nlp = make_pipeline(str(weights), text)
    text.unlink()
    nlp.to_disk(folder / "pipeline")
    index = SemanticIndex(nlp)
    index.add(TEXTS, ids=["met", "bank"], metadata=[{"kind": "film"}, {"kind": "money"}])
    index.add(["ben was at the match .", "gone"], ids=["match", "gone"])
    index.delete(["gone"])
    index.save(folder / "index")
    expected = {"pipeline": outputs(nlp), "index": hits(index)}
    (folder / "expected.json").write_text(json.dumps(expected, indent=1), encoding="utf8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
