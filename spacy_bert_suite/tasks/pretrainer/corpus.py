"""PretrainCorpus.v1: plain text to training instances."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.training import Example
from spacy.vocab import Vocab

from ...backbone.model import get_backbone
from ...core.validation import check_choice, check_config
from ...errors import CodedValueError, Errors
from .instance import make_example
from .loading import Chunks, load
from .pairing import OBJECTIVES, InstanceSettings
from .preparing import Preparation
from .sentences import make_splitter
from .text import find_files

LEAST_LENGTH = 8


def make_pretrain_corpus(
    path: str | Path | list[str | Path],
    max_length: int = 128,
    objective: str = "mlm+nsp",
    short_seq_prob: float = 0.1,
    sentences: str = "sentencizer",
    shuffle_buffer: int = 1000,
    seed: int = 0,
    limit: int = 0,
    fixed: bool = False,
    workers: int = 0,
    upstream: str = "bert",
) -> Callable[[Language], Iterator[Example]]:
    """Registered as "spacy-bert-suite.PretrainCorpus.v1".

    path (str | Path | List): Text: a file, a folder of files, or a list of these. `.txt` (a
        paragraph or sentence on a line, blank lines between documents) and `.jsonl` (a document as
        the `text` of each record), both also .gz, and `.spacy`.
    max_length (int): Wordpieces of an instance, special tokens included.
    objective (str): "mlm" for single segments, "mlm+nsp" for pairs of which half are of two
        documents, "mlm+sop" for pairs of which half are swapped.
    short_seq_prob (float): Share of instances that are made shorter.
    sentences (str): Who sets sentence boundaries where a `.spacy` file has none: "sentencizer",
        "lines" (each line is one), a component of the pipeline, or another pipeline by its name.
    shuffle_buffer (int): Documents among which the next one is drawn; 0 keeps their order.
    seed (int): Of order, pairs and masks.
    limit (int): Read only so many instances; 0 for all.
    fixed (bool): The same instances in the same order each time, as for evaluation. Else each
        pass over the text makes others.
    workers (int): Processes that prepare instances ahead; 0 prepares them in line. The instances
        and their order are the same.
    upstream (str): Name of the backbone component, whose wordpieces are used.
    RETURNS (Callable): The corpus. The reference doc of an example holds the instance.
    """
    owner = "PretrainCorpus"
    expected = f"at least {LEAST_LENGTH}"
    check_config(owner, "max_length", max_length, max_length >= LEAST_LENGTH, expected)
    check_choice(owner, "objective", objective, OBJECTIVES)
    is_share = 0 <= short_seq_prob <= 1
    check_config(owner, "short_seq_prob", short_seq_prob, is_share, "from 0 to 1")
    for key, value in (("shuffle_buffer", shuffle_buffer), ("limit", limit),
                       ("workers", workers), ("seed", seed)):  # fmt: skip
        check_config(owner, key, value, value >= 0, "0 or more")
    settings = InstanceSettings(objective, max_length, short_seq_prob)
    buffer = 0 if fixed else shuffle_buffer
    return PretrainCorpus(path, settings, sentences, buffer, seed, limit, fixed, workers, upstream)


class PretrainCorpus:
    """Streams instances: no file is in memory as a whole.

    epoch (int): Complete passes so far, which decides over the next one; always 0 where `fixed`.
    """

    def __init__(
        self,
        path: Any,
        settings: InstanceSettings,
        sentences: str,
        shuffle_buffer: int,
        seed: int,
        limit: int,
        fixed: bool,
        workers: int,
        upstream: str,
    ):
        self.path = path
        self.settings = settings
        self.sentences = sentences
        self.shuffle_buffer = shuffle_buffer
        self.seed = seed
        self.limit = limit
        self.fixed = fixed
        self.workers = workers
        self.upstream = upstream
        self.epoch = 0

    def __call__(self, nlp: Language) -> Iterator[Example]:
        chunks = self._chunks(nlp)
        n_read = 0
        for records in load(chunks, self.workers):
            # A vocabulary for each chunk, which goes with its Docs.
            vocab = Vocab()
            n_left = self.limit - n_read if self.limit else None
            for record in islice(records, n_left):
                n_read += 1
                yield make_example(vocab, record)
            if self.limit and n_read == self.limit:
                break
        if not n_read:
            raise CodedValueError(
                Errors.B154.format(path=self.path, objective=self.settings.objective)
            )
        if not self.fixed:
            self.epoch += 1

    def _chunks(self, nlp: Language) -> Chunks:
        if self.upstream not in nlp.pipe_names:
            raise CodedValueError(Errors.B032.format(name="PretrainCorpus", upstream=self.upstream))
        backbone: Any = get_backbone(nlp.get_pipe(self.upstream).model)  # type: ignore[attr-defined]
        if self.settings.max_length > backbone.window:
            raise CodedValueError(
                Errors.B155.format(n_pieces=self.settings.max_length, window=backbone.window)
            )
        preparation = Preparation(
            backbone.tokenizer,
            make_splitter(nlp, self.sentences),
            self.settings,
            self.seed,
            shuffle=not self.fixed,
        )
        return Chunks(find_files(self.path), preparation, self.shuffle_buffer, self.epoch)
