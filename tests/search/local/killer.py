"""Run as a script: kill writers of an index at one call to the system after the other; with --all
at every one, else at about seven.
"""

import json
import os
import pathlib
import shutil
import signal
import sys
from pathlib import Path

import spacy
import torch
from click.testing import CliRunner
from search.toys import IDS, TEXTS, letters, toy_vectors

from spacy_bert_suite.cli import search as commands
from spacy_bert_suite.cli.main import cli
from spacy_bert_suite.search import SemanticIndex

CALLS = [(os, name) for name in ("fsync", "replace", "rename", "mkdir", "unlink", "rmdir")]
CALLS += [(shutil, "rmtree"), (shutil, "copyfile"), (shutil, "copytree"), (pathlib.Path, "open")]


def build(other: Path) -> None:
    """The command, which takes the place of an index that is there."""
    texts = other.with_name("texts.txt")
    texts.write_text("\n".join(TEXTS))
    commands.load_or_assemble = lambda name: make_pipeline()
    args = ["index", "build", str(texts), str(other), "--overwrite"]
    result = CliRunner().invoke(cli, args)
    if result.exit_code:
        raise ValueError(result.output)


def make_pipeline():
    """Vectors are as wide as those of the toys."""

    def set_hooks(doc):
        doc.user_hooks["vector"] = lambda doc: letters(doc)[:8]
        return doc

    spacy.Language.component("few_letters", func=set_hooks)
    nlp = spacy.blank("en")
    nlp.add_pipe("few_letters")
    return nlp


ACTIONS = {
    "add": lambda index, other: index.add(
        ["n0", "n1"], ids=["n0", "d0"], vectors=toy_vectors()[:2], replace=True
    ),
    "delete": lambda index, other: index.delete(["d0", "d1"]),
    "compact": lambda index, other: index.compact(),
    "save": lambda index, other: index.save(other),
    "optimize": lambda index, other: index.optimize(hnsw=False),
    "build": lambda index, other: build(other),
}


def make_index(path: Path, texts=TEXTS, ids=IDS) -> SemanticIndex:
    """Two segments, of one of which something is deleted."""
    index = SemanticIndex(path=path)
    vectors = toy_vectors()
    index.add(texts[:4], ids=ids[:4], vectors=vectors[:4])
    index.add(texts[4:], ids=ids[4:], vectors=vectors[4:])
    index.delete([ids[4]])
    return index


def state_of(path: Path):
    """Everything that can be found, by vectors and by words."""
    index = SemanticIndex.load(path)
    found = index.search(toy_vectors()[0], k=100)
    words = index.search(" ".join([*TEXTS, "n0 n1"]), k=100, mode="bm25")
    if len(found) != len(index) or not {h.id for h in words} <= {h.id for h in found}:
        raise ValueError("the index contradicts itself")
    return sorted([hit.id, hit.text, round(hit.score, 4)] for hit in found)


def orphans(path: Path):
    manifest = SemanticIndex.load(path).backend.store.manifest
    kept = {"manifest.json", ".lock", *manifest.files()}
    return sorted(p.name for p in path.iterdir() if p.name not in kept)


def kill_before(n: int, counter: Path) -> None:
    """Let the n-th call end this process; count them in a file."""
    n_calls = 0

    def deadly(original):
        def call(*args, **kwargs):
            nonlocal n_calls
            n_calls += 1
            os.write(descriptor, b".")
            if n_calls == n:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **kwargs)

        return call

    descriptor = os.open(counter, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    for module, name in CALLS:
        setattr(module, name, deadly(getattr(module, name)))


def run(action: str, root: Path, n: int):
    """RETURNS (tuple[int, int]): How the process ended, and how many calls it made."""
    pid = os.fork()
    if not pid:
        index = SemanticIndex.load(root / "index")
        kill_before(n, root / "calls")
        ACTIONS[action](index, root / "other")
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return status, (root / "calls").stat().st_size


def prepare(root: Path):
    make_index(root / "index")
    make_index(root / "other", texts=["old"] * 6, ids=[f"old{i}" for i in range(6)])
    return states(root)


def states(root: Path):
    return [state_of(root / "index"), state_of(root / "other")]


def main(root: Path, action: str):
    before = prepare(root / "whole")
    if action == "build":
        build(root / "first")  # imports what the forks would each import anew
    status, n_calls = run(action, root / "whole", 0)
    report = {"status": status, "before": before, "after": states(root / "whole"), "killed": []}
    step = 1 if "--all" in sys.argv else max(1, n_calls // 6)
    for n in sorted({*range(1, n_calls + 1, step), n_calls}):
        prepare(root / str(n))
        killed, _ = run(action, root / str(n), n)
        found = states(root / str(n))
        again, _ = run(action, root / str(n), 0)
        left = orphans(root / str(n) / "index") + orphans(root / str(n) / "other")
        left += [path.name for path in (root / str(n)).glob(".*")]
        report["killed"].append([killed, found, again, states(root / str(n)), left])
    return report


if __name__ == "__main__":
    torch.set_num_threads(1)
    os.fsync = lambda descriptor: None  # a kill loses nothing that was written; it takes long
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2])))
