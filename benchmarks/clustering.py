"""Vectors of raw BERT, corrected BERT and Sentence-BERT: the v-measure of k-means over labelled
texts, and the rank correlation of cosines with scored pairs (STS-B).

The embedded weights were trained as a Sentence-BERT with the mean of the last layer, so there is no
raw BERT in them. What comes nearest is what that training did not look at: the [CLS] state of the
last layer, and the mean over a lower layer. Corrections are fitted on the same texts, without
labels.
"""

import gzip
import json
from pathlib import Path

import click
import numpy
from common import append_json, environment, torch
from scipy.stats import spearmanr
from sklearn.cluster import KMeans
from vectors import cls_of_layer, encode, mean_of_layer, normalised

from spacy_bert_suite.clustering import clustering_report
from spacy_bert_suite.vectors.anisotropy import anisotropy
from spacy_bert_suite.vectors.isotropy import AllButTheTop, Centring, Whitening

RESULTS = Path(__file__).parent / "results" / "clustering.jsonl"
SETS = {
    "bbc_news": ("train", "dev"),
    "ag_news": ("dev",),
    "trec": ("train", "dev"),
    "subjectivity": ("dev",),
    "tweeteval_emotion": ("train", "dev"),
}
POOLS = {
    "embeddings, mean": mean_of_layer(0),
    "layer 2, mean": mean_of_layer(2),
    "layer 4, mean": mean_of_layer(4),
    "last layer, [CLS]": cls_of_layer(-1),
    "Sentence-BERT": mean_of_layer(-1),
}
CORRECTIONS = {
    "as they are": lambda: None,
    "centred": Centring,
    "whitened": Whitening,
    "whitened, 64": lambda: Whitening(64),
    "whitened, 16": lambda: Whitening(16),
    "all-but-the-top": AllButTheTop,
}


def read_set(data: Path, name: str) -> tuple[list[str], list[str]]:
    """RETURNS (tuple[list[str], list[str]]): Different texts, and their labels."""
    found: dict[str, str] = {}
    for split in SETS[name]:
        path = data / "textclass" / name / f"{split}.jsonl.gz"
        with gzip.open(path, "rt", encoding="utf8") as file_:
            for line in file_:
                row = json.loads(line)
                found.setdefault(row["text"], row["label"])
    return list(found), list(found.values())


def judge(vectors: numpy.ndarray, gold: list[str], seeds: int) -> list[float]:
    """RETURNS (list[float]): V-measure of k-means with as many clusters as labels, per seed."""
    unit, scores = normalised(vectors), []
    for seed in range(seeds):
        labels = KMeans(len(set(gold)), n_init=3, random_state=seed).fit_predict(unit)
        scores.append(100 * clustering_report(unit, labels, gold)["v_measure"])
    return scores


def correct(vectors: numpy.ndarray, correction: str) -> numpy.ndarray:
    method = CORRECTIONS[correction]()
    return vectors if method is None else method.fit_transform(vectors)


def cluster_set(data: Path, name: str, seeds: int) -> None:
    """Print and keep the v-measures of a data set."""
    texts, gold = read_set(data, name)
    print(f"\n{name}: {len(texts)} texts, {len(set(gold))} labels")
    print("| vectors | correction | mean cosine | v-measure |\n|---|---|---:|---:|")
    rows = []
    for pool, vectors in encode(texts, POOLS).items():
        for correction in CORRECTIONS:
            corrected = correct(vectors, correction)
            scores = judge(corrected, gold, seeds)
            rows.append((pool, correction, anisotropy(corrected).mean_cosine, scores))
            figures = f"{rows[-1][2]:.2f} | {numpy.mean(scores):.1f} ± {numpy.std(scores):.1f}"
            print(f"| {pool} | {correction} | {figures} |", flush=True)
    append_json(RESULTS, {"set": name, "n": len(texts), "rows": rows, **environment()})


def score_pairs(data: Path) -> None:
    """Print and keep Spearman's correlation on STS-B dev, fitted on its sentences."""
    path = data / "similarity" / "stsb_en" / "dev.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf8") as file_:
        pairs = [json.loads(line) for line in file_]
    texts = list(dict.fromkeys(pair[key] for pair in pairs for key in ("text1", "text2")))
    place = {text: i for i, text in enumerate(texts)}
    first, second = ([place[pair[key]] for pair in pairs] for key in ("text1", "text2"))
    gold = [pair["score"] for pair in pairs]
    print(f"\nSTS-B dev: {len(pairs)} pairs of {len(texts)} sentences")
    print("| vectors | correction | mean cosine | Spearman |\n|---|---|---:|---:|")
    rows = []
    for pool, vectors in encode(texts, POOLS).items():
        for correction in CORRECTIONS:
            corrected = normalised(correct(vectors, correction))
            cosines = (corrected[first] * corrected[second]).sum(axis=1)
            found = 100 * float(spearmanr(cosines, gold).statistic)
            rows.append((pool, correction, anisotropy(corrected).mean_cosine, found))
            print(f"| {pool} | {correction} | {rows[-1][2]:.2f} | {found:.1f} |", flush=True)
    append_json(RESULTS, {"set": "stsb_en", "n": len(pairs), "rows": rows, **environment()})


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True)
@click.option("--set", "names", multiple=True, default=["stsb_en", *SETS])
@click.option("--seeds", default=5)
@click.option("--threads", default=2)
def main(data, names, seeds, threads) -> None:
    torch.set_num_threads(threads)
    for name in names:
        if name == "stsb_en":
            score_pairs(data)
        else:
            cluster_set(data, name, seeds)


if __name__ == "__main__":
    main()
