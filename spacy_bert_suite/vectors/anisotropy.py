"""Anisotropy of vectors: how far they lie in one direction, measured and reported."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import CodedValueError, Errors
from .isotropy import KINDS, Centring, principal_components
from .matrix import Items, as_matrix
from .norms import normalised


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
        raise CodedValueError(Errors.B148.format(name="anisotropy", least=2, n=n))
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
    items: Items, corrections: Iterable[Centring] | None = None
) -> dict[str, Anisotropy]:
    """Measure vectors before and after corrections, each fitted on these vectors.

    corrections (Iterable[Centring] | None): None for one of every kind.
    RETURNS (dict[str, Anisotropy]): By name, with the number of components where one is set, as in
        "whitening (4)", and a count where a name comes again; "as they are" comes first.
    """
    vectors = as_matrix(items)
    chosen: list[Centring] = [kind() for kind in KINDS.values()]
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
