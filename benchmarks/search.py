"""Search: quality on judged collections, and speed, memory and recall on a large one.

Vectors are kept in the folder --cache, so that a second run is quick. Figures of the large
collection come from a process for each system, which starts this script again with --only.
"""

import gzip
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy
import spacy
from common import N_THREADS, append_json, environment, torch, weights_folder
from memory import peak, resident
from spacy.tokens import Doc

from spacy_bert_suite.search import SemanticIndex
from spacy_bert_suite.search.metrics import evaluate

CACHE = Path(tempfile.gettempdir()) / "bench_search"
RESULTS = Path(__file__).parent / "results" / "search.jsonl"
SETS = ("cisi", "cranfield", "reqa_squad")
SYSTEMS = ("numpy", "exact", "exact int8", "hnsw", "hnsw int8", "qdrant edge")
N_QUERIES = 500
NOISE = 0.3  # length of what is added to a real vector of length one
K = 10

Search = Callable[[numpy.ndarray], list[int]]  # a query to the rows of what is found


def read_set(data: Path, name: str) -> tuple[dict[str, str], dict[str, str], dict[str, Any]]:
    """RETURNS (Tuple): Texts by id (titles in front), queries by id, and judgements."""
    folder = data / "retrieval" / name
    corpus = {row["id"]: with_title(row) for row in read(folder, "corpus", "corpus_dev")}
    queries = {row["id"]: row["text"] for row in read(folder, "queries_dev")}
    judgements: dict[str, Any] = {}
    for row in read(folder, "qrels_dev"):
        judgements.setdefault(row["query_id"], {})[row["doc_id"]] = row["relevance"]
    return corpus, queries, judgements


def read(folder: Path, *names: str) -> Iterator[dict[str, Any]]:
    path = next(p for n in names if (p := folder / f"{n}.jsonl.gz").exists())
    with gzip.open(path, "rt", encoding="utf8") as file_:
        yield from map(json.loads, file_)


def with_title(row: dict[str, Any]) -> str:
    title, text = row.get("title", ""), row["text"]
    return f"{title}. {text}" if title and not text.startswith(title) else text


def our_vectors(texts: list[str], long_documents: str = "mean") -> numpy.ndarray:
    """long_documents (str): "mean" of all windows, or the "first", as the peer does."""
    nlp = spacy.blank("en")
    nlp.add_pipe("bert")
    nlp.add_pipe("bert_similarity", config={"model": {"long_documents": long_documents}})
    return numpy.stack([doc.vector for doc in nlp.pipe(texts)])


def peer_vectors(texts: list[str]) -> numpy.ndarray:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(weights_folder(), device="cpu").encode(texts)


def cached(cache: Path, name: str, encode: Callable, texts: list[str]) -> numpy.ndarray:
    path = cache / f"{name}.npy"
    if not path.exists():
        start = time.perf_counter()
        numpy.save(path, encode(texts))
        print(f"{name}: {len(texts)} texts in {time.perf_counter() - start:.0f} s", flush=True)
    return numpy.load(path)


def measure_set(data: Path, cache: Path, name: str) -> dict[str, dict[str, float]]:
    """RETURNS (dict[str, dict[str, float]]): Figures of each way to search one collection."""
    corpus, queries, judgements = read_set(data, name)
    ids, texts, questions = list(corpus), list(corpus.values()), list(queries.values())
    index = SemanticIndex()
    index.add(texts, ids=ids, vectors=cached(cache, f"{name}_ours", our_vectors, texts))
    vectors = cached(cache, f"{name}_queries_ours", our_vectors, questions)
    asked = with_vectors(questions, vectors)
    figures = {}
    for system, options in {
        "bm25": {"mode": "bm25"},
        "vectors": {"mode": "vector"},
        "hybrid, weighted": {"mode": "hybrid"},
        "hybrid, ranks": {"mode": "hybrid", "fusion": "rrf"},
    }.items():
        found = index.batch(asked, k=100, **options)  # type: ignore[arg-type]
        figures[system] = evaluate_hits(queries, found, judgements)
    first = partial(our_vectors, long_documents="first")
    cut = SemanticIndex()
    cut.add(texts, ids=ids, vectors=cached(cache, f"{name}_first", first, texts))
    found = cut.batch(list(cached(cache, f"{name}_queries_first", first, questions)), k=100)
    figures["vectors of the first window"] = evaluate_hits(queries, found, judgements)
    figures["sentence-transformers"] = measure_peer(cache, name, ids, texts, questions, queries,
                                                    judgements)  # fmt: skip
    return figures


def with_vectors(texts: list[str], vectors: numpy.ndarray) -> list[Doc]:
    """RETURNS (list[Doc]): Texts whose vectors are known, for searches by both."""
    nlp = spacy.blank("en")
    docs = [nlp.make_doc(text) for text in texts]
    for doc, vector in zip(docs, vectors):
        doc.vector = vector
    return docs


def evaluate_hits(queries, found, judgements) -> dict[str, float]:
    rankings = {name: [hit.id for hit in hits] for name, hits in zip(queries, found)}
    return evaluate(rankings, judgements)


def measure_peer(cache, name, ids, texts, questions, queries, judgements) -> dict[str, float]:
    from sentence_transformers.util import semantic_search

    vectors = cached(cache, f"{name}_peer", peer_vectors, texts)
    asked = cached(cache, f"{name}_queries_peer", peer_vectors, questions)
    found = semantic_search(torch.from_numpy(asked), torch.from_numpy(vectors), top_k=100)
    rankings = {q: [ids[hit["corpus_id"]] for hit in hits] for q, hits in zip(queries, found)}
    return evaluate(rankings, judgements)


def large_collection(cache: Path, n: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Real vectors, begun again where they end, with noise; and real queries."""
    real = numpy.load(cache / "reqa_squad_ours.npy")
    rng = numpy.random.default_rng(0)
    vectors = numpy.empty((n, real.shape[1]), dtype="float32")
    for start in range(0, n, len(real)):
        part = real[: n - start]
        noise = rng.standard_normal(part.shape, dtype="float32") / real.shape[1] ** 0.5
        vectors[start : start + len(part)] = part + (NOISE * noise if start else 0)
    vectors /= numpy.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors, numpy.load(cache / "reqa_squad_queries_ours.npy")[:N_QUERIES]


def measure_system(system: str, cache: Path, n: int, ef: int) -> dict[str, float]:
    """Build, then open again and search one query after the other.

    RETURNS (dict[str, float]): Seconds of building, MiB, milliseconds, and what was found.
    """
    vectors, queries = large_collection(cache, n)
    truth = [set(row) for row in true_neighbours(vectors, queries)]
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        path = Path(folder) / "index"
        start = time.perf_counter()
        build(system, path, vectors)
        built = time.perf_counter() - start
        if system != "numpy":
            del vectors
        before = resident()
        search = open_system(system, path, vectors if system == "numpy" else None, ef)
        search(queries[0])
        times, right = [], 0
        for query, rows in zip(queries, truth):
            start = time.perf_counter()
            found = search(query)
            times.append(1000 * (time.perf_counter() - start))
            right += len(rows & set(found))
        n_bytes = sum(p.stat().st_blocks * 512 for p in path.rglob("*") if p.is_file())
    return {
        "build": built, "memory": resident() - before, "disk": n_bytes / 2**20, "peak": peak(),
        "recall": right / (K * len(queries)), "p50": float(numpy.percentile(times, 50)),
        "p99": float(numpy.percentile(times, 99)),
    }  # fmt: skip


def true_neighbours(vectors: numpy.ndarray, queries: numpy.ndarray) -> numpy.ndarray:
    parts = [numpy.argpartition(-(vectors @ q), K)[:K] for q in queries]
    return numpy.stack(parts)


def build(system: str, path: Path, vectors: numpy.ndarray) -> None:
    if system == "numpy":
        return
    if system == "qdrant edge":
        build_edge(path, vectors)
        return
    storage = "int8" if system.endswith("int8") else "float32"
    index = SemanticIndex(path=path, storage=storage)
    index.add((f"text {i}" for i in range(len(vectors))), vectors=vectors)
    if system.startswith("hnsw"):
        index.optimize(bm25=False)


def open_system(system: str, path: Path, vectors: Any, ef: int) -> Search:
    if system == "numpy":
        return lambda query: numpy.argpartition(-(vectors @ query), K)[:K].tolist()
    if system == "qdrant edge":
        return open_edge(path, ef)
    index = SemanticIndex.load(path)
    return lambda query: [int(hit.id) for hit in index.search(query, K, ef=ef)]


def build_edge(path: Path, vectors: numpy.ndarray) -> None:
    """The library as its documentation uses it, with the same settings of the graph."""
    import qdrant_edge as edge

    from spacy_bert_suite.search.local.hnsw import config

    path.mkdir()
    shard = edge.EdgeShard.create(str(path), config(vectors.shape[1], "float32"))
    for start in range(0, len(vectors), 1024):
        part = vectors[start : start + 1024]
        points = [edge.Point(start + i, vector) for i, vector in enumerate(part)]
        shard.update(edge.UpdateOperation.upsert_points(points))
    shard.optimize()
    shard.flush()
    shard.close()


def open_edge(path: Path, ef: int) -> Search:
    import qdrant_edge as edge

    shard = edge.EdgeShard.load(str(path))

    def search(query: numpy.ndarray) -> list[int]:
        params = edge.SearchParams(hnsw_ef=ef)
        nearest = edge.Query.Nearest(query.tolist())
        points = shard.query(edge.QueryRequest(limit=K, query=nearest, params=params))
        return [point.id for point in points]

    return search


def in_new_process(system: str, cache: Path, n: int, ef: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--cache", str(cache), "--only", system, "--scale", str(n)]
    command += ["--ef", str(ef)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


@click.command(help=__doc__)
@click.option("--data", type=click.Path(path_type=Path, exists=True))
@click.option("--cache", type=click.Path(path_type=Path), default=CACHE)
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
@click.option("--sets", default=",".join(SETS), show_default=True, help="Judged collections")
@click.option("--scale", default=100_000, show_default=True, help="Vectors; 0 for none")
@click.option("--systems", default=",".join(SYSTEMS), show_default=True)
@click.option("--ef", default=512, show_default=True, help="Candidates in the graph")
@click.option("--only", help="One system of the large collection, in this process")
def main(
    data: Path, cache: Path, out: Path, sets: str, scale: int, systems: str, ef: int,
    only: str | None,
) -> None:  # fmt: skip
    torch.set_num_threads(N_THREADS)
    cache.mkdir(parents=True, exist_ok=True)
    if only:
        print(json.dumps(measure_system(only, cache, scale, ef)))
        return
    quality = {name: measure_set(data, cache, name) for name in sets.split(",") if name}
    print(quality_table(quality), flush=True)
    names = systems.split(",") if scale else []
    speed = {system: in_new_process(system, cache, scale, ef) for system in names}
    print(speed_table(speed, scale))
    append_json(
        out, {"quality": quality, "scale": scale, "ef": ef, "speed": speed, **environment()}
    )


def quality_table(quality: dict[str, dict[str, dict[str, float]]]) -> str:
    lines = ["| collection | search | nDCG@10 | recall@100 | MRR@10 |", "|---|---|---:|---:|---:|"]
    for name, systems in quality.items():
        for system, f in systems.items():
            figures = f"{f['ndcg@10']:.4f} | {f['recall@100']:.4f} | {f['mrr@10']:.4f}"
            lines.append(f"| {name} | {system} | {figures} |")
    return "\n".join(lines)


def speed_table(speed: dict[str, dict[str, float]], n: int) -> str:
    lines = [
        f"| {n:,} vectors | build, s | memory, MiB | disk, MiB | recall@10 | p50, ms | p99, ms |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for system, f in speed.items():
        sizes = f"{f['build']:.0f} | {f['memory']:.0f} | {f['disk']:.0f}"
        lines.append(
            f"| {system} | {sizes} | {f['recall']:.4f} | {f['p50']:.2f} | {f['p99']:.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
