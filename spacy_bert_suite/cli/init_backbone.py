"""The command `init-backbone`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .group import PATH, POSITIVE, SEED, clean_errors, cli, refuse_inside

if TYPE_CHECKING:
    from transformers import BertTokenizerFast


@cli.command("init-backbone")
@click.argument("paths", metavar="[TEXT]... OUTPUT", nargs=-1, required=True, type=PATH)
@click.option("--size", default="small", show_default=True, help="One of those named above.")
@click.option("--layers", type=int, help="Number of layers, instead of that of the size.")
@click.option("--width", type=int, help="Width of the states; implies heads of 64.")
@click.option("--heads", type=int, help="Attention heads; the width must be divisible by them.")
@click.option("--intermediate", type=int, help="Width inside the feed-forward parts.")
@click.option("--positions", type=int, help="Longest window, in wordpieces.  [default: 512]")
@click.option(
    "--vocab-size", default=30522, show_default=True, help="Maximum number of wordpieces."
)
@click.option("--lowercase/--cased", default=True, show_default=True,
              help="Drop capitals and accents, or keep them.")  # fmt: skip
@click.option("--min-frequency", default=2, type=POSITIVE, show_default=True,
              help="How often two pieces must occur together to be merged.")  # fmt: skip
@click.option("--characters", default=1000, type=POSITIVE, show_default=True,
              help="Maximum number of characters with pieces of their own.")  # fmt: skip
@click.option("--vocab-from", help="Take the vocabulary of a model, or a folder with vocab.txt.")
@click.option("--seed", default=0, type=SEED, show_default=True, help="Seed of the weights.")
@click.option("--overwrite", is_flag=True, help="Replace the model in OUTPUT.")
def init_backbone(
    paths: tuple[Path, ...],
    size: str,
    vocab_size: int,
    lowercase: bool,
    min_frequency: int,
    characters: int,
    vocab_from: str | None,
    seed: int,
    overwrite: bool,
    **changes: int | None,
) -> None:
    """Write a new BERT with random weights, to be pretrained, to the folder OUTPUT.

    Its WordPiece vocabulary is learned from TEXT: files or folders of .txt, .jsonl with 'text'
    (both also .gz) or .spacy. The sizes are tiny (2 layers, 128 wide), mini (4, 256), small
    (4, 512), medium (8, 512), base (12, 768) and large (24, 1024).
    """
    from ..tasks.pretrainer.new_model import (
        check_target,
        load_vocabulary,
        make_size,
        write_backbone,
    )

    *sources, target = paths
    if bool(sources) == bool(vocab_from):
        raise click.UsageError("Give at least one TEXT and OUTPUT, or --vocab-from and OUTPUT.")
    refuse_inside(target, sources)
    with clean_errors():
        check_target(target, overwrite)
        shape = make_size(size, **changes)
        if vocab_from:
            tokenizer = load_vocabulary(vocab_from, lowercase=lowercase)
        else:
            tokenizer = train(sources, vocab_size, lowercase, min_frequency, characters)
        n_weights = write_backbone(tokenizer, shape, target, seed=seed, overwrite=overwrite)
    if not vocab_from and len(tokenizer) < vocab_size:
        click.echo(f"The texts gave {len(tokenizer):,} wordpieces; {vocab_size:,} were asked for.")
    click.echo(f"{len(tokenizer):,} wordpieces, {n_weights:,} random weights -> {target}")


def train(
    sources: "list[Path]", size: int, lowercase: bool, min_frequency: int, characters: int
) -> "BertTokenizerFast":
    """Learn a vocabulary from files and make a tokenizer of it."""
    from ..tasks.pretrainer.vocabulary import make_tokenizer, texts_of, train_wordpieces

    pieces = train_wordpieces(
        texts_of(sources),
        size=size,
        lowercase=lowercase,
        min_frequency=min_frequency,
        n_characters=characters,
    )
    return make_tokenizer(pieces, lowercase=lowercase)
