"""The command `init-config`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import CodedValueError, Errors
from ..tasks.registry import TASKS
from .group import PATH, POSITIVE, clean_errors, cli, split_names

if TYPE_CHECKING:
    from ..training.new_config import Plan

CORPUS = "[TASK=]FILE"
MACHINE = click.Choice(["small", "large"])  # as in new_config.machine, heavy to import

FACTORIES = [factory for each in TASKS.values() for factory in each.factories]
NAMES = ", ".join(factory.removeprefix("bert_") for factory in FACTORIES)
HELP = f"""Write a config, OUTPUT (- for the console), for 'spacy train', with learning rates that
suit the weights.

Tasks: {NAMES}. A FILE is .spacy, or what the task's reader takes: pairs as .jsonl, .tsv or .csv,
questions as .json or .jsonl, summaries as .jsonl, plain text as .txt.
"""


@cli.command("init-config", help=HELP)
@click.argument("output", type=PATH)
@click.option("--tasks", "-t", required=True, metavar="TASK,TASK", help="What to train.")
@click.option("--train", "train", multiple=True, required=True, metavar=CORPUS,
              help="Training corpus; repeatable, with TASK= for one task.")  # fmt: skip
@click.option("--dev", "dev", multiple=True, required=True, metavar=CORPUS,
              help="Corpus to evaluate on; the same.")  # fmt: skip
@click.option("--lang", "-l", default="en", show_default=True, help="Language of the tokenizer.")
@click.option("--weights", "-w", default="embedded", show_default=True,
              help="Folder of a BERT, or a name.")  # fmt: skip
@click.option("--size", type=MACHINE, default="small", show_default=True,
              help="Of the machine: small is up to 8 GB, of the GPU if any.")  # fmt: skip
@click.option("--steps", type=POSITIVE, help="Updates, at least.  [default: by task]")
@click.option("--epochs", type=click.FloatRange(min=0),
              help="Passes over the data, at least.  [default: by task]")  # fmt: skip
@click.option("--force", "-F", is_flag=True, help="Replace OUTPUT.")
def init_config(
    output: Path,
    tasks: str,
    train: tuple[str, ...],
    dev: tuple[str, ...],
    lang: str,
    weights: str,
    size: str,
    steps: int | None,
    epochs: float | None,
    force: bool,
) -> None:
    """Find out what the corpora and the weights are, and write a config for them."""
    with clean_errors():
        from ..tasks.configs import find_tasks
        from ..training.new_config import Request, make_plan, make_text, write

        if not is_console(output) and output.exists() and not force:
            raise CodedValueError(Errors.B271.format(path=output))
        corpora = {"train": read_corpora(train), "dev": read_corpora(dev)}
        asked = Request(
            find_tasks(split_names(tasks)),
            **corpora,
            lang=lang,
            weights=weights,
            machine=size,
            steps=steps,
            epochs=epochs,
        )
        plan = make_plan(asked)
        text = make_text(plan, title_of(plan, output))
        if is_console(output):
            click.echo(text, nl=False)
        else:
            write(text, output)
    click.echo(summary_of(plan), err=is_console(output))
    if not is_console(output):
        click.echo(f"-> {output}\nTo train: {train_command(output)}")


def is_console(output: Path) -> bool:
    return str(output) == "-"


def read_corpora(given: Sequence[str]) -> dict[str, Path]:
    """RETURNS (dict[str, Path]): Files by task; that for all has the key ""."""
    found: dict[str, Path] = {}
    for value in given:
        task, equals, path = value.partition("=")
        # A path may have a "=" in it.
        is_path = not equals or not task.replace("_", "").isalnum()
        key = "" if is_path else task.removeprefix("bert_")
        if key in found:
            raise click.UsageError(f"'{value}': there is a file for {key or 'all tasks'} already.")
        found[key] = Path(value if is_path else path)
    return found


def train_command(output: Path) -> str:
    return f"python -m spacy train {'CONFIG' if is_console(output) else output} --output training"


def title_of(plan: "Plan", output: Path) -> str:
    """RETURNS (str): What stands above the config."""
    names = ", ".join(task.name for task in plan.tasks)
    dev = plan.groups[0].paths["dev"]
    lines = [f"{names}: written by `python -m spacy bert init-config`."]
    lines += [f"Train: {train_command(output)}"]
    lines += [f"Evaluate: python -m spacy bert evaluate training/model-best {dev}"]
    return "\n".join(lines)


def summary_of(plan: "Plan") -> str:
    """RETURNS (str): How fast what learns."""
    shape = plan.shape
    known = (
        f"{shape.n_layers} layers, {shape.width} wide" if shape else f"size unknown: {plan.size}"
    )
    rate, backbone = plan.rate.heads, plan.rate.heads * plan.rate.scale
    names = ", ".join(task.name for task in plan.tasks)
    return (
        f"{names} on {plan.request.weights} ({known}): learning rate {rate:g}, of the backbone "
        f"{backbone:g}"
    )
