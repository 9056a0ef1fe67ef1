"""The command `convert`."""

from itertools import product
from pathlib import Path

import click

from .group import PATH, clean_errors, cli, parse_renames, split_names

KINDS = ("ner", "textcat", "sentiment", "multitask", "pairs", "qa", "summaries")


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
    from ..tasks import convert as converters

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
