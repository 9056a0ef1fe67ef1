"""Text for the tests of pretraining."""

import gzip
import json
import random
from pathlib import Path

TEXT = (
    "the bank in oslo met a team of great music and it is good for trade near london anna ben "
    "lives works awful film city match goal law price unhappiness reworked paris at on to was"
)
WORDS = TEXT.split()


def make_documents(n_documents, n_sentences=12, seed=0):
    """RETURNS (list[list[str]]): Sentences of documents; each names its document and place."""
    rng = random.Random(seed)
    return [
        [f"d{i} s{j} " + " ".join(rng.choices(WORDS, k=rng.randint(1, 14))) + "."
         for j in range(rng.randint(1, n_sentences))]
        for i in range(n_documents)
    ]  # fmt: skip


def write_text(path: Path, documents) -> Path:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf8") as file_:
        file_.write("\n\n".join("\n".join(document) for document in documents) + "\n")
    return path


def write_json(path: Path, documents) -> Path:
    lines = [json.dumps({"text": "\n".join(document)}) for document in documents]
    path.write_text("\n".join(lines), encoding="utf8")
    return path
