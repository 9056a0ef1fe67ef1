"""The command line: each command reads its arguments and calls one function."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import Errors
from ..unicode import clean
from . import ABOUT

if TYPE_CHECKING:
    from spacy.tokens import Doc

KINDS = ("ner", "textcat", "sentiment", "multitask", "pairs", "qa", "summaries")
IS_WINDOWS = os.name == "nt"


class AnyPath(click.Path):
    """A path. Where Windows keeps quotes around it, as `spacy project run` does, they go: no name
    has any there.
    """

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        return super().convert(str(value).strip('"') if IS_WINDOWS else value, param, ctx)


class AnyText(click.types.StringParamType):
    """A text. Bytes that are not UTF-8 become U+FFFD."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        return clean(super().convert(value, param, ctx))


TEXT = AnyText()
PATH = AnyPath(path_type=Path)
POSITIVE = click.IntRange(min=1)
SEED = click.IntRange(0, 2**32 - 1)
PRECISION = click.Choice(["auto", "fp32", "bf16", "fp16"])


@click.group(help=ABOUT)
@click.version_option(package_name="spacy_bert_suite")
def cli() -> None:
    """All commands."""


@cli.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("source", metavar="INPUT", type=PATH)
@click.argument("target", metavar="OUTPUT", type=PATH)
@click.option(
    "--split",
    "splits",
    multiple=True,
    help="INPUT is a folder: convert its file of this name. Repeatable, with {split} in OUTPUT.",
)
@click.option(
    "--dataset",
    "datasets",
    metavar="[KIND=]FOLDER",
    multiple=True,
    help="Folder inside INPUT that holds the split, if any. Repeatable, with {dataset} in OUTPUT; "
    "KIND= where it is of another kind.",
)
@click.option("--rename", default="", help="New names for labels: OLD=NEW,OLD=NEW.")
@click.option("--lang", default="en", show_default=True, help="Language of the tokenizer.")
@click.option("--max-score", default=1.0, show_default=True,
              help="For pairs: the highest score, such as 5 for STS.")  # fmt: skip
@click.option("--keep-labels", default="", help="For pairs: keep only these labels, LABEL,LABEL.")
def convert(
    kind: str,
    source: Path,
    target: Path,
    splits: tuple[str, ...],
    datasets: tuple[str, ...],
    rename: str,
    lang: str,
    max_score: float,
    keep_labels: str,
) -> None:
    """Convert annotated texts to a .spacy corpus.

    KIND says what INPUT holds (any may be gzipped): 'ner' CoNLL lines with BIO, BILOU or BIOES
    tags; 'textcat' and 'sentiment' records with text and label(s), as .jsonl, .tsv or .csv;
    'multitask' .jsonl records with text, entities, topic and sentiment; 'pairs' records with text1,
    text2 and score, label or negative, as .jsonl, .tsv or .csv; 'qa' SQuAD's .json, or .jsonl
    records with context, question and answers; 'summaries' .jsonl records with document or
    sentences, and references.
    """
    from .. import converters

    check_places(target, splits, datasets)
    with clean_errors():
        renames = parse_renames(rename)
        for dataset, split in product(datasets or ("",), splits or ("",)):
            own_kind, _, folder = dataset.rpartition("=")
            path = converters.find_split(source, split, folder) if split else source
            output = place_of(target, split=split, dataset=folder)
            n_docs = converters.convert(
                own_kind or kind,
                path,
                output,
                lang=lang,
                rename=renames,
                max_score=max_score,
                keep_labels=split_names(keep_labels) if keep_labels else None,
            )
            click.echo(f"{n_docs} texts: {path} -> {output}")


def check_places(target: Path, splits: tuple[str, ...], datasets: tuple[str, ...]) -> None:
    """Several files need a place for each."""
    for name, given in (("split", splits), ("dataset", datasets)):
        if len(given) > 1 and f"{{{name}}}" not in str(target):
            place = f"corpus/{{{name}}}.spacy"
            raise click.UsageError(f"Several of --{name} need {{{name}}} in OUTPUT: {place}")
    if datasets and not splits:
        raise click.UsageError("--dataset is a folder of splits: say which, such as --split train")


def place_of(target: Path, **names: str) -> Path:
    """RETURNS (Path): The target with the names that are given in the places for them."""
    path = str(target)
    for place, name in names.items():
        path = path.replace(f"{{{place}}}", name) if name else path
    return Path(path)


@cli.command()
@click.argument("model")
@click.argument("texts", nargs=-1, type=TEXT)
@click.option("--file", "-f", "files", multiple=True, type=PATH, help="A text file; repeatable.")
@click.option("--lines", is_flag=True, help="Treat every line of the files as a separate text.")
def annotate(model: str, texts: tuple[str, ...], files: tuple[Path, ...], lines: bool) -> None:
    """Annotate TEXTS or files with the pipeline MODEL and print a table with scores."""
    from ..render import table

    with clean_errors():
        refuse_files(texts)
        click.echo(table(run_pipeline(model, [*texts, *read_texts(files, lines)])))


@cli.command()
@click.argument("model")
@click.argument("paths", metavar="INPUT... OUTPUT", nargs=-1, required=True, type=PATH)
@click.option("--title", default="Annotated texts", show_default=True, help="Heading of the page.")
@click.option("--lines", is_flag=True, help="Treat every line of the files as a separate text.")
def render(model: str, paths: tuple[Path, ...], title: str, lines: bool) -> None:
    """Annotate text files with the pipeline MODEL and write one HTML page, OUTPUT."""
    from ..render import render_page

    if len(paths) < 2:
        raise click.UsageError("Give at least one text file and the page to write.")
    *sources, target = paths
    if target.suffix.lower() not in (".html", ".htm"):
        raise click.UsageError(f"The last path is the page to write, *.html, not '{target}'.")
    with clean_errors():
        docs = run_pipeline(model, read_texts(sources, lines))
        write_text(target, render_page(docs, title=title))
    click.echo(f"{len(docs)} texts -> {target}")


@contextmanager
def clean_errors() -> Iterator[None]:
    """Show what went wrong as one message instead of a traceback, and exit with 1."""
    try:
        yield
    except (ValueError, OSError, ImportError, MemoryError) as error:
        raise click.ClickException(str(error) or type(error).__name__) from error


def refuse_inside(output: Path, inputs: "tuple[Path, ...] | list[Path]") -> None:
    """Refuse an output in a folder that is read as text, as what is written there would be."""
    if any(output.resolve().is_relative_to(path.resolve()) for path in inputs):
        raise click.UsageError("OUTPUT lies in the text: its vocab.txt would be read as text.")


def split_names(text: str) -> list[str]:
    """Read NAME,NAME."""
    return [name.strip() for name in text.split(",")]


def parse_renames(text: str) -> dict[str, str]:
    """Read OLD=NEW,OLD=NEW."""
    pairs = [pair.split("=") for pair in text.split(",") if pair]
    if any(len(pair) != 2 or not all(map(str.strip, pair)) for pair in pairs):
        raise ValueError(Errors.B210.format(value=text))
    return {old.strip(): new.strip() for old, new in pairs}


def refuse_files(texts: tuple[str, ...]) -> None:
    for text in texts:
        if os.path.isfile(text):
            raise ValueError(Errors.B217.format(path=text))


def read_texts(paths: "tuple[Path, ...] | list[Path]", lines: bool) -> list[str]:
    """The texts of files that are not empty: one per file, or one per line."""
    from ..records import read_lines

    texts: list[str] = []
    for path in paths:
        content = [line for _, line in read_lines(path)]
        texts.extend(content if lines else ["\n".join(content)])
    return [text for text in texts if text.strip()]


def run_pipeline(name: str, texts: list[str]) -> "list[Doc]":
    """Load a pipeline and annotate texts with it."""
    from ..pipelines import load_pipeline

    if not texts:
        raise ValueError(Errors.B211)
    return list(load_pipeline(name).pipe(texts))


def show_lines(lines: list[str], output: "Path | None", summary: str) -> None:
    """Print lines, or write them to a file and say so."""
    if output is None:
        click.echo("\n".join(lines))
        return
    write_text(output, "".join(f"{line}\n" for line in lines))
    click.echo(f"{summary} -> {output}")


def write_text(path: Path, text: str) -> None:
    """Write a file, in a folder that need not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf8")


from . import answer as _answer  # noqa: E402, F401  (adds its commands)
from . import checkpoints as _checkpoints  # noqa: E402, F401
from . import compare as _compare  # noqa: E402, F401
from . import index as _index  # noqa: E402, F401
from . import init_backbone as _init_backbone  # noqa: E402, F401
from . import pretrain as _pretrain  # noqa: E402, F401
from . import summaries as _summaries  # noqa: E402, F401
from . import train as _train  # noqa: E402, F401
