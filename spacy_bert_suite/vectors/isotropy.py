"""Corrections of anisotropic vectors: centring, whitening, all-but-the-top.

All three corrections are affine: the mean is taken off, and a matrix applied.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import numpy
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from spacy.tokens import Doc, Span

from ..core.atomic import replace_file
from ..core.attributes import register_attributes
from ..core.sentences import has_sentences
from ..core.validation import check, whole_or_none
from ..errors import CodedValueError, Errors
from .matrix import Items, as_matrix
from .norms import chunks, lengths, normalised

SMALLEST_SHARE = 1e-10  # of the greatest eigenvalue; what is below is rounding


class Centring:
    """Take the mean off. The least of corrections, and often most of the gain."""

    name: ClassVar[str] = "centring"
    least: ClassVar[int] = 1  # vectors to learn from

    def __init__(self) -> None:
        self.mean: numpy.ndarray | None = None  # (width,)
        self.matrix: numpy.ndarray | None = None  # (width, n_components); None: as they are

    def fit(self, items: Items) -> "Centring":
        """Learn the correction; vectors of length zero are left out.

        items (Items): Docs, spans or vectors.
        RETURNS (Centring): Itself.
        RAISES (ValueError): If there are too few vectors, or one is not finite; to whiten, also if
            all are the same; if `n_components` directions taken off leave nothing.
        """
        vectors = as_matrix(items)
        vectors = vectors[lengths(vectors) > 0]
        if len(vectors) < self.least:
            message = Errors.B148.format(name=self.name, least=self.least, n=len(vectors))
            raise CodedValueError(message)
        self.mean = vectors.mean(axis=0, dtype="float64")
        self.matrix = self._make_matrix(vectors)
        return self

    def _make_matrix(self, vectors: numpy.ndarray) -> numpy.ndarray | None:
        return None

    def transform(self, items: Items) -> numpy.ndarray:
        """Correct vectors. They are not brought to length one.

        items (Items): Docs, spans or vectors, as wide as those that it was fitted on.
        RETURNS (ndarray): (n, n_components) float32; vectors of length zero stay zeros.
        RAISES (ValueError): If it is not fitted, or the width is another.
        """
        vectors = as_matrix(items)
        if self.mean is None:
            raise CodedValueError(Errors.B146.format(name=self.name))
        if vectors.shape[1] != len(self.mean):
            sizes = {"expected": len(self.mean), "found": vectors.shape[1]}
            raise CodedValueError(Errors.B147.format(name=self.name, **sizes))
        width = len(self.mean) if self.matrix is None else self.matrix.shape[1]
        corrected = numpy.zeros((len(vectors), width), dtype="float32")
        for start, chunk in chunks(vectors):
            centred = chunk - self.mean
            rows = centred if self.matrix is None else centred @ self.matrix
            corrected[start : start + len(chunk)] = numpy.where(_not_zero(chunk), rows, 0)
        return corrected

    def fit_transform(self, items: Items) -> numpy.ndarray:
        return self.fit(items).transform(items)

    def set_embeddings(self, docs: Iterable[Doc]) -> None:
        """Replace `doc._.embedding` and those of its sentences by the corrected vectors, at length
        one. Token vectors stay as they are.
        """
        docs = list(docs)
        register_attributes(self.name, ["doc.embedding", "span.embedding"])
        items: list[Doc | Span] = list(docs)
        items.extend(sent for doc in docs for sent in _sentences_of(doc))
        for item, vector in zip(items, normalised(self.transform(items))):
            item._.embedding = vector

    def to_disk(self, path: str | Path) -> None:
        """Write a safetensors file. An older one is replaced when the new one is complete."""
        if self.mean is None:
            raise CodedValueError(Errors.B146.format(name=self.name))
        arrays = {"mean": self.mean}
        if self.matrix is not None:
            arrays["matrix"] = numpy.ascontiguousarray(self.matrix)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        learnt = ("mean", "matrix")
        settings = {key: value for key, value in vars(self).items() if key not in learnt}
        metadata = {"correction": self.name, "settings": json.dumps(settings)}
        with replace_file(Path(path)) as new:
            save_file(arrays, new, metadata=metadata)


class Whitening(Centring):
    """Make the components uncorrelated and of variance one (Su et al. 2021, arXiv 2103.15316).

    n_components (int | None): Keep only those of greatest variance; None for all that the
        vectors span.
    shrinkage (float | None): Share, 0 to 1, of an equal variance in all directions that is mixed
        into the covariance; 0 is the paper. None estimates it (Ledoit and Wolf 2004): near 0 for
        many vectors. With fewer vectors than components the paper's correction would set all
        of them at the same distance from each other.
    """

    name = "whitening"
    least = 2

    def __init__(self, n_components: int | None = None, *, shrinkage: float | None = None) -> None:
        super().__init__()
        is_share = shrinkage is None or 0 <= shrinkage <= 1
        check("shrinkage", shrinkage, is_share, "a number from 0 to 1, or None")
        self.n_components = whole_or_none("n_components", n_components, 1)
        self.shrinkage = None if shrinkage is None else float(shrinkage)

    def _make_matrix(self, vectors: numpy.ndarray) -> numpy.ndarray:
        if all((chunk == vectors[0]).all() for _, chunk in chunks(vectors)):
            raise CodedValueError(Errors.B137.format(name=self.name, n=len(vectors)))
        values, directions = principal_components(vectors)
        share = _estimate_shrinkage(vectors) if self.shrinkage is None else self.shrinkage
        values = (1 - share) * values + share * values.mean()
        kept = values > SMALLEST_SHARE * values[0]
        return (directions[:, kept] / numpy.sqrt(values[kept]))[:, : self.n_components]


class AllButTheTop(Centring):
    """Take off the mean and the strongest common directions (Mu and Viswanath 2018, arXiv
    1702.01417).

    n_components (int | None): How many directions, fewer than those in which the vectors spread;
        None for a hundredth of the width, as in the paper, and at least one.
    """

    name = "all-but-the-top"
    least = 2

    def __init__(self, n_components: int | None = None) -> None:
        super().__init__()
        self.n_components = whole_or_none("n_components", n_components, 1)

    def _make_matrix(self, vectors: numpy.ndarray) -> numpy.ndarray:
        width = vectors.shape[1]
        n_off = self.n_components or max(1, round(width / 100))
        values, directions = principal_components(vectors)
        n_spanned = int((values > SMALLEST_SHARE * values[0]).sum())
        if self.n_components is not None and n_off >= n_spanned:
            sizes = {"n_components": n_off, "n": n_spanned}
            raise CodedValueError(Errors.B077.format(name=self.name, **sizes))
        top = directions[:, :n_off]
        return numpy.eye(width) - top @ top.T


KINDS = {kind.name: kind for kind in (Centring, Whitening, AllButTheTop)}


def load_correction(path: str | Path) -> Centring:
    """RETURNS (Centring): A correction that `to_disk` wrote, of the kind that it was.
    RAISES (ValueError): If the file is another one, or damaged.
    """
    try:
        with safe_open(path, framework="numpy") as file_:
            metadata = file_.metadata() or {}
            arrays = {key: file_.get_tensor(key) for key in file_.keys()}  # noqa: SIM118
        kind = KINDS.get(metadata.get("correction", ""))
        settings = json.loads(metadata.get("settings", "{}"))  # none in older files
        correction = None if kind is None else kind(**settings)
    except (OSError, SafetensorError, TypeError, ValueError) as error:
        raise CodedValueError(Errors.B149.format(path=path, reason=error)) from error
    if correction is None or "mean" not in arrays:
        raise CodedValueError(Errors.B149.format(path=path, reason="it holds something else"))
    correction.mean, correction.matrix = arrays["mean"], arrays.get("matrix")
    return correction


def principal_components(vectors: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """RETURNS (tuple[ndarray, ndarray]): Variances, from high to low, (width,), and directions of
    length one in columns, (width, width), the greatest coefficient of each above zero.
    """
    mean = vectors.mean(axis=0, dtype="float64")
    covariance = numpy.zeros((len(mean), len(mean)))
    for _, chunk in chunks(vectors):
        centred = chunk - mean
        covariance += centred.T @ centred / len(vectors)
    values, directions = numpy.linalg.eigh(covariance)
    greatest = numpy.abs(directions).argmax(axis=0)
    signs = numpy.sign(directions[greatest, numpy.arange(len(mean))])
    return values[::-1].clip(0), (directions * signs)[:, ::-1]


def _sentences_of(doc: Doc) -> list[Span]:
    """RETURNS (list[Span]): Sentences with a vector of their own."""
    sents = doc.sents if has_sentences(doc) else ()
    return [sent for sent in sents if sent._.embedding is not None]


def _not_zero(vectors: numpy.ndarray) -> numpy.ndarray:
    return (vectors != 0).any(axis=1, keepdims=True)  # (n, 1)


def _estimate_shrinkage(vectors: numpy.ndarray) -> float:
    from sklearn.covariance import ledoit_wolf_shrinkage

    return float(ledoit_wolf_shrinkage(vectors.astype("float64")))
