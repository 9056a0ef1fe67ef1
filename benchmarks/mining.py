"""Paraphrase mining: time and peak memory, next to sentence-transformers on the same vectors.

Every run is a process of its own, so that its peak is its own. The two systems take turns.
"""

import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import numpy
from common import N_THREADS, append_json, environment, torch
from vectors import encode, mean_of_layer, normalised, read_sentences

RESULTS = Path(__file__).parent / "results" / "mining.jsonl"
N_PAIRS = 250_000  # what sentence-transformers gives at least by default: half of max_pairs
K = 100  # its top_k by default
SYSTEMS = ("ours", "sentence-transformers")


def mine_ours(vectors: numpy.ndarray) -> list[Any]:
    from spacy_bert_suite.vectors.mining import paraphrase_mining

    return paraphrase_mining(vectors, n=N_PAIRS, k=K)


def mine_peer(vectors: numpy.ndarray) -> list[Any]:
    from sentence_transformers.util import paraphrase_mining_embeddings

    return paraphrase_mining_embeddings(torch.from_numpy(vectors), top_k=K)[:N_PAIRS]


def worker(system: str, path: Path, n: int, out: Path) -> None:
    """Mine once, and write the pairs and what it cost."""
    torch.set_num_threads(N_THREADS)
    vectors = numpy.load(path)[:n]
    mine = {"ours": mine_ours, "sentence-transformers": mine_peer}[system]
    mine(vectors[:200])  # imports and first calls
    before = peak_memory()
    start, start_cpu = time.perf_counter(), time.process_time()
    pairs = mine(vectors)
    cost = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - start_cpu}
    cost.update(before=before, peak=peak_memory())
    numpy.save(out.with_suffix(".npy"), numpy.array(pairs, dtype="float64"))
    out.write_text(json.dumps(cost))


def peak_memory() -> float:
    """RETURNS (float): MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(system: str, path: Path, n: int, folder: Path) -> dict[str, float]:
    out = folder / f"{system}-{n}.json"
    command = [sys.executable, __file__, "--worker", system, "--vectors", str(path)]
    subprocess.run([*command, "--n", str(n), "--out", str(out)], check=True)
    return json.loads(out.read_text())


def compare(folder: Path, n: int) -> str:
    """Are the pairs the same? At the end of the list, rounding decides between equal scores."""
    ours, peer = (numpy.load(folder / f"{system}-{n}.npy") for system in SYSTEMS)
    difference = abs(ours[:, 0] - peer[:, 0]).max() if len(ours) == len(peer) else numpy.inf
    sets = [set(map(tuple, pairs[:, 1:].astype(int).tolist())) for pairs in (ours, peer)]
    return f"{len(sets[0] & sets[1])} of {len(ours)} pairs the same, scores within {difference:.1e}"


def make_vectors(data: Path, n: int, path: Path) -> None:
    """Encode once; kept for later runs."""
    if not path.exists():
        sentences = read_sentences(data, n)
        made = encode(sentences, {"mean": mean_of_layer(-1)}, max_length=128)["mean"]
        numpy.save(path, normalised(made).astype("float32"))


@click.command()
@click.option("--data", type=click.Path(path_type=Path))
@click.option("--vectors", type=click.Path(path_type=Path), required=True, help="Cache, .npy.")
@click.option("--n", default=200_000, help="Sentences.")
@click.option("--rounds", default=3)
@click.option("--system", "systems", multiple=True, default=SYSTEMS)
@click.option("--worker", "system", hidden=True)
@click.option("--out", type=click.Path(path_type=Path), hidden=True)
def main(data, vectors, n, rounds, systems, system, out) -> None:
    if system:
        worker(system, vectors, n, out)
        return
    make_vectors(data, n, vectors)
    costs: dict[str, list[dict[str, float]]] = {name: [] for name in systems}
    for i in range(rounds):
        for name in systems[i % len(systems) :] + systems[: i % len(systems)]:
            costs[name].append(run(name, vectors, n, vectors.parent))
            print(name, costs[name][-1], flush=True)
    print("| system | seconds | CPU seconds | MiB before | peak MiB |\n|---|---:|---:|---:|---:|")
    for name, found in costs.items():
        middle = [statistics.median(cost[key] for cost in found) for key in found[0]]
        print(f"| {name} | {' | '.join(f'{value:.0f}' for value in middle)} |")
    same = compare(vectors.parent, n) if len(systems) == 2 else ""
    print(same)
    append_json(RESULTS, {"n": n, "costs": costs, "same": same, **environment()})


if __name__ == "__main__":
    main()
