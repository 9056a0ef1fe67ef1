"""Forked processes: without the threads and the GPU of their parent, and without a word."""

import os
import subprocess
import sys

import pytest
import torch
from spacy.training import Example

from spacy_bert_suite.backbone.fork_safety import ProcessCheck

# The parent uses two threads; the text is long enough for both.
SCRIPT = """
import multiprocessing, os, sys
import spacy, torch

nlp = spacy.load(sys.argv[1], config={"components.bert.model.max_batch_pieces": 8192})
text = "Anna works in Paris. " * 500
expected = nlp(text).cats
vector = nlp.get_pipe("bert_similarity").encode([text])

def same(cats):
    return all(abs(cats[label] - p) < 1e-5 for label, p in expected.items())

def annotate(text):
    return same(nlp(text).cats)

def encode(text):
    return bool(abs(nlp.get_pipe("bert_similarity").encode([text]) - vector).max() < 1e-5)

for task in (annotate, encode):
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(task, (text,)).get(timeout=60)
pid = os.fork()
if pid == 0:
    os._exit(0 if annotate(text) else 1)
assert os.waitpid(pid, 0)[1] == 0
with nlp.select_pipes(disable=["bert_similarity"]):  # spaCy warns of its hooks
    docs = nlp.pipe([text] * 3, n_process=2, batch_size=1)
    assert all(same(doc.cats) for doc in docs)
assert "TOKENIZERS_PARALLELISM" not in os.environ and torch.get_num_threads() == 2
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_forks_finish_and_print_nothing(make_nlp, tmp_path):
    nlp = make_nlp("bert_textcat")
    nlp.add_pipe("bert_similarity")
    nlp.to_disk(tmp_path)
    env = {**os.environ, "OMP_NUM_THREADS": "2"}
    env.pop("TOKENIZERS_PARALLELISM", None)
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.fixture
def forked(monkeypatch):
    """A check that takes this process for a fork, and the numbers of threads that it sets."""
    set_to = []
    monkeypatch.setattr(torch, "set_num_threads", set_to.append)
    monkeypatch.setattr(torch.cuda, "_is_in_bad_fork", lambda: True)
    monkeypatch.setattr("spacy_bert_suite.backbone.fork_safety.STARTED_IN", -1)
    return ProcessCheck(), set_to


def test_a_fork_has_one_thread(forked):
    check, set_to = forked
    for _ in range(3):
        check("tiny", torch.device("cpu"))
    assert set_to == [1]


def test_a_fork_has_no_gpu(forked):
    check, _ = forked
    for _ in range(3):
        with pytest.raises(RuntimeError, match="B034.*'tiny'.*n_process=1"):
            check("tiny", torch.device("cuda"))


@pytest.mark.parametrize("run", [
    lambda nlp: nlp("Anna"),
    lambda nlp: list(nlp.pipe(["Anna"])),
    lambda nlp: nlp.get_pipe("bert_similarity").encode(["Anna"]),
    lambda nlp: nlp.update([Example.from_dict(nlp.make_doc("Anna"), {"cats": {"home": 1.0}})]),
])  # fmt: skip
def test_every_pass_is_checked(make_nlp, forked, run):
    nlp = make_nlp("bert_textcat")
    nlp.add_pipe("bert_similarity")
    nlp.get_pipe("bert").model.shims[0].check_process, set_to = forked
    run(nlp)
    assert set_to == [1]


def test_the_first_process_keeps_its_threads(monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda n: 1 / 0)
    ProcessCheck()("tiny", torch.device("cpu"))
