"""The command `convert`."""

from itertools import product
from pathlib import Path

import click

from ..tasks.registry import converters
from .group import PATH, clean_errors, cli, parse_renames, split_names

FILES = "; ".join(f"'{kind}' {each.files}" for kind, each in converters().items())
HELP = f"""Convert annotated texts to a .spacy corpus.

KIND says what INPUT holds (any may be gzipped): {FILES}.
"""


@cli.command(help=HELP)
@click.argument("kind", type=click.Choice([*converters()]))
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
    """Check the places of the output, then convert one file after the other."""
    from ..tasks.convert import convert as convert_file
    from ..tasks.convert import find_split

    check_places(target, splits, datasets)
    with clean_errors():
        renames = parse_renames(rename)
        for dataset, split in product(datasets or ("",), splits or ("",)):
            own_kind, _, folder = dataset.rpartition("=")
            path = find_split(source, split, folder) if split else source
            output = place_of(target, split=split, dataset=folder)
            n_docs = convert_file(
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
