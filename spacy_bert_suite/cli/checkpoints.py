"""The commands `import-checkpoint` and `export`."""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from ..tasks.registry import importers
from .group import PATH, PRECISION, clean_errors, cli, split_names

TASK = click.Choice([*importers()])


@cli.command("import-checkpoint")
@click.argument("paths", metavar="SOURCE... OUTPUT", nargs=-1, required=True)
@click.option("--task", "tasks", multiple=True, type=TASK, help="What to make of each SOURCE.")
@click.option("--labels", multiple=True, help="Names of the outputs in order: O,B-PER,I-PER.")
@click.option("--scheme", type=click.Choice(["bio", "iob1"]), help="How B and I tags are used.")
@click.option("--lang", default="en", show_default=True, help="Language of the tokenizer.")
@click.option("--revision", help="Branch, tag or commit of hub ids.")
@click.option("--precision", type=PRECISION, default="fp32", show_default=True)
def import_command(
    paths: tuple[str, ...],
    tasks: tuple[str, ...],
    labels: tuple[str, ...],
    scheme: str | None,
    lang: str,
    revision: str | None,
    precision: str,
) -> None:
    """Make a spaCy pipeline, OUTPUT, from one or several fine-tuned checkpoints.

    A SOURCE is a folder written by save_pretrained, or a hub id. Its config, or --task, determines
    what it becomes. Repeat options for each SOURCE, or give them once for all. OUTPUT loads
    without a network.
    """
    if len(paths) < 2:
        raise click.UsageError("Give at least one checkpoint and the folder to write.")
    *sources, target = paths
    names = [
        None if text is None else split_names(text) for text in one_each(labels, sources, "labels")
    ]
    nlp: Any = None
    with clean_errors():
        from ..checkpoints import import_checkpoint
        from ..core.atomic import check_new, new_folder

        check_new(Path(target))
        for source, task, given in zip(sources, one_each(tasks, sources, "task"), names):
            with warnings.catch_warnings(record=True) as notes:
                warnings.simplefilter("always", UserWarning)
                nlp = import_checkpoint(
                    source,
                    lang,
                    task,
                    nlp=nlp,
                    labels=given,
                    scheme=scheme if task in (None, "ner") else None,
                    revision=revision,
                    precision=precision,
                )
            for note in notes:
                click.echo(str(note.message), err=True)
        with new_folder(Path(target)) as folder:
            nlp.to_disk(folder)
    for entry in nlp.meta["bert_checkpoints"]:
        made = " + ".join(filter(None, (entry["backbone"], entry["component"])))
        click.echo(f"{entry['source']} -> {made}")
    click.echo(f"{', '.join(nlp.pipe_names)} -> {target}")


@cli.command("export")
@click.argument("model")
@click.argument("component")
@click.argument("target", metavar="OUTPUT", type=PATH)
def export_command(model: str, component: str, target: Path) -> None:
    """Write COMPONENT of the pipeline MODEL, and its backbone, as a folder for transformers (of
    bert_similarity: for sentence-transformers) with the same logits.
    """
    with clean_errors():
        from ..checkpoints import export_checkpoint
        from ..core.pipelines import load_pipeline

        export_checkpoint(load_pipeline(model), component, target)
    click.echo(f"{model}, {component} -> {target}")


def one_each(values: Sequence[str], sources: Sequence[str], key: str) -> Iterator[str | None]:
    """YIELDS (str | None): For each source its value; a single one is for all."""
    if len(values) > 1 and len(values) != len(sources):
        raise click.UsageError(f"Give --{key} once, or once for each of {len(sources)} sources.")
    for i in range(len(sources)):
        yield None if not values else values[0] if len(values) == 1 else values[i]
