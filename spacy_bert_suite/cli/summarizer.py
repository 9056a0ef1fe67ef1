"""The command `summarize`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import CodedValueError, Errors
from .group import PATH, clean_errors, cli, refuse_input, run_pipeline, write_text

if TYPE_CHECKING:
    from spacy.tokens import Doc


@cli.command()
@click.argument("model")
@click.argument("source", metavar="INPUT", type=PATH)
@click.argument("target", metavar="OUTPUT", type=PATH)
@click.option("--lines", is_flag=True, help="Treat every line of INPUT as a separate text.")
def summarize(model: str, source: Path, target: Path, lines: bool) -> None:
    """Summarize a text file with the pipeline MODEL; OUTPUT has one summary per line. With
    --lines, each stands on the line of its text; blank lines stay blank.
    """
    from ..data.lines import read_lines

    with clean_errors():
        refuse_input(target, [source])
        content = [line for _, line in read_lines(source)]
        texts = content if lines else ["\n".join(content)]
        docs = run_pipeline(model, [text for text in texts if text.strip()])
        summaries = iter([summary_of(doc, model) for doc in docs])
        written = [next(summaries) if text.strip() else "" for text in texts]
        write_text(target, "".join(f"{summary}\n" for summary in written))
    click.echo(f"{len(docs)} texts -> {target}")


def summary_of(doc: "Doc", model: str) -> str:
    """The summary on one line."""
    summary = doc._.summary if doc.has_extension("summary") else None
    if summary is None:
        raise CodedValueError(Errors.B105.format(name=model))
    return " ".join(summary.split())
