"""Commands for search: `index build`, `add`, `optimize` and `evaluate`, and `search`."""

import json
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional

import click

from ..errors import Errors
from .main import PATH, TEXT, clean_errors, cli
from .passages import find_file, read_judgements, read_passages, read_queries, survey

if TYPE_CHECKING:
    from spacy.language import Language

    from ..search import Hit, SemanticIndex

EMBEDDED = "embedded"
MODES = ("vector", "bm25", "hybrid")
COMPARISONS = {">=": "gte", "<=": "lte", ">": "gt", "<": "lt"}
CONDITION = re.compile("(.+?)(>=|<=|=|>|<)(.*)", re.DOTALL)
WIDTH = 80  # characters of a text in a table
OTHER_MODEL = click.option(
    "--model", help="A pipeline to use in place of the one that INDEX names, if that has moved."
)


@cli.group()
def index() -> None:
    """Build collections of texts that can be searched by meaning and by words."""


@index.command()
@click.argument("source", metavar="INPUT", type=PATH)
@click.argument("target", metavar="INDEX", type=PATH)
@click.option("--model", default=EMBEDDED, show_default=True, help="A pipeline that has vectors.")
@click.option("--unit", type=click.Choice(["doc", "sentence"]), default="doc", show_default=True)
@click.option("--storage", type=click.Choice(["float32", "float16", "int8"]), default="float32")
@click.option("--overwrite", is_flag=True, help="Replace an index that is there, at the end.")
def build(source: Path, target: Path, model: str, unit: str, storage: str, overwrite: bool) -> None:
    """Make a new index of the texts of INPUT: .jsonl, .tsv or .csv with a `text` and, if there
    are, `id` and `title`; other columns are metadata, and numbers where they look like it. Of a
    .txt file every line is a text. A folder may hold a file `corpus`. After an error nothing is
    left of it.
    """
    from ..search import SemanticIndex
    from ..search.store import check_folder

    with clean_errors():
        path = find_file(source, "corpus", "corpus_dev")
        check_folder(target, replace=overwrite)
        nlp = load_pipeline(model)
        info = {"model": address_of(model), "unit": unit}
        with folder_beside(target) as folder:
            made = SemanticIndex(nlp, path=folder, storage=storage, info=info)
            n_entries = add_passages(made, path, unit=unit, replace=False)
            if target.exists():
                made.save(target)
            else:
                del made
                folder.rename(target)
    click.echo(f"{n_entries} entries: {path} -> {target}")


@index.command()
@click.argument("source", metavar="INPUT", type=PATH)
@click.argument("target", metavar="INDEX", type=PATH)
@click.option("--replace", is_flag=True, help="Put texts in the place of those with their ids.")
@OTHER_MODEL
def add(source: Path, target: Path, replace: bool, model: Optional[str]) -> None:
    """Add the texts of INPUT to INDEX, with the pipeline that has made it."""
    with clean_errors():
        path = find_file(source, "corpus", "corpus_dev")
        opened = open_index(target, model)
        unit = opened.info.get("unit", "doc")
        n_entries = add_passages(opened, path, unit=unit, replace=replace)
    click.echo(f"{n_entries} entries: {path} -> {target}")


@index.command()
@click.argument("path", metavar="INDEX", type=PATH)
def optimize(path: Path) -> None:
    """Make searches in INDEX faster, when much was added: the words of all entries are saved, and
    from 20 000 entries on a graph of all vectors.
    """
    from ..search import SemanticIndex
    from ..search.local import SCANNED

    with clean_errors():
        opened = SemanticIndex.load(path)
        opened.optimize(hnsw=len(opened) > SCANNED)
    click.echo(f"{len(opened)} entries: {path}")


@index.command()
@click.argument("source", metavar="INPUT", type=PATH)
@click.argument("path", metavar="INDEX", type=PATH)
@click.option("--output", type=PATH, help="A .json file to write the figures to.")
@OTHER_MODEL
def evaluate(source: Path, path: Path, output: Path, model: Optional[str]) -> None:
    """Search INDEX with the queries of the folder INPUT and measure what is found. It holds
    `queries` (id, text) and `qrels` (query_id, doc_id, relevance), or `queries_dev` and
    `qrels_dev`.
    """
    from wasabi import table

    with clean_errors():
        queries = read_queries(find_file(source, "queries", "queries_dev"))
        judgements = read_judgements(find_file(source, "qrels", "qrels_dev"))
        figures = measure(open_index(path, model), queries, judgements)
    rows = [(mode, *(f"{v:.3f}" for v in values.values())) for mode, values in figures.items()]
    header = ("search", *figures[MODES[0]])
    click.echo(table(rows, header=header, divider=True, aligns=("l", "r", "r", "r", "r")))
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf8")


@cli.command()
@click.argument("path", metavar="INDEX", type=PATH)
@click.argument("queries", metavar="QUERY...", nargs=-1, required=True, type=TEXT)
@click.option("-k", "k", default=10, show_default=True, help="Hits for each query.")
@click.option("--mode", type=click.Choice(MODES), default="vector", show_default=True)
@click.option(
    "--where",
    multiple=True,
    help="FIELD=VALUE, or with >=, <=, >, <; repeatable. Limits that are numbers are compared with "
    "numbers, others with strings: year>=1990, date>=2020-01-01; a limit in quotes is a string.",
)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for each hit.")
@OTHER_MODEL
def search(
    path: Path,
    queries: List[str],
    k: int,
    mode: str,
    where: List[str],
    as_json: bool,
    model: Optional[str],
) -> None:
    """Print what in INDEX fits each QUERY best."""
    with clean_errors():
        opened = open_index(path, model)
        found = opened.batch(queries, k, mode=mode, where=parse_where(where))
    for query, hits in zip(queries, found):
        for line in json_lines(query, hits) if as_json else [hits_table(query, hits)]:
            click.echo(line)


@contextmanager
def folder_beside(target: Path) -> Iterator[Path]:
    """A name for a folder on the same disk; it is removed in the end, if it is there."""
    parent = target.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".index-", dir=parent) as made:
        yield Path(made) / "index"


def open_index(path: Path, model: Optional[str]) -> "SemanticIndex":
    """An index with the pipeline that has made it, or another one."""
    from ..search import SemanticIndex

    opened = SemanticIndex.load(path)
    opened.nlp = load_pipeline(model or opened.info.get("model", EMBEDDED))
    return opened


def address_of(model: str) -> str:
    """The whole path of a folder, which leads there from everywhere; packages keep their names."""
    from spacy.util import is_package

    is_folder = model != EMBEDDED and not is_package(model) and Path(model).is_dir()
    return str(Path(model).resolve()) if is_folder else model


def load_pipeline(name: str) -> "Language":
    """Load a pipeline, or assemble one on the embedded weights."""
    import spacy

    if name != EMBEDDED:
        try:
            return spacy.load(name)
        except (ValueError, OSError, ImportError) as error:
            raise ValueError(Errors.B214.format(name=name, reason=error)) from error
    nlp = spacy.blank("en")
    for factory in ("sentencizer", "bert", "bert_similarity"):
        nlp.add_pipe(factory)
    return nlp


def add_passages(target: "SemanticIndex", path: Path, *, unit: str, replace: bool) -> int:
    """Add the texts of a file, with a progress bar on stderr."""
    from itertools import tee

    from tqdm import tqdm

    n_passages, has_ids = survey(path)
    passages = tqdm(read_passages(path), total=n_passages, unit=" texts", leave=False)
    texts, ids, metadata = tee(passages, 3)
    n_entries = target.add(
        (passage.text for passage in texts),
        ids=(passage.id for passage in ids) if has_ids else None,
        metadata=(passage.metadata for passage in metadata),
        unit=unit,
        replace=replace,
    )
    target.optimize(only_due=True)
    return n_entries


def measure(
    searched: "SemanticIndex", queries: Dict[str, str], judgements: Dict[str, Dict[str, float]]
) -> Dict[str, Dict[str, float]]:
    """Figures of every way to search."""
    from ..search.metrics import evaluate as evaluate_rankings

    figures = {}
    for mode in MODES:
        found = searched.batch(list(queries.values()), k=100, mode=mode)
        rankings = {name: [hit.id for hit in hits] for name, hits in zip(queries, found)}
        figures[mode] = evaluate_rankings(rankings, judgements)
    return figures


def parse_where(conditions: Iterable[str]) -> Dict[str, Any]:
    """Read FIELD=VALUE and FIELD>=VALUE; a value that is a number is one, but for quotes. Several
    values for one field: any of them.
    """
    where: Dict[str, Any] = {}
    for condition in conditions:
        found = CONDITION.fullmatch(condition)
        if not found:
            raise ValueError(Errors.B119.format(condition=condition))
        field, sign, text = found.groups()
        given = where.setdefault(field, [] if sign == "=" else {})
        if isinstance(given, list) != (sign == "="):
            raise ValueError(Errors.B133.format(field=field))
        if sign == "=":
            given.extend(values_of(text))
        else:
            given[COMPARISONS[sign]] = values_of(text)[0]
    return where


def values_of(text: str) -> List[Any]:
    """What a value on the command line can mean: 1990 is a number or a text, "1990" a text, with
    its quotes or without.
    """
    try:
        value = json.loads(text)
    except ValueError:
        return [text]
    return [value, text] if isinstance(value, (bool, int, float, str)) else [text]


def hits_table(query: str, hits: "List[Hit]") -> str:
    from wasabi import table

    rows = [
        (f"{hit.score:.3f}", hit.id, shortened(hit.text), shortened(fields_of(hit))) for hit in hits
    ]
    header = ("score", "id", "text", "metadata")
    return f"\n{query}" + table(rows, header=header, divider=True, aligns=("r", "l", "l", "l"))


def fields_of(hit: "Hit") -> str:
    return ", ".join(f"{field}={value}" for field, value in hit.metadata.items())


def shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def json_lines(query: str, hits: "List[Hit]") -> List[str]:
    return [json.dumps({"query": query, **vars(hit)}) for hit in hits]
