"""Corrections for vectors that crowd into a narrow cone, as those of BERT do, and a measure of it.

All three corrections are affine: the mean is taken off, and a matrix applied.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Dict, Iterable, List, Mapping, Optional, Tuple, Union

import numpy
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from spacy.tokens import Doc, Span

from .attributes import register_attributes
from .errors import Errors
from .matrix import Items, as_matrix, chunks, lengths, normalised
from .sentences import has_sentences
from .settings import check, whole_or_none

SMALLEST_SHARE = 1e-10  # of the greatest eigenvalue; what is below is rounding


class Centring:
    """Take the mean off. The least of corrections, and often most of the gain."""

    name: ClassVar[str] = "centring"
    least: ClassVar[int] = 1  # vectors to learn from

    def __init__(self) -> None:
        self.mean: Optional[numpy.ndarray] = None  # (width,)
        self.matrix: Optional[numpy.ndarray] = None  # (width, n_components); None: as they are

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
            raise ValueError(message)
        self.mean = vectors.mean(axis=0, dtype="float64")
        self.matrix = self._make_matrix(vectors)
        return self

    def _make_matrix(self, vectors: numpy.ndarray) -> Optional[numpy.ndarray]:
        return None

    def transform(self, items: Items) -> numpy.ndarray:
        """Correct vectors. They are not brought to length one.

        items (Items): Docs, spans or vectors, as wide as those that it was fitted on.
        RETURNS (ndarray): (n, n_components) float32; vectors of length zero stay zeros.
        RAISES (ValueError): If it is not fitted, or the width is another.
        """
        vectors = as_matrix(items)
        if self.mean is None:
            raise ValueError(Errors.B146.format(name=self.name))
        if vectors.shape[1] != len(self.mean):
            sizes = {"expected": len(self.mean), "found": vectors.shape[1]}
            raise ValueError(Errors.B147.format(name=self.name, **sizes))
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
        items: List[Union[Doc, Span]] = list(docs)
        items.extend(sent for doc in docs for sent in _sentences_of(doc))
        for item, vector in zip(items, normalised(self.transform(items))):
            item._.embedding = vector

    def to_disk(self, path: Union[str, Path]) -> None:
        """Write a safetensors file. An older one is replaced when the new one is complete."""
        if self.mean is None:
            raise ValueError(Errors.B146.format(name=self.name))
        arrays = {"mean": self.mean}
        if self.matrix is not None:
            arrays["matrix"] = numpy.ascontiguousarray(self.matrix)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(f"{path}.part")
        learnt = ("mean", "matrix")
        settings = {key: value for key, value in vars(self).items() if key not in learnt}
        metadata = {"correction": self.name, "settings": json.dumps(settings)}
        save_file(arrays, unfinished, metadata=metadata)
        os.replace(unfinished, path)


class Whitening(Centring):
    """Make the components uncorrelated and of variance one (Su et al. 2021, arXiv 2103.15316).

    n_components (Optional[int]): Keep only those of greatest variance; None for all that the
        vectors span.
    shrinkage (Optional[float]): Share, 0 to 1, of an equal variance in all directions that is mixed
        into the covariance; 0 is the paper. None estimates it (Ledoit and Wolf 2004): near 0 for
        many vectors. With fewer vectors than components the paper's correction would set all
        of them at the same distance from each other.
    """

    name = "whitening"
    least = 2

    def __init__(
        self, n_components: Optional[int] = None, *, shrinkage: Optional[float] = None
    ) -> None:
        super().__init__()
        is_share = shrinkage is None or 0 <= shrinkage <= 1
        check("shrinkage", shrinkage, is_share, "a number from 0 to 1, or None")
        self.n_components = whole_or_none("n_components", n_components, 1)
        self.shrinkage = None if shrinkage is None else float(shrinkage)

    def _make_matrix(self, vectors: numpy.ndarray) -> numpy.ndarray:
        if all((chunk == vectors[0]).all() for _, chunk in chunks(vectors)):
            raise ValueError(Errors.B137.format(name=self.name, n=len(vectors)))
        values, directions = principal_components(vectors)
        share = _estimate_shrinkage(vectors) if self.shrinkage is None else self.shrinkage
        values = (1 - share) * values + share * values.mean()
        kept = values > SMALLEST_SHARE * values[0]
        return (directions[:, kept] / numpy.sqrt(values[kept]))[:, : self.n_components]


class AllButTheTop(Centring):
    """Take off the mean and the strongest common directions (Mu and Viswanath 2018, arXiv
    1702.01417).

    n_components (Optional[int]): How many directions, fewer than those in which the vectors spread;
        None for a hundredth of the width, as in the paper, and at least one.
    """

    name = "all-but-the-top"
    least = 2

    def __init__(self, n_components: Optional[int] = None) -> None:
        super().__init__()
        self.n_components = whole_or_none("n_components", n_components, 1)

    def _make_matrix(self, vectors: numpy.ndarray) -> numpy.ndarray:
        width = vectors.shape[1]
        n_off = self.n_components or max(1, round(width / 100))
        values, directions = principal_components(vectors)
        n_spanned = int((values > SMALLEST_SHARE * values[0]).sum())
        if self.n_components is not None and n_off >= n_spanned:
            sizes = {"n_components": n_off, "n": n_spanned}
            raise ValueError(Errors.B077.format(name=self.name, **sizes))
        top = directions[:, :n_off]
        return numpy.eye(width) - top @ top.T


KINDS = {kind.name: kind for kind in (Centring, Whitening, AllButTheTop)}


def load_correction(path: Union[str, Path]) -> Centring:
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
        raise ValueError(Errors.B149.format(path=path, reason=error)) from error
    if correction is None or "mean" not in arrays:
        raise ValueError(Errors.B149.format(path=path, reason="it holds something else"))
    correction.mean, correction.matrix = arrays["mean"], arrays.get("matrix")
    return correction


def principal_components(vectors: numpy.ndarray) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """RETURNS (Tuple[ndarray, ndarray]): Variances, from high to low, (width,), and directions of
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


def _sentences_of(doc: Doc) -> List[Span]:
    """RETURNS (List[Span]): Sentences with a vector of their own."""
    sents = doc.sents if has_sentences(doc) else ()
    return [sent for sent in sents if sent._.embedding is not None]


def _not_zero(vectors: numpy.ndarray) -> numpy.ndarray:
    return (vectors != 0).any(axis=1, keepdims=True)  # (n, 1)


def _estimate_shrinkage(vectors: numpy.ndarray) -> float:
    from sklearn.covariance import ledoit_wolf_shrinkage

    return float(ledoit_wolf_shrinkage(vectors.astype("float64")))


@dataclass(frozen=True)
class Anisotropy:
    """How much vectors crowd into one direction. Near 0 is good for all but the last."""

    mean_cosine: float  # of all pairs (Ethayarajh 2019, arXiv 1909.00512, takes random ones)
    top_1: float  # share of the variance in the first principal component
    top_10: float  # in the first ten
    n_effective: float  # directions in use, (sum of variances)^2 / sum of their squares


def anisotropy(items: Items) -> Anisotropy:
    """Measure vectors; those of length zero are left out.

    items (Items): Docs, spans or vectors, at least two.
    RAISES (ValueError): If there are fewer than two vectors, or one is not finite.
    """
    vectors = normalised(as_matrix(items))
    vectors = vectors[vectors.any(axis=1)]
    n = len(vectors)
    if n < 2:
        raise ValueError(Errors.B148.format(name="anisotropy", least=2, n=n))
    total = vectors.sum(axis=0, dtype="float64")
    values = principal_components(vectors)[0]
    variance = values.sum() or 1.0
    return Anisotropy(
        mean_cosine=float((total @ total - n) / (n * (n - 1))),
        top_1=float(values[0] / variance),
        top_10=float(values[:10].sum() / variance),
        n_effective=float(variance**2 / ((values**2).sum() or 1.0)),
    )


def isotropy_report(
    items: Items, corrections: Optional[Iterable[Centring]] = None
) -> Dict[str, Anisotropy]:
    """Measure vectors before and after corrections, each fitted on these vectors.

    corrections (Optional[Iterable[Centring]]): None for one of every kind.
    RETURNS (Dict[str, Anisotropy]): By name, with the number of components where one is set, as in
        "whitening (4)", and a count where a name comes again; "as they are" comes first.
    """
    vectors = as_matrix(items)
    chosen: List[Centring] = [kind() for kind in KINDS.values()]
    measured = {"as they are": anisotropy(vectors)}
    for correction in chosen if corrections is None else corrections:
        name = _name_of(correction, measured)
        measured[name] = anisotropy(correction.fit_transform(vectors))
    return measured


def _name_of(correction: Centring, taken: Iterable[str]) -> str:
    n_components = getattr(correction, "n_components", None)
    name = correction.name if n_components is None else f"{correction.name} ({n_components})"
    n_same = sum(other.partition(", ")[0] == name for other in taken)
    return f"{name}, {n_same + 1}" if n_same else name


def isotropy_table(report: Mapping[str, Any]) -> str:
    """RETURNS (str): The report as a markdown table."""
    lines = ["| vectors | mean cosine | top 1 | top 10 | directions in use |"]
    lines.append("|---|---:|---:|---:|---:|")
    for name, a in report.items():
        shares = f"{a.top_1:.1%} | {a.top_10:.1%}"
        lines.append(f"| {name} | {a.mean_cosine:.3f} | {shares} | {a.n_effective:.1f} |")
    return "\n".join(lines)
