"""New indexes from files of passages: a folder, or a collection on a server."""

from collections.abc import Callable
from itertools import tee
from pathlib import Path
from typing import Any

from spacy.language import Language

from ..core.atomic import partial_folder, put_in_place
from ..errors import CodedValueError, Errors
from .bm25 import words_of
from .index import SemanticIndex
from .local.store import check_folder
from .passages import Survey, read_passages
from .qdrant.connection import new_on_server


def build_folder(
    found: Survey, target: Path, load: Callable[[], Language], overwrite: bool, **options: Any
) -> int:
    """Build an index, which has its name when it is complete.

    found (Survey): The passages.
    target (Path): The folder. An index in it stays readable until the new one is complete.
    load (Callable[[], Language]): Loads the pipeline, once all else is checked.
    overwrite (bool): Whether an index in that folder is replaced.
    **options: Of `SemanticIndex`.
    RETURNS (int): Entries.
    """
    check_folder(target, replace=overwrite)
    nlp = load()
    with partial_folder(target) as folder:
        index = SemanticIndex(nlp, path=folder, **options)
        n_entries = add_passages(index, found, replace=False)
        if target.exists():
            index.save(target)
        else:
            del index
            put_in_place(folder, target)
    return n_entries


def build_on_server(
    found: Survey, url: str, load: Callable[[], Language], overwrite: bool, **options: Any
) -> int:
    """RETURNS (int): Entries of a new collection, which is removed again after an error."""
    if overwrite:
        instead = "Delete the collection on the server, or build one of another name."
        raise CodedValueError(Errors.B138.format(url=url, what="--overwrite", instead=instead))
    backend = new_on_server(url, words_of, **options)
    try:
        return add_passages(SemanticIndex.on(backend, load()), found, replace=False)
    except BaseException:
        backend.discard()
        raise


def add_passages(index: SemanticIndex, found: Survey, *, replace: bool) -> int:
    """Add the texts of a file as the index is cut, with a progress bar on stderr.

    RETURNS (int): Entries added.
    """
    from tqdm import tqdm

    passages = read_passages(found.path)
    passages = tqdm(passages, total=found.n_passages, unit=" texts", leave=False)
    # All that tee makes is read at one pace: what is left unread would be kept.
    texts, metadata, *ids = tee(passages, 3 if found.has_ids else 2)
    n_entries = index.add(
        (passage.text for passage in texts),
        ids=(passage.id for passage in ids[0]) if ids else None,
        metadata=(passage.metadata for passage in metadata),
        unit=index.info.get("unit", "doc"),
        replace=replace,
    )
    index.optimize(only_due=True)
    return n_entries
