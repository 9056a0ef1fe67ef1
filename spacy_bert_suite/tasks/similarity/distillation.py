"""Vectors that stay near those of the weights from which training started, while other tasks change
these weights: learning without forgetting (Li and Hoiem 2016).
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b

import numpy
import torch
from torch.nn.functional import cosine_similarity

from ...backbone.model import load_again
from ...backbone.passes.texts import TextEncoder
from ...core.collectives import in_group, part_of_mean, totals_of
from ...errors import CodedValueError, Errors
from .gradient_cache import LossOf
from .model import SentenceEmbedder, load_dense
from .sentence_bert import read_sentence_modules

KEY_BYTES = 16
MOST_CACHED = 20_000  # texts; with 384 dimensions they take 30 MB, also in a checkpoint

Encode = Callable[[Sequence[str]], torch.Tensor]


class Distillation:
    """Holds vectors to what the weights gave before training.

    weight (float): Of the mean cosine distance in the loss; 0 holds nothing.
    """

    def __init__(self, weight: float = 0.0):
        self.weight = weight
        self.cache = VectorCache()
        self._teacher: Teacher | None = None

    def __reduce__(self):
        return Distillation, (self.weight,)

    def holds(self, encoder: TextEncoder) -> bool:
        """RETURNS (bool): Whether it does anything: a frozen backbone gives the same vectors."""
        return self.weight > 0 and encoder.reaches_backbone

    def loss_for(
        self, texts: Sequence[str], encoder: TextEncoder, student: SentenceEmbedder
    ) -> LossOf | None:
        """RETURNS (Callable | None): This process's part of the loss of the vectors of these
        texts; None where nothing holds them, or there are none.
        """
        if not texts:
            self.skip(encoder)
        if not texts or not self.holds(encoder):
            return None
        if self._teacher is None:
            self._teacher = make_teacher(encoder, student)
        targets = self.cache.get(texts, self._teacher.encode)
        return lambda vectors: part_of_mean(
            self.weight * cosine_distance(vectors, targets), len(targets)
        )

    def skip(self, encoder: TextEncoder) -> None:
        """Take part in what the losses of several processes share."""
        if self.holds(encoder):
            totals_of(0)


class Teacher:
    """Gives the vectors that the weights gave before training. It is made from the name of the
    backbone, so nothing of it is saved, and a training that is resumed has the same.
    """

    def __init__(self, encoder: TextEncoder, module: SentenceEmbedder):
        self.encoder = encoder
        self.module = module

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """RETURNS (Tensor): *Shape:* ``(n_texts, width)``, float32"""
        with torch.no_grad():
            return self.module.embed(self.encoder.predict(list(texts)))


class VectorCache:
    """The teacher's vectors of the first texts that it has seen: they stay the same in all epochs.

    A vector depends in its last bits on the texts beside it, so a checkpoint holds those that are
    known: a training that is resumed has the same. Of several processes only one writes
    checkpoints, so they keep none.
    """

    def __init__(self) -> None:
        self._rows: dict[bytes, torch.Tensor] = {}

    def get(self, texts: Sequence[str], encode: Encode) -> torch.Tensor:
        """encode (Callable): Gives the vectors of those that are not known.
        RETURNS (Tensor): *Shape:* ``(n_texts, width)``
        """
        if in_group():
            return encode(texts)
        keys = [key_of(text) for text in texts]
        new = {key: text for key, text in zip(keys, texts) if key not in self._rows}
        found = dict(zip(new, encode(list(new.values())))) if new else {}
        rows = torch.stack([found[key] if key in found else self._rows[key] for key in keys])
        n_free = max(0, MOST_CACHED - len(self._rows))
        self._rows.update(list(found.items())[:n_free])
        return rows

    def state(self) -> dict[str, torch.Tensor]:
        """RETURNS (dict[str, Tensor]): Nothing, or the keys and the vectors.
        *Shapes:* ``(n_texts, 16)``, uint8, and ``(n_texts, width)``
        """
        if not self._rows:
            return {}
        keys = numpy.frombuffer(b"".join(self._rows), dtype="uint8").reshape(-1, KEY_BYTES)
        return {
            "keys": torch.from_numpy(keys.copy()),
            "vectors": torch.stack([*self._rows.values()]),
        }

    def load(self, tensors: dict[str, torch.Tensor], device: torch.device) -> None:
        """Take up what `state` gave."""
        if not tensors:
            return
        keys = [key.tobytes() for key in tensors["keys"].numpy()]
        self._rows = dict(zip(keys, tensors["vectors"].to(device)))


def key_of(text: str) -> bytes:
    return blake2b(text.encode("utf8", "surrogatepass"), digest_size=KEY_BYTES).digest()


def make_teacher(encoder: TextEncoder, student: SentenceEmbedder) -> Teacher:
    """encoder (TextEncoder): The student's, bound to its backbone.
    student (SentenceEmbedder): Its layers; all dense ones are of the backbone's folder.
    RAISES (ValueError): If those weights cannot be loaded again.
    """
    try:
        backbone = load_again(encoder.backbone[0])
    except (ValueError, OSError) as error:
        name, source = encoder.component_name, encoder.get_backbone().name
        raise CodedValueError(Errors.B041.format(name=name, source=source, reason=error)) from error
    twin = TextEncoder(encoder.upstream_name, first_window=encoder.first_window)
    twin.bind(backbone, encoder.component_name, trainable=False)
    with torch.random.fork_rng():
        module = SentenceEmbedder({**student.cfg, "n_labels": 0}).eval()
    loaded = twin.get_backbone()
    modules = read_sentence_modules(loaded.name)
    if module.dense and modules is not None:
        load_dense(module, modules.dense)
    module.to(loaded.module.device)
    module.pooler[0] = getattr(loaded.module.transformer, "pooler", None)
    return Teacher(twin, module)


def cosine_distance(vectors: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """RETURNS (Tensor): Mean of 1 - cosine, a scalar."""
    return (1 - cosine_similarity(vectors, targets)).mean()
