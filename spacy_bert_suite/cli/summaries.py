"""The command `summarize`."""

from pathlib import Path

import click

from .main import PATH, clean_errors, cli, read_texts, run_pipeline


@cli.command()
@click.argument("model")
@click.argument("source", metavar="INPUT", type=PATH)
@click.argument("target", metavar="OUTPUT", type=PATH)
@click.option("--lines", is_flag=True, help="Every line of INPUT is a text of its own.")
def summarize(model: str, source: Path, target: Path, lines: bool) -> None:
    """Summarize a text file with the pipeline MODEL; OUTPUT has one summary on each line."""
    with clean_errors():
        docs = run_pipeline(model, read_texts([source], lines))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("".join(f"{doc._.summary}\n" for doc in docs), encoding="utf8")
    click.echo(f"{len(docs)} texts -> {target}")
