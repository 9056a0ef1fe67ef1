"""Commands for search: `index build`, `add`, `optimize` and `evaluate`, and `search`."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import CodedValueError, Errors
from ..search.passages import find_file, read_judgements, read_queries, survey
from .conditions import parse_where
from .group import PATH, TEXT, AnyPath, clean_errors, cli, write_text

if TYPE_CHECKING:
    from spacy.language import Language

    from ..search import Hit, SemanticIndex

EMBEDDED = "embedded"
MODES = ("vector", "bm25", "hybrid")
STORAGE = click.Choice(["float32", "float16", "int8"])
WIDTH = 80  # characters of a text in a table
Place = Path | str  # a folder, or the address of a collection on a server


class IndexPlace(AnyPath):
    """A path; the address of a collection on a server stays as it is."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        from ..search.qdrant.connection import is_url

        return value if is_url(value) else super().convert(value, param, ctx)


INDEX = IndexPlace(path_type=Path)
OTHER_MODEL = click.option(
    "--model", help="A pipeline to use instead of the one that INDEX names, if that has moved."
)


@cli.group()
def index() -> None:
    """Build collections of texts that can be searched by meaning and by words. INDEX is a folder,
    or http://HOST:PORT/COLLECTION on a Qdrant server.
    """


@index.command()
@click.argument("source", metavar="INPUT", type=PATH)
@click.argument("target", metavar="INDEX", type=INDEX)
@click.option("--model", default=EMBEDDED, show_default=True, help="A pipeline with vectors.")
@click.option("--unit", type=click.Choice(["doc", "sentence"]), default="doc", show_default=True)
@click.option("--storage", type=STORAGE, default="float32", show_default=True)
@click.option(
    "--overwrite", is_flag=True, help="Replace an existing index when the new one is complete."
)
def build(
    source: Path, target: Place, model: str, unit: str, storage: str, overwrite: bool
) -> None:
    """Build a new index from the texts of INPUT: .jsonl, .tsv or .csv with `text` and optionally
    `id` and `title`; other columns are metadata, and become numbers where they look like
    numbers. In a .txt file, every line is a text. INPUT may be a folder with a file `corpus`. A
    build that fails leaves nothing behind.
    """
    with clean_errors():
        from ..search.building import build_folder, build_on_server

        found = survey(find_file(source, "corpus", "corpus_dev"))
        if not found.n_passages:
            raise CodedValueError(Errors.B107.format(path=found.path))
        options = {"storage": storage, "info": {"model": address_of(model), "unit": unit}}
        load = partial(load_or_assemble, model)
        if isinstance(target, str):
            n_entries = build_on_server(found, target, load, overwrite, **options)
        else:
            n_entries = build_folder(found, target, load, overwrite, **options)
    click.echo(f"{n_entries} entries: {found.path} -> {target}")


@index.command()
@click.argument("source", metavar="INPUT", type=PATH)
@click.argument("target", metavar="INDEX", type=INDEX)
@click.option("--replace", is_flag=True, help="Replace existing texts with the same ids.")
@OTHER_MODEL
def add(source: Path, target: Place, replace: bool, model: str | None) -> None:
    """Add the texts of INPUT to INDEX, with the pipeline that built it."""
    with clean_errors():
        from ..search.building import add_passages

        found = survey(find_file(source, "corpus", "corpus_dev"))
        n_entries = add_passages(open_index(target, model), found, replace=replace)
    click.echo(f"{n_entries} entries: {found.path} -> {target}")


@index.command()
@click.argument("path", metavar="INDEX", type=INDEX)
def optimize(path: Place) -> None:
    """Speed up searches in INDEX, a folder, after many additions: save the words of all entries
    and, from 20 000 entries on, a graph of all vectors.
    """
    from ..search import SemanticIndex
    from ..search.local.backend import SCANNED

    with clean_errors():
        if isinstance(path, str):
            instead = "The server optimizes its collections by itself."
            raise CodedValueError(Errors.B138.format(url=path, what="'optimize'", instead=instead))
        opened = SemanticIndex.load(path)
        opened.optimize(hnsw=len(opened) > SCANNED)
    click.echo(f"{len(opened)} entries: {path}")


@index.command()
@click.argument("source", metavar="INPUT", type=PATH)
@click.argument("path", metavar="INDEX", type=INDEX)
@click.option("--output", "-o", type=PATH, help="A .json file to write the scores to.")
@OTHER_MODEL
def evaluate(source: Path, path: Place, output: Path, model: str | None) -> None:
    """Search INDEX with the queries of the folder INPUT and measure the results. It contains
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
        write_text(output, json.dumps(figures, indent=2) + "\n")


@cli.command()
@click.argument("path", metavar="INDEX", type=INDEX)
@click.argument("queries", metavar="QUERY...", nargs=-1, required=True, type=TEXT)
@click.option("--top-k", "-k", "k", default=10, show_default=True, help="Hits per query.")
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
    path: Place,
    queries: list[str],
    k: int,
    mode: str,
    where: list[str],
    as_json: bool,
    model: str | None,
) -> None:
    """Print the entries of INDEX that match each QUERY best."""
    with clean_errors():
        opened = open_index(path, model)
        found = opened.batch(queries, k, mode=mode, where=parse_where(where))
    for query, hits in zip(queries, found):
        for line in json_lines(query, hits) if as_json else [hits_table(query, hits)]:
            click.echo(line)


def open_index(path: Place, model: str | None) -> "SemanticIndex":
    """An index with the pipeline that has made it, or another one."""
    from ..search import SemanticIndex

    opened = SemanticIndex.load(path)
    opened.nlp = load_or_assemble(model or opened.info.get("model", EMBEDDED))
    return opened


def address_of(model: str) -> str:
    """The whole path of a folder, which leads there from everywhere; packages keep their names."""
    from spacy.util import is_package

    is_folder = model != EMBEDDED and not is_package(model) and Path(model).is_dir()
    return str(Path(model).resolve()) if is_folder else model


def load_or_assemble(name: str) -> "Language":
    """Load a pipeline, or assemble one on the embedded weights."""
    import spacy

    from ..core.pipelines import MAX_TEXT, load_pipeline

    if name != EMBEDDED:
        return load_pipeline(name)
    nlp = spacy.blank("en")
    nlp.max_length = MAX_TEXT
    for factory in ("sentencizer", "bert", "bert_similarity"):
        nlp.add_pipe(factory)
    return nlp


def measure(
    searched: "SemanticIndex", queries: dict[str, str], judgements: dict[str, dict[str, float]]
) -> dict[str, dict[str, float]]:
    """Figures of every way to search."""
    from ..search.metrics import evaluate as evaluate_rankings

    figures = {}
    for mode in MODES:
        found = searched.batch(list(queries.values()), k=100, mode=mode)
        rankings = {name: [hit.id for hit in hits] for name, hits in zip(queries, found)}
        figures[mode] = evaluate_rankings(rankings, judgements)
    return figures


def hits_table(query: str, hits: "list[Hit]") -> str:
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


def json_lines(query: str, hits: "list[Hit]") -> list[str]:
    return [json.dumps({"query": query, **vars(hit)}) for hit in hits]
