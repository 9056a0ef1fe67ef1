import os

import pytest
import spacy
import torch
from training.runs import write_corpus


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus") / "all.spacy")


@pytest.fixture(scope="session")
def trained_tagger(tmp_path_factory):
    path = tmp_path_factory.mktemp("trained") / "tagger"
    nlp = spacy.blank("en")
    tagger = nlp.add_pipe("tagger", name="trained_tagger")
    tagger.add_label("A")
    tagger.add_label("B")
    nlp.initialize()
    nlp.to_disk(path)
    return path


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)  # sums depend on how they are divided


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
