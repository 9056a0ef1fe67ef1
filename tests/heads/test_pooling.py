"""Pooling of wordpieces, against plain loops over them."""

import numpy
import pytest
import spacy
import torch
from conftest import bert_model
from torch import nn

from spacy_bert_suite.heads.pooling import (
    join_windows,
    max_of_segments,
    mean_of_ranges,
    mean_of_segments,
    pool,
    pool_windows,
    sentence_rows,
    word_states,
)

TEXTS = ["Anna works in Paris. Ben lives near Oslo.", " ", "The film was awful. " * 12]


@pytest.fixture(scope="module")
def nlp(tiny_bert):
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("bert", config={"model": bert_model(tiny_bert)})
    return nlp


@pytest.fixture(scope="module")
def docs(nlp):
    return [nlp.get_pipe("sentencizer")(nlp.make_doc(text)) for text in TEXTS]


@pytest.fixture(scope="module")
def states(nlp, docs):
    return nlp.get_pipe("bert").predict(docs)


def windows_of(states):
    """Rows of each window: its pieces, [CLS] and [SEP]."""
    layout = states.layout
    for w in range(layout.n_windows):
        pieces = range(layout.kept_starts[w], layout.kept_ends[w])
        special = [layout.n_pieces + w, layout.n_pieces + layout.n_windows + w]
        yield states.hidden[[*pieces, *special]]


def test_words(states):
    layout = states.layout
    bounds = list(zip(layout.token_starts, layout.token_ends))
    mean = torch.stack([states.hidden[start:end].mean(dim=0) for start, end in bounds])
    assert torch.allclose(word_states(states, "mean"), mean, atol=1e-6)
    first = torch.stack([states.hidden[start] for start, _ in bounds])
    assert torch.equal(word_states(states, "first"), first)


def test_windows(states):
    windows = list(windows_of(states))
    assert len(windows) > len(TEXTS)
    expected = torch.stack([rows.mean(dim=0) for rows in windows])
    assert torch.allclose(pool_windows(states, "mean"), expected, atol=1e-6)
    expected = torch.stack([rows.amax(dim=0) for rows in windows])
    assert torch.equal(pool_windows(states, "max"), expected)
    assert torch.equal(pool_windows(states, "cls"), states.cls)
    query = nn.Linear(16, 1)
    expected = torch.stack([(query(rows).softmax(dim=0) * rows).sum(dim=0) for rows in windows])
    assert torch.allclose(pool_windows(states, "attention", query), expected, atol=1e-5)
    with pytest.raises(ValueError, match="B022.*query"):
        pool_windows(states, "attention")


def test_texts(states):
    windows = list(windows_of(states))
    bounds = states.layout.window_offsets
    texts = [torch.cat(windows[begin:end]) for begin, end in zip(bounds[:-1], bounds[1:])]
    mean = torch.stack([rows.mean(dim=0) for rows in texts])
    roots = torch.tensor([[len(rows) ** 0.5] for rows in texts])
    assert torch.allclose(pool(states, "mean"), mean, atol=1e-6)
    assert torch.allclose(pool(states, "mean_sqrt_len"), mean * roots, atol=1e-5)
    assert torch.equal(pool(states, "max"), torch.stack([rows.amax(dim=0) for rows in texts]))
    with pytest.raises(ValueError, match="B061"):
        pool(states, "pooler")


def test_sentences(states, docs):
    starts, ends = sentence_rows(states, docs)
    assert len(starts) == sum(len(list(doc.sents)) for doc in docs)
    found = mean_of_ranges(states.hidden, starts, ends)
    second = list(docs[0].sents)[1]
    rows = states.hidden[
        states.layout.token_starts[second.start] : states.layout.token_ends[second.end - 1]
    ]
    assert torch.allclose(found[1], rows.mean(dim=0), atol=1e-6)
    assert (ends > starts).all()  # white space has a row too


def test_windows_to_docs():
    logits = torch.tensor([[1.0, 4.0], [3.0, 2.0], [5.0, 5.0]])
    offsets = numpy.asarray([0, 2, 3])
    for policy, first in (("first", [1, 4]), ("mean", [2, 3]), ("max", [3, 4])):
        assert join_windows(logits, offsets, policy).tolist() == [first, [5, 5]]


def test_segments_without_rows():
    rows, segments = torch.tensor([[1.0], [3.0]]), torch.tensor([0, 0])
    assert mean_of_segments(rows, segments, 2).tolist() == [[2], [0]]
    assert max_of_segments(rows, segments, 2).tolist() == [[3], [-torch.inf]]


def test_first_windows(states):
    short = states.first_windows()
    windows = list(windows_of(states))
    firsts = [windows[begin] for begin in states.layout.window_offsets[:-1]]
    assert short.layout.n_windows == len(TEXTS)
    expected = torch.stack([rows.mean(dim=0) for rows in firsts])
    assert torch.allclose(pool(short, "mean"), expected, atol=1e-6)
    assert short.first_windows() is short
