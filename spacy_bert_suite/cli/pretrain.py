"""The commands `pretrain` and `fill-mask`."""

from pathlib import Path
from typing import Any

import click

from .group import (
    PATH,
    POSITIVE,
    PRECISION,
    SEED,
    TEXT,
    clean_errors,
    cli,
    refuse_inside,
    show_lines,
)
from .processes import (
    interruptible,
    is_for_launcher,
    processes_option,
    start_processes,
    work_together,
)

OBJECTIVES = ("mlm", "mlm+nsp", "mlm+sop")
RATE = click.FloatRange(min=0, min_open=True)
SHARE = click.FloatRange(0, 1)


@cli.command()
@click.argument("paths", metavar="INPUT... OUTPUT", nargs=-1, required=True, type=PATH)
@click.option("--model", default="embedded", show_default=True, help="Folder of a BERT, or a name.")
@click.option("--objective", type=click.Choice(OBJECTIVES), default="mlm+nsp", show_default=True)
@click.option("--max-length", default=128, type=POSITIVE, show_default=True,
              help="Wordpieces per instance.")  # fmt: skip
@click.option("--batch-size", default=32, type=POSITIVE, show_default=True,
              help="Instances per batch.")  # fmt: skip
@click.option("--accumulate", default=1, type=POSITIVE, show_default=True,
              help="Split each batch into this many parts.")  # fmt: skip
@click.option("--steps", default=10_000, type=POSITIVE, show_default=True,
              help="Updates of the weights.")  # fmt: skip
@click.option("--learn-rate", default=1e-4, type=RATE, show_default=True,
              help="Highest learning rate.")  # fmt: skip
@click.option("--warmup", default=0.1, type=SHARE, show_default=True,
              help="Share of the steps until that rate.")  # fmt: skip
@click.option("--whole-words/--pieces", default=True, show_default=True,
              help="Mask whole words, or wordpieces.")  # fmt: skip
@click.option("--sentences", default="sentencizer", show_default=True,
              help="What sets sentence boundaries: sentencizer, lines, or a pipeline.")  # fmt: skip
@click.option("--dev", type=PATH, help="Text for evaluation; by default, the start of INPUT.")
@click.option("--dev-instances", default=1000, type=click.IntRange(min=0), show_default=True,
              help="How many instances of it to score; 0 for all.")  # fmt: skip
@click.option("--eval-every", default=500, type=POSITIVE, show_default=True,
              help="Steps between evaluations.")  # fmt: skip
@click.option("--seed", default=0, type=SEED, show_default=True,
              help="Seed of weights, order, pairs and masks.")  # fmt: skip
@click.option("--workers", default=1, type=click.IntRange(min=0), show_default=True,
              help="Processes that prepare text.")  # fmt: skip
@click.option("--lang", default="en", show_default=True, help="Language of the tokenizer.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--precision", type=PRECISION, default="auto", show_default=True)
@click.option("--resume", is_flag=True, help="Resume from the last checkpoint in OUTPUT.")
@processes_option
@click.pass_context
def pretrain(
    context: click.Context, paths: tuple[Path, ...], resume: bool, processes: int, **options: Any
) -> None:
    """Train a BERT on plain text.

    INPUT are files or folders of text: .txt (one paragraph or sentence per line, blank lines
    between documents), .jsonl (a document as the "text" of each record), both also .gz, or
    .spacy. OUTPUT is the folder for config.cfg (for 'spacy train'), model-last, model-best, and
    checkpoint, which opens in transformers and works as the backbone of other pipelines.
    """
    from ..tasks.pretrainer import recipe

    if len(paths) < 2:
        raise click.UsageError("Give at least one file of text and the folder to write.")
    *inputs, output = paths
    dev = options["dev"]
    refuse_inside(output, inputs if dev is None else [*inputs, dev])
    if is_for_launcher(processes):
        with clean_errors(), interruptible():
            start_processes(context)
        return
    with clean_errors(), interruptible(), work_together():
        asked = recipe.Recipe(inputs=inputs, **options)
        if asked.dev is None:
            click.echo("No --dev: the scores are of text that is trained on.")
        checkpoint = recipe.pretrain(recipe.make_config(asked), output, resume=resume)
        click.echo(f"{output / recipe.BEST}, {checkpoint}")


@cli.command("fill-mask")
@click.argument("model")
@click.argument("texts", metavar="TEXT...", nargs=-1, required=True, type=TEXT)
@click.option("--top-k", "-k", default=5, show_default=True, help="Fills per mask.")
@click.option("--output", "-o", type=PATH, help="Write to this file instead of the console.")
def fill_mask(model: str, texts: tuple[str, ...], top_k: int, output: Path | None) -> None:
    """Predict what fills [MASK] in each TEXT.

    MODEL is a pipeline with bert_pretrainer, or the folder of a BertForMaskedLM. One
    tab-separated line per fill: wordpiece, probability and the completed text.
    """
    from ..tasks.pretrainer.fill_mask import find_filler

    with clean_errors():
        found = find_filler(model)(texts, top_k=top_k)
        masks = [fills for row in found for fills in (row if isinstance(row[0], list) else [row])]
        lines = [f"{fill.token}\t{fill.score:.4f}\t{fill.text}" for m in masks for fill in m]
        show_lines(lines, output, f"{len(masks)} masks")
