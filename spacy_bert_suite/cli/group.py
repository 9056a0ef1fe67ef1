"""The click group, its parameter types and helpers. Imports no command."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..core.text import replace_surrogates
from ..errors import CodedValueError, Errors
from . import ABOUT

if TYPE_CHECKING:
    from spacy.tokens import Doc
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
        return replace_surrogates(super().convert(value, param, ctx))


TEXT = AnyText()
PATH = AnyPath(path_type=Path)
POSITIVE = click.IntRange(min=1)
SEED = click.IntRange(0, 2**32 - 1)
PRECISION = click.Choice(["auto", "fp32", "bf16", "fp16"])


@click.group(help=ABOUT)
@click.version_option(package_name="spacy_bert_suite")
def cli() -> None:
    """All commands. A character that a console cannot show becomes an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


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
        raise CodedValueError(Errors.B210.format(value=text))
    return {old.strip(): new.strip() for old, new in pairs}


def refuse_files(texts: tuple[str, ...]) -> None:
    for text in texts:
        if os.path.isfile(text):
            raise CodedValueError(Errors.B217.format(path=text))


def read_texts(paths: "tuple[Path, ...] | list[Path]", lines: bool) -> list[str]:
    """The texts of files that are not empty, one per file or per line; "-" is standard input."""
    from ..data.lines import read_lines

    texts: list[str] = []
    for path in paths:
        if str(path) == "-":
            content = [replace_surrogates(line) for line in sys.stdin.read().splitlines()]
        else:
            content = [line for _, line in read_lines(path)]
        texts.extend(content if lines else ["\n".join(content)])
    return [text for text in texts if text.strip()]


def run_pipeline(name: str, texts: list[str]) -> "list[Doc]":
    """Load a pipeline and annotate texts with it."""
    from ..core.pipelines import load_pipeline

    if not texts:
        raise CodedValueError(Errors.B211)
    return list(load_pipeline(name).pipe(texts))


def show_lines(lines: list[str], output: "Path | None", summary: str) -> None:
    """Print lines, or write them to a file and say so."""
    if output is None:
        click.echo("\n".join(lines))
        return
    write_text(output, "".join(f"{line}\n" for line in lines))
    click.echo(f"{summary} -> {output}")


def write_text(path: Path, text: str) -> None:
    """Write a file, in a folder that need not exist: all of it or nothing."""
    from ..core.atomic import replace_file

    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(path) as new:
        new.write_text(text, encoding="utf8")


def refuse_input(output: "Path | None", inputs: "tuple[Path, ...] | list[Path]") -> None:
    """Refuse an output that is one of the files to be read, by whatever name.

    RAISES (ValueError): If it is; nothing is written.
    """
    for path in inputs if output is not None and output.exists() else ():
        if path.exists() and path.samefile(output):  # type: ignore[arg-type]
            raise CodedValueError(Errors.B331.format(path=output))
