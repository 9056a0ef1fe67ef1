"""bert_similarity: vectors, hooks, saving."""

import pickle
import warnings

import numpy
import pytest
import spacy
import torch
from conftest import write_tiny_bert
from spacy.tokens import Doc, DocBin
from tasks.similarity.pipelines import LONG, TEXTS, hidden, labelled, make
from transformers import AutoModel, AutoTokenizer

from spacy_bert_suite.vectors.hooks import install_hooks
from spacy_bert_suite.vectors.mining import paraphrase_mining

POOLED = {
    "mean": lambda out: out.last_hidden_state[0].mean(0),
    "cls": lambda out: out.last_hidden_state[0, 0],
    "max": lambda out: out.last_hidden_state[0].max(0).values,
    "mean_sqrt_len": lambda out: (
        out.last_hidden_state[0].sum(0) / out.last_hidden_state.shape[1] ** 0.5
    ),
    "weighted_mean": lambda out: numpy.average(
        out.last_hidden_state[0].numpy(),
        axis=0,
        weights=range(1, out.last_hidden_state.shape[1] + 1),
    ),
    "pooler": lambda out: out.pooler_output[0],
    "cls+max": lambda out: torch.cat(
        [out.last_hidden_state[0, 0], out.last_hidden_state[0].max(0).values]
    ),
}


@pytest.mark.parametrize("pooling", POOLED)
def test_pooling_equals_hugging_face(tiny_bert, pooling):
    nlp = make(tiny_bert, pooling=pooling, normalize=False, sentence_vectors="none")
    expected = [numpy.asarray(POOLED[pooling](hidden(tiny_bert, text))) for text in TEXTS]
    assert nlp.get_pipe("bert_similarity").encode(TEXTS) == pytest.approx(
        numpy.stack(expected), abs=1e-5
    )
    for doc, vector in zip(nlp.pipe(TEXTS), expected):
        assert doc.vector == pytest.approx(vector, abs=1e-5)


def test_vectors_have_length_one(tiny_bert):
    nlp = make(tiny_bert)
    doc = nlp(LONG)
    assert doc.vector_norm == pytest.approx(1.0, abs=1e-5)
    assert doc.has_vector and doc.vector.dtype == numpy.float32
    assert doc._.embedding is doc.vector
    assert all(s.vector_norm == pytest.approx(1.0, abs=1e-5) for s in doc.sents)


def test_a_long_doc_pools_all_pieces_or_the_first_window(tiny_bert):
    whole = make(tiny_bert, pooling="max", normalize=False)(LONG)._.token_vectors.max(axis=0)
    assert (make(tiny_bert, pooling="max", normalize=False)(LONG).vector >= whole - 1e-6).all()
    first = make(tiny_bert, long_documents="first")
    vector = first.get_pipe("bert_similarity").encode([LONG])[0]
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    inputs = tokenizer(LONG, return_tensors="pt", truncation=True, max_length=32)
    with torch.no_grad():
        mean = AutoModel.from_pretrained(tiny_bert).eval()(**inputs).last_hidden_state[0].mean(0)
    assert vector == pytest.approx((mean / mean.norm()).numpy(), abs=1e-5)
    short, doc = first.pipe(["Anna works.", LONG])
    assert doc.vector == pytest.approx(vector, abs=1e-5)
    assert short.vector == pytest.approx(first("Anna works.").vector, abs=1e-5)


def test_spans_and_tokens(tiny_bert):
    doc = make(tiny_bert)("Anna works in Paris. The film was awful.")
    first, second = doc.sents
    states = hidden(tiny_bert, doc.text).last_hidden_state[0, 1:-1].numpy()
    pieces = AutoTokenizer.from_pretrained(tiny_bert)(doc.text, return_offsets_mapping=True)
    inside = [start < first.end_char for start, _ in pieces["offset_mapping"][1:-1]]
    mean = states[numpy.asarray(inside)].mean(0)
    assert first.vector == pytest.approx(mean / numpy.linalg.norm(mean), abs=1e-5)
    phrase = doc[2:4]
    mean = doc._.token_vectors[2:4].mean(0)
    assert phrase.vector == pytest.approx(mean / numpy.linalg.norm(mean), abs=1e-6)
    assert doc[0].vector == pytest.approx(doc._.token_vectors[0])
    assert doc[:].vector is doc.vector
    assert first.similarity(second) == pytest.approx(first.vector @ second.vector, abs=1e-5)
    assert doc[0].similarity(doc[0]) == pytest.approx(1.0, abs=1e-5)
    assert doc[3:3].vector.shape == doc.vector.shape and not doc[3:3].has_vector


def test_sentences_alone_are_texts_of_their_own(tiny_bert):
    nlp = make(tiny_bert, sentence_vectors="alone")
    doc = nlp("Anna works in Paris. The film was awful.")
    alone = nlp.get_pipe("bert_similarity").encode([sent.text for sent in doc.sents])
    assert numpy.stack([sent._.embedding for sent in doc.sents]) == pytest.approx(alone, abs=1e-5)
    in_context = make(tiny_bert)(doc.text)
    assert abs(next(in_context.sents).vector - alone[0]).max() > 1e-3


@pytest.mark.parametrize("pooling, expected", [("mean", "context"), ("cls", "alone")])
def test_sentence_vectors_by_themselves(tiny_bert, pooling, expected):
    by_itself, asked = (
        make(tiny_bert, pooling=pooling, sentence_vectors=kind)("Anna. The film was awful.")
        for kind in ("auto", expected)
    )
    for a, b in zip(by_itself.sents, asked.sents):
        assert a.vector == pytest.approx(b.vector)


def test_no_token_and_sentence_vectors(tiny_bert):
    doc = make(tiny_bert, token_vectors=False, sentence_vectors="none")("Anna works.")
    assert doc._.token_vectors is None and next(doc.sents)._.embedding is None
    assert not doc[0].has_vector and doc.has_vector
    with pytest.warns(UserWarning, match="B920"):
        assert doc[0].similarity(doc[1]) == 0.0


def test_lone_surrogates_are_replaced(tiny_bert):
    encode = make(tiny_bert).get_pipe("bert_similarity").encode
    assert encode(["Anna \ud800."]) == pytest.approx(encode(["Anna \ufffd."]), abs=1e-6)


def test_batches_do_not_matter(tiny_bert):
    nlp = make(tiny_bert)
    texts = [*TEXTS, LONG, "   ", "\n" * 300, "x" * 5000]
    together = [doc.vector for doc in nlp.pipe(texts)]
    assert together == [pytest.approx(nlp(text).vector, abs=1e-5) for text in texts]
    encoded = nlp.get_pipe("bert_similarity").encode(texts)
    assert encoded == pytest.approx(numpy.stack(together), abs=1e-5)
    assert nlp.get_pipe("bert_similarity").encode([]).shape == (0, 16)
    assert nlp.get_pipe("bert_similarity").encode("Anna").shape == (1, 16)


def test_other_widths_are_refused(tiny_bert):
    doc = make(tiny_bert)("Anna")
    with pytest.raises(ValueError, match="B069.*16 and 8"):
        doc.similarity(make(tiny_bert, truncate_dim=8)("Anna"))


def test_truncation_comes_before_the_length(tiny_bert):
    whole, short = (
        make(tiny_bert, normalize=False)(TEXTS[0]),
        make(tiny_bert, truncate_dim=8)(TEXTS[0]),
    )
    cut = whole.vector[:8]
    assert short.vector == pytest.approx(cut / numpy.linalg.norm(cut), abs=1e-5)
    assert short._.token_vectors.shape == (len(short), 8)


def test_docs_survive(tiny_bert):
    nlp = make(tiny_bert)
    doc = nlp("Anna works in Paris. The film was awful.")
    (from_bin,) = DocBin(store_user_data=True, docs=[doc]).get_docs(nlp.vocab)
    for again in (pickle.loads(pickle.dumps(doc)), doc.copy()):
        assert again.vector == pytest.approx(doc.vector)
        assert again[0:3].vector == pytest.approx(doc[0:3].vector)
    with pytest.warns(UserWarning, match="W109"):
        data = doc.to_bytes()
    for again in (install_hooks(from_bin), install_hooks(Doc(nlp.vocab).from_bytes(data))):
        assert again.vector == pytest.approx(doc.vector)
        assert next(again.sents).vector == pytest.approx(next(doc.sents).vector)


def test_sentences_as_docs(tiny_bert):
    doc = make(tiny_bert)("Anna works in Paris. The film was awful.")
    sents = list(doc.sents)
    parts = [sent.as_doc(copy_user_data=True) for sent in sents]
    for part, sent in zip(parts, sents):
        assert part.vector == pytest.approx(sent.vector)
    (pair,) = paraphrase_mining(parts)
    assert pair.score == pytest.approx(sents[0].similarity(sents[1]), abs=1e-5)


@pytest.mark.parametrize("way", ["disk", "bytes", "pickle"])
def test_saved_and_loaded(tiny_bert, tmp_path, way):
    nlp = make(tiny_bert, dense_width=6)
    if way == "disk":
        nlp.to_disk(tmp_path)
        again = spacy.load(tmp_path)
    elif way == "bytes":
        again = spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())
    else:
        nlp(TEXTS[0])
        again = pickle.loads(pickle.dumps(nlp))
    assert nlp(TEXTS[0]).vector.shape == (6,)
    assert again(TEXTS[0]).vector == pytest.approx(nlp(TEXTS[0]).vector, abs=1e-6)


def test_the_config_at_loading_holds_where_no_weight_depends_on_it(tiny_bert, tmp_path):
    nlp = make(tiny_bert)
    long = nlp(LONG).vector
    nlp.to_disk(tmp_path)
    model = {"truncate_dim": 4, "normalize": False, "long_documents": "first"}
    config = {"components": {"bert_similarity": {"model": model}}}
    again = spacy.load(tmp_path, config=config)
    vector = again(LONG).vector
    assert vector.shape == (4,) and abs(numpy.linalg.norm(vector) - 1) > 0.01
    # Nearly: the last pieces of a doc's first window belong to the second one.
    alone = again.get_pipe("bert_similarity").encode([LONG])[0]
    norms = numpy.linalg.norm(vector) * numpy.linalg.norm(alone)
    assert alone.shape == (4,) and vector @ alone > 0.99 * norms
    assert long[:4] @ vector < 0.9999 * numpy.linalg.norm(long[:4]) * numpy.linalg.norm(vector)


def test_a_config_that_does_not_fit_the_weights(tiny_bert, optimizer, tmp_path):
    nlp = make(tiny_bert, loss={"name": "Softmax"})
    nlp.initialize(lambda: labelled(nlp))
    nlp.to_disk(tmp_path)
    config = {"components": {"bert_similarity": {"model": {"truncate_dim": 4}}}}
    with pytest.raises(ValueError, match="(?s)B039.*classifier"):
        spacy.load(tmp_path, config=config)


def test_processes(tiny_bert):
    nlp = make(tiny_bert)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fork beside threads
        docs = list(nlp.pipe(TEXTS, n_process=2, batch_size=2))
    for doc, text in zip(docs, TEXTS):
        assert install_hooks(doc).vector == pytest.approx(nlp(text).vector, abs=1e-5)


@pytest.mark.parametrize(
    "config, code",
    [
        ({"pooling": "median"}, "B022.*pooling"),
        ({"normalize": "sometimes"}, "B022.*normalize"),
        ({"dense_width": -1}, "B022.*dense_width"),
        ({"dense_width": 3, "dense_activation": "tanh"}, "B022.*dense_activation"),
        ({"truncate_dim": -1}, "B022.*truncate_dim"),
        ({"long_documents": "max"}, "B022.*long_documents"),
        ({"sentence_vectors": "yes"}, "B022.*sentence_vectors"),
        ({"chunk_size": -1}, "B022.*chunk_size"),
    ],
)
def test_wrong_config(tiny_bert, config, code):
    with pytest.raises(ValueError, match=code):
        make(tiny_bert, **config)


def test_what_is_encoded(tiny_bert):
    nlp = make(tiny_bert)
    pipe = nlp.get_pipe("bert_similarity")
    text = "Anna works in Paris."
    doc = nlp.make_doc(text)
    (expected,) = pipe.encode(text)
    assert numpy.array_equal(pipe.encode(doc), [expected])
    assert numpy.allclose(pipe.encode([doc[:2], doc])[1], expected, atol=1e-5)
    with pytest.raises(ValueError, match=r"B074.*number 1.*float"):
        pipe.encode([text, float("nan")])


def test_without_a_backbone():
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("bert_similarity")
    with pytest.raises(ValueError, match="B032"):
        pipe.encode(["Anna"])
    with pytest.raises(ValueError, match="B032"):
        nlp("Anna")


def test_no_pooler(tmp_path):
    from transformers import BertModel

    source = write_tiny_bert(tmp_path)
    BertModel.from_pretrained(source, add_pooling_layer=False).save_pretrained(source)
    with pytest.raises(ValueError, match="B061"):
        make(str(source), pooling="pooler", sentence_vectors="none")("Anna")


def test_the_embedded_model_works_untrained():
    nlp = spacy.blank("en")
    nlp.add_pipe("bert")
    nlp.add_pipe("bert_similarity")
    cat, kitten, stock = nlp.pipe(["A cat sleeps.", "The kitten naps.", "Shares fell sharply."])
    assert cat.similarity(kitten) > 0.5 > cat.similarity(stock) + 0.2


def test_sourced_selected_and_excluded(tiny_bert, tmp_path):
    nlp = make(tiny_bert, dense_width=6)
    expected = nlp(TEXTS[0]).vector
    other = spacy.blank("en", vocab=nlp.vocab)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # vocabularies are compared by spaCy
        other.add_pipe("bert", source=nlp)
        other.add_pipe("bert_similarity", source=nlp)
    assert other(TEXTS[0]).vector == pytest.approx(expected, abs=1e-6)
    assert other.get_pipe("bert_similarity").encode(TEXTS[:1])[0] == pytest.approx(
        expected, abs=1e-6
    )
    with nlp.select_pipes(disable=["bert_similarity"]):
        assert nlp(TEXTS[0])._.embedding is None
    nlp.to_disk(tmp_path)
    assert "bert_similarity" not in spacy.load(tmp_path, exclude=["bert_similarity"]).pipe_names
