"""Preparing chunks of text in this process, or ahead in worker processes."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from .instance import Record
from .preparing import CHUNK, Preparation, chunks_of
from .text import Document, read_documents, shuffled

PREFETCH = 2  # chunks that each worker prepares ahead
BEFORE_WORKERS = 128  # instances that are given out before processes are started


class Chunks(IterableDataset):
    """The records of a corpus, a chunk of text at a time. Each worker reads all documents, which
    is cheap, and prepares every n-th chunk, which is not: the order is that of one process.

    files (Sequence[Path]): The files.
    preparation (Preparation): From documents to records.
    shuffle_buffer (int): Documents in the buffer; 0 keeps the order, that of the files too.
    epoch (int): Of the pass.
    first (int): Number of the chunk to begin with.
    size (int): Characters in a chunk.
    """

    def __init__(
        self,
        files: Sequence[Path],
        preparation: Preparation,
        shuffle_buffer: int,
        epoch: int,
        first: int = 0,
        size: int = CHUNK,
    ):
        self.files = files
        self.preparation = preparation
        self.shuffle_buffer = shuffle_buffer
        self.epoch = epoch
        self.first = first
        self.size = size

    def from_chunk(self, first: int) -> "Chunks":
        return Chunks(
            self.files, self.preparation, self.shuffle_buffer, self.epoch, first, self.size
        )

    def __iter__(self) -> Iterator[list[Record]]:
        worker = get_worker_info()
        step, place = (1, 0) if worker is None else (worker.num_workers, worker.id)
        for number, chunk in self.read():
            if number >= self.first and (number - self.first) % step == place:
                yield self.preparation(self.epoch, number, chunk)

    def read(self) -> Iterator[tuple[int, list[Document]]]:
        """YIELDS (tuple[int, list[Document]]): Each chunk and its number."""
        rng = numpy.random.default_rng([self.preparation.seed, self.epoch])
        n_files = len(self.files)
        order = rng.permutation(n_files) if self.shuffle_buffer else numpy.arange(n_files)
        documents = read_documents(self.files, order.tolist())
        needs_two = self.preparation.settings.objective == "mlm+nsp"
        documents = shuffled(documents, self.shuffle_buffer, rng)
        yield from enumerate(chunks_of(documents, needs_two, self.size))


def load(chunks: Chunks, workers: int) -> Iterator[list[Record]]:
    """YIELDS (list[Record]): Records, in the order of the chunks."""
    if not workers:
        yield from chunks
        return
    # Callers that read few instances, or have little text, should not wait for processes.
    groups = chunks.read()
    number, chunk = next(groups, (0, []))
    records = chunks.preparation(chunks.epoch, number, chunk)
    has_more = next(groups, None) is not None
    yield records[:BEFORE_WORKERS]
    rest = start_workers(chunks.from_chunk(1), workers) if has_more else iter(())
    yield records[BEFORE_WORKERS:]
    yield from rest


def start_workers(chunks: Chunks, workers: int) -> Iterator[list[Record]]:
    """RETURNS (Iterator[list[Record]]): What the workers prepare, in order."""
    # Started anew and not forked: a fork of a process with threads may hang.
    loader: DataLoader = DataLoader(
        chunks,
        batch_size=None,
        num_workers=workers,
        prefetch_factor=PREFETCH,
        multiprocessing_context="spawn",
        generator=torch.Generator(),  # else the global one, which draws dropout, would move
    )
    return iter(loader)
