"""Layout of collections and points: a dense vector, words as a sparse one, and a record."""

import dataclasses
import hashlib
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy

from ...errors import CodedValueError, Errors
from ..bm25 import K1, B, Tokenize
from ..local.hnsw import EF_CONSTRUCT, M
from ..record import Record
from .client import import_models
from .filters import is_unicode

WORDS = "bm25"  # name of the sparse vectors
MEAN_WORDS = 100  # assumed length of an entry: a server does not tell the true mean
NAMESPACE = uuid.UUID("2bd1e4a6-6ac3-4f36-8a4c-1b6bbf7f9a53")


def check_layout(client: Any, collection: str) -> None:
    """RAISES (ValueError): If a collection is none that a `ServerBackend` has made: its vectors or
    the first of its points are of another form.
    """
    params = client.get_collection(collection).config.params
    points, _ = client.scroll(collection, limit=1)
    fields = {field.name for field in dataclasses.fields(Record)}
    distance = getattr(params.vectors, "distance", None)  # of a dict of named vectors there is none
    if distance not in ("Dot", "Cosine"):
        reason = "it has no single dense vector, compared by dot product"
    elif WORDS not in (params.sparse_vectors or {}):
        reason = f"it has no sparse vectors '{WORDS}'"
    elif any(set(point.payload or {}) != fields for point in points):
        reason = f"the payload of its points is not {', '.join(sorted(fields))}"
    else:
        return
    raise CodedValueError(Errors.B139.format(collection=collection, reason=reason))


def is_quantized(config: Any) -> bool:
    """RETURNS (bool): Whether a collection is searched by codes, which the vectors then rescore."""
    own = config.params.vectors.quantization_config
    return config.quantization_config is not None or own is not None


def check_unicode(ids: Sequence[str], records: Sequence[Record]) -> None:
    """RAISES (ValueError): If a string in them has half a character."""
    wrong = [id_ for id_ in ids if not is_unicode(id_)]
    wrong.extend(record.id for record in records if not is_unicode(record.text, record.metadata))
    if wrong:
        raise CodedValueError(Errors.B136.format(id=wrong[0]))


def make_points(vectors: numpy.ndarray, records: Sequence[Record], tokenize: Tokenize) -> list[Any]:
    """RETURNS (list[PointStruct]): One for each record."""
    models = import_models()
    return [
        models.PointStruct(
            id=point_id(record),
            vector={"": vector.tolist(), WORDS: term_weights(tokenize(record.text))},
            payload=dict(vars(record)),
        )
        for vector, record in zip(vectors, records)
    ]


def term_weights(words: Sequence[str]):
    """RETURNS (SparseVector): Of BM25 without idf, which the server applies."""
    norm = K1 * (1 - B + B * len(words) / MEAN_WORDS)
    return sparse({word: n / (n + norm) for word, n in Counter(words).items()})


def point_id(record: Record) -> str:
    """RETURNS (str): The same for the same span of the same Doc."""
    return str(uuid.uuid5(NAMESPACE, f"{record.start} {record.end} {record.id}"))


def sparse(weights: Mapping[str, float]):
    """Words are numbered by a hash of 32 bits; the rare ones that share it are added up."""
    summed: dict[int, float] = {}
    for word, weight in weights.items():
        digest = hashlib.blake2b(word.encode("utf8", "surrogatepass"), digest_size=4).digest()
        index = int.from_bytes(digest, "little")
        summed[index] = summed.get(index, 0.0) + weight
    return import_models().SparseVector(indices=list(summed), values=list(summed.values()))


def collection_layout(width: int, storage: str) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): Arguments of `create_collection`."""
    models = import_models()
    distance = models.Distance.DOT
    return {
        "vectors_config": models.VectorParams(
            size=width, distance=distance, **storage_options(storage)
        ),
        "sparse_vectors_config": {WORDS: models.SparseVectorParams(modifier=models.Modifier.IDF)},
        "hnsw_config": models.HnswConfigDiff(m=M, ef_construct=EF_CONSTRUCT),
    }


def storage_options(storage: str) -> dict[str, Any]:
    models = import_models()
    if storage == "float32":
        return {}
    int8 = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
    quantized = {
        "quantization_config": models.ScalarQuantization(scalar=int8),
        "on_disk": True,
    }
    return {"datatype": models.Datatype.FLOAT16, **(quantized if storage == "int8" else {})}
