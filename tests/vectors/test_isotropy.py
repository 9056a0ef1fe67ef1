"""Corrections of anisotropic vectors."""

import numpy
import pytest
import spacy
from safetensors.numpy import save_file

from spacy_bert_suite.core.attributes import register_attributes
from spacy_bert_suite.vectors.anisotropy import anisotropy, isotropy_report, isotropy_table
from spacy_bert_suite.vectors.hooks import install_hooks
from spacy_bert_suite.vectors.isotropy import (
    AllButTheTop,
    Centring,
    Whitening,
    load_correction,
    principal_components,
)
from spacy_bert_suite.vectors.norms import normalised

KINDS = [Centring, Whitening, AllButTheTop]


def narrow(n_rows=400, width=12, seed=0):
    """Vectors in a narrow cone, with unequal variances."""
    rng = numpy.random.default_rng(seed)
    turn = numpy.linalg.qr(numpy.random.default_rng(9).normal(size=(width, width)))[0]
    spread = rng.normal(size=(n_rows, width)) * numpy.linspace(3, 0.1, width)
    return ((spread + 10) @ turn).astype("float32")


def cosines(vectors):
    unit = vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)
    return (unit @ unit.T)[numpy.triu_indices(len(unit), 1)]


def test_whitened_covariance_is_the_identity():
    whitened = Whitening(shrinkage=0).fit_transform(narrow()).astype("float64")
    assert whitened.dtype == "float64" and whitened.shape == (400, 12)
    numpy.testing.assert_allclose(whitened.mean(axis=0), 0, atol=1e-4)
    numpy.testing.assert_allclose(numpy.cov(whitened.T, bias=True), numpy.eye(12), atol=1e-4)


def test_whitening_to_fewer_components():
    vectors = narrow()
    whitened = Whitening(3, shrinkage=0).fit_transform(vectors)
    assert whitened.shape == (400, 3)
    full = Whitening(shrinkage=0).fit_transform(vectors)
    numpy.testing.assert_allclose(whitened, full[:, :3], atol=1e-5)


def test_whitening_learns_on_some_and_corrects_others():
    whitening = Whitening().fit(narrow(20_000))
    others = whitening.transform(narrow(2000, seed=1))
    assert abs(numpy.cov(others.T) - numpy.eye(12)).max() < 0.3


def test_fewer_vectors_than_components():
    """Without shrinkage all vectors would be at the same distance."""
    vectors = narrow(n_rows=8, width=40)
    exact = Whitening(shrinkage=0).fit_transform(vectors)
    assert exact.shape == (8, 7) and numpy.ptp(cosines(exact)) < 1e-3
    shrunk = Whitening().fit_transform(vectors)
    assert numpy.isfinite(shrunk).all() and numpy.ptp(cosines(shrunk)) > 0.1


@pytest.mark.parametrize("kind", [Centring, AllButTheTop])
def test_copies_of_one_vector(kind):
    corrected = kind().fit_transform(numpy.ones((5, 6)))
    assert corrected.shape == (5, 6) and abs(corrected).max() < 1e-6


@pytest.mark.parametrize("value", [1.0, 0.1])
def test_copies_of_one_vector_cannot_be_whitened(value):
    with pytest.raises(ValueError, match="B137.*whitening.*5 vectors"):
        Whitening().fit(numpy.full((5, 6), value))


def test_centring():
    vectors = narrow()
    numpy.testing.assert_allclose(
        Centring().fit_transform(vectors), vectors - vectors.mean(axis=0), atol=1e-4
    )


@pytest.mark.parametrize("n_components, n_off", [(None, 1), (1, 1), (4, 4)])
def test_all_but_the_top_takes_off_the_top(n_components, n_off):
    vectors = narrow()
    values, directions = principal_components(vectors)
    corrected = AllButTheTop(n_components).fit_transform(vectors).astype("float64")
    assert abs(corrected @ directions[:, :n_off]).max() < 1e-3
    left = principal_components(corrected)[0]
    numpy.testing.assert_allclose(left[: 12 - n_off], values[n_off:], rtol=1e-3)


@pytest.mark.parametrize("n_rows, n_components", [(400, 12), (400, 13), (8, 7)])
def test_all_but_the_top_leaves_something(n_rows, n_components):
    """Else `set_embeddings` would bring what rounding leaves to length one."""
    n_most = min(n_rows - 1, 12)
    with pytest.raises(ValueError, match=f"B077.*{n_components} directions.*only {n_most}:"):
        AllButTheTop(n_components).fit(narrow(n_rows))
    assert abs(AllButTheTop(n_most - 1).fit_transform(narrow(n_rows))).max() > 0.01


def test_principal_components():
    vectors = narrow()
    values, directions = principal_components(vectors)
    expected = numpy.linalg.svd(vectors - vectors.mean(axis=0), compute_uv=False) ** 2 / 400
    numpy.testing.assert_allclose(values, expected, rtol=1e-3)
    numpy.testing.assert_allclose(directions.T @ directions, numpy.eye(12), atol=1e-9)
    assert (directions[abs(directions).argmax(axis=0), range(12)] > 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_saved_and_loaded(kind, tmp_path):
    correction = kind().fit(narrow())
    correction.to_disk(tmp_path / "correction")
    again = load_correction(tmp_path / "correction")
    assert type(again) is kind
    others = narrow(seed=1)
    numpy.testing.assert_array_equal(again.transform(others), correction.transform(others))
    assert [path.name for path in tmp_path.iterdir()] == ["correction"]


def test_saved_into_a_folder_that_is_not_there(tmp_path):
    fitted = Centring().fit(narrow())
    fitted.to_disk(tmp_path / "new" / "deep" / "centring")
    assert (load_correction(tmp_path / "new" / "deep" / "centring").mean == fitted.mean).all()


def test_settings_are_saved(tmp_path):
    Whitening(5).fit(narrow()).to_disk(tmp_path / "w")
    assert load_correction(tmp_path / "w").transform(narrow()).shape == (400, 5)


@pytest.mark.parametrize("made", [Whitening(3, shrinkage=0.5), AllButTheTop(4), Centring()])
def test_what_is_loaded_is_fitted_again_in_the_same_way(made, tmp_path):
    made.fit(narrow()).to_disk(tmp_path / "correction")
    again = load_correction(tmp_path / "correction")
    others = narrow(seed=1)
    numpy.testing.assert_array_equal(again.fit_transform(others), made.fit_transform(others))


def test_files_without_settings_are_read(tmp_path):
    fitted = Whitening().fit(narrow())
    arrays = {"mean": fitted.mean, "matrix": numpy.ascontiguousarray(fitted.matrix)}
    save_file(arrays, tmp_path / "w", metadata={"correction": "whitening"})
    again = load_correction(tmp_path / "w")
    numpy.testing.assert_array_equal(again.transform(narrow()), fitted.transform(narrow()))


@pytest.mark.parametrize("settings", ["{", "[3]", '{"n_components": -1}', '{"colour": 1}'])
def test_damaged_settings(settings, tmp_path):
    metadata = {"correction": "whitening", "settings": settings}
    save_file({"mean": numpy.ones(3)}, tmp_path / "w", metadata=metadata)
    with pytest.raises(ValueError, match="B149"):
        load_correction(tmp_path / "w")


@pytest.mark.parametrize(
    "content", [None, b"", b"nothing of the kind", b"\x08" + 7 * b"\0" + b"{}"]
)
def test_files_of_another_kind(content, tmp_path):
    path = tmp_path / "correction"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match="B149"):
        load_correction(path)


def test_cut_short_or_another_tensor_file(tmp_path):
    path = tmp_path / "correction"
    Whitening().fit(narrow()).to_disk(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="B149"):
        load_correction(path)
    save_file({"weights": numpy.ones(3)}, path)
    with pytest.raises(ValueError, match="B149"):
        load_correction(path)


@pytest.mark.parametrize("kind", KINDS)
def test_zero_vectors_stay_zeros_and_teach_nothing(kind):
    vectors = narrow()
    with_zeros = numpy.concatenate([numpy.zeros((50, 12), dtype="float32"), vectors])
    corrected = kind().fit_transform(with_zeros)
    assert not corrected[:50].any()
    numpy.testing.assert_allclose(corrected[50:], kind().fit_transform(vectors), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_errors(kind, tmp_path):
    with pytest.raises(ValueError, match="B146"):
        kind().transform(numpy.ones((2, 3)))
    with pytest.raises(ValueError, match="B146"):
        kind().to_disk(tmp_path / "correction")
    with pytest.raises(ValueError, match="B148"):
        kind().fit([])
    with pytest.raises(ValueError, match="B140.*row 1"):
        kind().fit([[1.0, 2.0], [numpy.nan, 1.0]])
    with pytest.raises(ValueError, match="B147"):
        kind().fit(narrow()).transform(numpy.ones((2, 3)))


@pytest.mark.parametrize("make", [Whitening, AllButTheTop])
def test_wrong_settings(make):
    with pytest.raises(ValueError, match="B143"):
        make(0)
    with pytest.raises(ValueError, match="B143"):
        make(2.0)
    with pytest.raises(ValueError, match="B143"):
        Whitening(shrinkage=1.5)


def test_arrays_stay_as_they_are():
    vectors = narrow()
    before = vectors.copy()
    isotropy_report(vectors)
    numpy.testing.assert_array_equal(vectors, before)


def test_anisotropy_by_hand():
    vectors = narrow(60)
    measured = anisotropy(vectors)
    assert measured.mean_cosine == pytest.approx(cosines(vectors).mean(), abs=1e-6)
    assert 0.8 < measured.mean_cosine < 1
    unit = vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)
    values = numpy.linalg.eigvalsh(numpy.cov(unit.T, bias=True))[::-1]
    assert measured.top_1 == pytest.approx(values[0] / values.sum(), rel=1e-4)
    assert measured.top_10 == pytest.approx(values[:10].sum() / values.sum(), rel=1e-4)
    assert measured.n_effective == pytest.approx(values.sum() ** 2 / (values**2).sum(), rel=1e-4)


def test_anisotropy_of_extremes():
    same = anisotropy(numpy.ones((4, 3)))
    assert same.mean_cosine == pytest.approx(1.0) and numpy.isfinite(same.n_effective)
    axes = anisotropy(numpy.concatenate([numpy.eye(20), -numpy.eye(20), numpy.zeros((3, 20))]))
    assert axes.mean_cosine == pytest.approx(-1 / 39) and axes.n_effective == pytest.approx(20)
    with pytest.raises(ValueError, match="B148"):
        anisotropy(numpy.ones((1, 3)))


def test_report_before_and_after():
    report = isotropy_report(narrow())
    assert list(report) == ["as they are", "centring", "whitening", "all-but-the-top"]
    assert report["as they are"].mean_cosine > 0.8
    assert all(abs(report[name].mean_cosine) < 0.05 for name in list(report)[1:])
    assert report["whitening"].n_effective > 10 > report["centring"].n_effective
    assert report["all-but-the-top"].top_1 < report["centring"].top_1
    table = isotropy_table(report).splitlines()
    assert len(table) == 6 and table[2].startswith("| as they are | 0.")


def test_report_of_several_of_one_kind():
    chosen = [Whitening(2), Whitening(4), Whitening(), Whitening(4, shrinkage=0.5), Centring()]
    report = isotropy_report(narrow(), chosen)
    names = ["whitening (2)", "whitening (4)", "whitening", "whitening (4), 2", "centring"]
    assert list(report) == ["as they are", *names]
    assert report["whitening (2)"].n_effective < 2.1 < 3 < report["whitening (4)"].n_effective
    assert len(isotropy_table(report).splitlines()) == 8


def test_docs():
    register_attributes("test", ["doc.embedding"])
    docs = list(spacy.blank("en").pipe(["One.", "Two.", "", "Three."]))
    for doc, row in zip(docs, narrow(4)):
        doc._.embedding = row if doc.text else None
    before = numpy.stack([doc._.embedding for doc in docs if doc.text])
    centring = Centring().fit(docs)
    centring.set_embeddings(docs)
    expected = before - before.mean(axis=0)
    expected /= numpy.linalg.norm(expected, axis=1, keepdims=True)
    after = numpy.stack([doc._.embedding for doc in docs if doc.text])
    numpy.testing.assert_allclose(after, expected, atol=1e-4)
    assert not docs[2]._.embedding.any()


def test_sentences_are_corrected_with_their_doc():
    register_attributes("test", ["doc.embedding", "span.embedding"])
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    doc = install_hooks(nlp("One here. Two there. Three."))
    vectors = narrow(30)
    doc._.embedding = vectors[0]
    sents = list(doc.sents)
    for sent, vector in zip(sents[:2], vectors[1:]):
        sent._.embedding = vector
    whitening = Whitening(n_components=2).fit(vectors)
    expected = normalised(whitening.transform(vectors[:3]))
    whitening.set_embeddings([doc])
    found = [doc._.embedding, sents[0]._.embedding, sents[1]._.embedding]
    numpy.testing.assert_allclose(found, expected, rtol=1e-5)
    assert sents[2]._.embedding is None
    assert doc.similarity(sents[0]) == pytest.approx(float(expected[0] @ expected[1]), abs=1e-5)
