"""The commands `annotate` and `render`."""

from pathlib import Path

import click

from .group import (
    PATH,
    TEXT,
    clean_errors,
    cli,
    read_texts,
    refuse_files,
    refuse_input,
    run_pipeline,
    write_text,
)


@cli.command()
@click.argument("model")
@click.argument("texts", nargs=-1, type=TEXT)
@click.option("--file", "-f", "files", multiple=True, type=PATH, help="A text file; repeatable.")
@click.option("--lines", is_flag=True, help="Treat every line of the files as a separate text.")
def annotate(model: str, texts: tuple[str, ...], files: tuple[Path, ...], lines: bool) -> None:
    """Annotate TEXTS or files with the pipeline MODEL and print a table with scores. "-" is
    standard input.
    """
    from ..render.console import table

    with clean_errors():
        refuse_files(texts)
        given = [text for text in texts if text != "-"]
        sources = [Path(text) for text in texts if text == "-"] + list(files)
        click.echo(table(run_pipeline(model, [*given, *read_texts(sources, lines)])))


@cli.command()
@click.argument("model")
@click.argument("paths", metavar="INPUT... OUTPUT", nargs=-1, required=True, type=PATH)
@click.option("--title", default="Annotated texts", show_default=True, help="Heading of the page.")
@click.option("--lines", is_flag=True, help="Treat every line of the files as a separate text.")
def render(model: str, paths: tuple[Path, ...], title: str, lines: bool) -> None:
    """Annotate text files with the pipeline MODEL and write one HTML page, OUTPUT."""
    from ..render.html import render_page

    if len(paths) < 2:
        raise click.UsageError("Give at least one text file and the page to write.")
    *sources, target = paths
    if target.suffix.lower() not in (".html", ".htm"):
        raise click.UsageError(f"The last path is the page to write, *.html, not '{target}'.")
    with clean_errors():
        refuse_input(target, sources)
        docs = run_pipeline(model, read_texts(sources, lines))
        write_text(target, render_page(docs, title=title))
    click.echo(f"{len(docs)} texts -> {target}")
