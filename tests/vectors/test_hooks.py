"""The hooks behind `.vector` and `.similarity`, and what the page shows of them."""

from xml.etree import ElementTree

import numpy
import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span

from spacy_bert_suite.core.attributes import register_attributes
from spacy_bert_suite.render.heatmap import similarity_matrix, similarity_svg
from spacy_bert_suite.render.html import render_page
from spacy_bert_suite.search.record import vector_of
from spacy_bert_suite.vectors.hooks import (
    PLACES,
    any_vector,
    install_hooks,
    keep_token_vectors,
    own_vector,
)
from spacy_bert_suite.vectors.matrix import as_matrix
from spacy_bert_suite.vectors.norms import normalised, unit

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def make_doc():
    nlp = spacy.blank("en")
    register_attributes("test", ["doc.embedding", "span.embedding", "doc.token_vectors"])

    def make(text, vector):
        doc = nlp(text)
        doc._.embedding = numpy.asarray(vector, dtype="float32")
        keep_token_vectors(doc, numpy.tile(doc._.embedding, (len(doc), 1)))
        return install_hooks(doc)

    return make


def test_cosines(make_doc):
    a, b = make_doc("a b", [3.0, 4.0]), make_doc("c d", [4.0, 3.0])
    assert a.similarity(b) == pytest.approx(24 / 25)
    for pair in ((a[:1], b[1]), (a[0], b)):
        assert pair[0].similarity(pair[1]) == pytest.approx(24 / 25)
    assert a.vector_norm == a[0].vector_norm == 5.0
    assert a[:1].vector_norm == pytest.approx(1.0)  # a phrase is at length one


def test_sentences_have_vectors_of_their_own(make_doc):
    doc = make_doc("a b", [3.0, 4.0])
    doc[0:1]._.embedding = numpy.asarray([1.0, 0.0], dtype="float32")
    assert doc[0:1].vector.tolist() == [1.0, 0.0]
    assert doc[1:2].vector == pytest.approx([0.6, 0.8])


def test_docs_that_have_lost_their_hooks(make_doc):
    doc = make_doc("a b c", [3.0, 4.0])
    doc[0:1]._.embedding = numpy.asarray([1.0, 0.0], dtype="float32")
    keep_token_vectors(doc, numpy.asarray([[1, 0], [0, 1], [0, 1]], dtype="float32"))
    items = [doc, doc[:], doc[0:1], doc[1:3], doc[0:2]]
    expected = [item.vector.tolist() for item in items]
    for hooks in (doc.user_hooks, doc.user_span_hooks, doc.user_token_hooks):
        hooks.clear()
    assert doc.vector.tolist() != expected[0]
    assert [own_vector(item).tolist() for item in items] == expected
    assert own_vector(spacy.blank("en")("a")) is None


def test_sentences_as_docs_keep_their_vectors(make_doc):
    doc = make_doc("a b c d", [3.0, 4.0])
    doc[2:4]._.embedding = numpy.asarray([1.0, 0.0], dtype="float32")
    keep_token_vectors(doc, numpy.asarray([[1, 0], [0, 1], [0, 2], [2, 0]], dtype="float32"))
    part = doc[2:4].as_doc(copy_user_data=True)
    assert part._.embedding is None
    assert part.vector.tolist() == part[:].vector.tolist() == [1.0, 0.0]
    assert part[0].vector.tolist() == [] and part[1:].vector.tolist() == [0.0, 0.0]
    (kept,) = DocBin(docs=[part], store_user_data=True).get_docs(doc.vocab)
    assert as_matrix([part, kept, doc]).tolist() == [[1.0, 0.0], [1.0, 0.0], [3.0, 4.0]]
    assert similarity_matrix([part, doc]).count(">0.60</td>") == 2
    for lost in (doc[2:4].as_doc(), doc[0:3].as_doc(copy_user_data=True)):
        assert own_vector(lost) is None
        with pytest.raises(ValueError, match="B142.*as_doc"):
            as_matrix([lost])


def test_docs_without_token_vectors(make_doc):
    doc = make_doc("a b", [3.0, 4.0])
    doc._.token_vectors = None
    doc.tensor = None  # as the component "doc_cleaner" leaves it
    assert doc.vector.tolist() == doc[:].vector.tolist() == [3.0, 4.0]
    assert doc[0].vector.tolist() == [] and doc[0:1].vector.tolist() == [0.0, 0.0]


def test_parts_of_a_doc_without_token_vectors_have_none(make_doc):
    doc = make_doc("a b c", [3.0, 4.0])
    doc[0:1]._.embedding = numpy.asarray([1.0, 0.0], dtype="float32")
    doc._.token_vectors = None
    (kept,) = DocBin(docs=[doc], store_user_data=True).get_docs(doc.vocab)
    for lost in (kept, install_hooks(kept), doc):
        assert own_vector(lost[1:3]) is None and any_vector(lost[1:3]).shape == (0,)
        assert own_vector(lost[:]).tolist() == any_vector(lost).tolist() == [3.0, 4.0]
        with pytest.raises(ValueError, match="B142.*DocBin"):
            as_matrix([lost, lost[1:3]])
        with pytest.raises(ValueError, match="B112.*token_vectors"):
            vector_of(lost[1:3])
    assert own_vector(kept[0:1]).tolist() == [1.0, 0.0]


def test_a_tensor_of_another_component_is_no_token_vector(make_doc):
    doc = make_doc("a b", [3.0, 4.0])
    doc._.token_vectors = None
    doc.tensor = numpy.ones((2, 96), dtype="float32")
    assert doc[0].vector.tolist() == [] and doc[0:1].vector.tolist() == [0.0, 0.0]
    assert own_vector(doc[0:1]) is None and doc[:].vector.tolist() == [3.0, 4.0]
    for hooks in (doc.user_hooks, doc.user_span_hooks):
        hooks.clear()
    with pytest.raises(ValueError, match="B112"):
        vector_of(doc[0:1])


def test_zero_vectors_are_like_nothing(make_doc):
    a, b = make_doc("a", [1.0, 0.0]), make_doc("b", [0.0, 0.0])
    with pytest.warns(UserWarning, match="B920.*Doc"):
        assert a.similarity(b) == 0.0
    assert not b.has_vector and unit(b.vector).tolist() == [0.0, 0.0]


def test_matrix(make_doc):
    docs = [
        make_doc("one <b>", [1.0, 0.0]),
        make_doc("two " * 30, [0.6, 0.8]),
        Doc(spacy.blank("en").vocab),
    ]
    page = similarity_matrix(docs)
    assert page.count("<td style=") == 4 and page.count(">0.60</td>") == 2
    assert "one &lt;b&gt;" in page and "…" in page
    assert similarity_matrix(docs[:1]) == similarity_matrix([]) == ""
    assert similarity_matrix([docs[0]] * 25) == ""


def test_similarity_picture(make_doc):
    docs = [make_doc("one <b>", [1.0, 0.0]), make_doc("two", [0.6, 0.8]), make_doc("x", [-1e-9, 1])]
    picture = ElementTree.fromstring(similarity_svg([*docs, Doc(spacy.blank("en").vocab)]))
    texts = [node.text for node in picture.iter(f"{SVG}text")]
    assert texts[:4] == ["one <b> 1", "1.00", "0.60", "0.00"] and len(texts) == 3 + 9
    opacities = [float(node.get("fill-opacity")) for node in picture.iter(f"{SVG}rect")]
    assert opacities[0] == max(opacities) and opacities[2] == 0.0 and len(opacities) == 9
    right = max(float(node.get("x")) for node in picture.iter(f"{SVG}rect"))
    assert right < float(picture.get("width"))


@pytest.mark.parametrize("n", [0, 1, 25])
def test_similarity_picture_of_too_few_or_too_many(make_doc, n):
    with pytest.raises(ValueError, match=f"B143.*docs is {n}"):
        similarity_svg([make_doc("one", [1.0, 0.0])] * n)


@pytest.mark.parametrize("shape", [(3,), (0, 3), (2, 0), (2, 2, 3)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_length_one_in_any_shape(shape, dtype):
    vectors = numpy.arange(numpy.prod(shape), dtype=dtype).reshape(shape)
    found = unit(vectors)
    assert (found.shape, found.dtype) == (shape, dtype)
    if found.size:
        lengths = numpy.linalg.norm(found, axis=-1)
        numpy.testing.assert_allclose(lengths, 1, atol=1e-3)


@pytest.mark.parametrize("scale", [1e-44, 1e-30, 1.0, 1e30, 1e38])
def test_length_one_of_huge_and_tiny_values(scale):
    vectors = numpy.array([[1, 2, 2], [0, 0, 0], [0, 0, 2]], dtype="float32")
    expected = [[1 / 3, 2 / 3, 2 / 3], [0, 0, 0], [0, 0, 1]]
    tolerance = 0.1 if scale < 1e-38 else 1e-6  # such numbers have few digits
    for function in (unit, normalised):
        found = function(vectors * numpy.float32(scale))
        numpy.testing.assert_allclose(found, expected, atol=tolerance)


def test_page_marks_the_summary():
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    doc = nlp("One is here. Two is there. Three is gone.")
    plain = render_page([doc])
    doc.spans["summary"] = [Span(doc, sent.start, sent.end) for sent in list(doc.sents)[1:2]]
    page = render_page([doc])
    assert page.count('class="sentence summary"') == 1 and "Marked sentences" in page
    assert 'class="sentence summary"' not in plain and "Marked sentences" not in plain


def test_without_hooks_there_is_no_vector_rather_than_another_one(make_doc):
    doc, other = make_doc("a b c", [3.0, 4.0]), make_doc("d e", [4.0, 3.0])
    keep_token_vectors(doc, numpy.asarray([[1, 0], [0, 1], [0, 1]], dtype="float32"))
    with pytest.warns(UserWarning, match="W109"):
        data = doc.to_bytes()
    for again in (
        Doc(doc.vocab).from_bytes(data),
        *DocBin(docs=[doc], store_user_data=True).get_docs(doc.vocab),
    ):
        for item in (again, again[0], again[0:2]):
            assert not item.has_vector and not item.vector.any()
        install_hooks(again)
        for item, expected in zip((again, again[0], again[0:2]), (doc, doc[0], doc[0:2])):
            assert item.vector.tolist() == expected.vector.tolist() and item.has_vector
            assert item.similarity(other) == pytest.approx(expected.similarity(other))


@pytest.mark.parametrize("n_parts", [1, 2])
def test_tokens_that_were_merged_or_split_have_no_vector(make_doc, n_parts):
    doc = make_doc("a b cd", [3.0, 4.0])
    keep_token_vectors(doc, numpy.asarray([[1, 0], [0, 1], [0, 1]], dtype="float32"))
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[0:2])
        if n_parts == 2:
            retokenizer.split(doc[2], ["c", "d"], heads=[doc[2], doc[2]])
    assert [token.vector.tolist() for token in doc] == [[]] * (n_parts + 1)
    assert doc.vector.tolist() == [3.0, 4.0]


def test_docs_of_earlier_versions_have_token_vectors_in_the_tensor(make_doc):
    doc = make_doc("a b", [3.0, 4.0])
    del doc.user_data[PLACES]
    doc._.token_vectors = None
    doc.tensor = numpy.asarray([[1, 0], [0, 2]], dtype="float32")
    assert doc[1].vector.tolist() == [0.0, 2.0] and doc[1:].vector.tolist() == [0.0, 1.0]
