"""The command `evaluate`."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from ..errors import CodedValueError, Errors
from .group import PATH, clean_errors, cli, refuse_input, write_text

Rows = list[tuple[str, ...]]
Table = tuple[str, Rows, tuple[str, ...]]  # title, rows, header
TOKENIZER, SPEED = "tokenizer", "speed"  # keys of `nlp.evaluate`
PRF = ("p", "r", "f")
NO_SHARES = ("_loss", "_perplexity", "_threshold", "_mae")  # what is no share of 100


@cli.command()
@click.argument("model")
@click.argument("data", type=PATH)
@click.option("--task", "-t", help="Score the component of this task alone: ner, qa, ...")
@click.option("--output", "-o", type=PATH, help="A .json file to write all scores to.")
@click.option("--gold-preproc", "-G", is_flag=True, help="Keep the tokens of a .spacy file.")
@click.option("--per-component", "-P", is_flag=True, help="Write the scores by component.")
def evaluate(
    model: str,
    data: Path,
    task: str | None,
    output: Path | None,
    gold_preproc: bool,
    per_component: bool,
) -> None:
    """Score the pipeline MODEL on DATA and print the scores of every component.

    DATA is a .spacy corpus, or what the reader of one of its components takes: pairs as .jsonl,
    .tsv or .csv, questions as .json or .jsonl, summaries as .jsonl, plain text as .txt.
    """
    from wasabi import msg

    with clean_errors():
        refuse_input(output, [data])
        from ..core.pipelines import load_pipeline
        from ..tasks.evaluation import evaluate as score
        from ..tasks.evaluation import flat

        scores = score(load_pipeline(model), data, task=task, gold_preproc=gold_preproc)
        if not scored(scores):
            raise CodedValueError(Errors.B272.format(path=data, found=", ".join(scores)))
        for title, rows, header in tables_of(scores):
            aligns = ("l", *["r"] * (len(rows[0]) - 1))
            msg.table(rows, title=title, header=header, aligns=aligns)
        if output:
            written = scores if per_component else flat(scores)
            write_text(output, json.dumps(written, indent=2) + "\n")
            msg.good(f"Saved results to {output}")


def tables_of(scores: Mapping[str, Any]) -> Iterator[Table]:
    """YIELDS (Table): For each component with gold its scores, and those by label."""
    first: Rows = (
        [("TOK", as_text("", scores[TOKENIZER]["token_acc"]))] if TOKENIZER in scores else []
    )
    yield "Results", [*first, ("SPEED", f"{scores[SPEED]:.0f}")], ()
    for name, values in scored(scores).items():
        plain: Rows = [(key, as_text(key, v)) for key, v in values.items() if not is_by_label(v)]
        yield name, plain, ()
        for key, value in values.items():
            if is_by_label(value) and value:
                yield f"{name}: {key}", rows_by_label(value), header_of(key, value)


def scored(scores: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """RETURNS (dict[str, Mapping[str, Any]]): Scores of components for which there was gold."""
    return {
        name: values
        for name, values in scores.items()
        if name not in (TOKENIZER, SPEED) and any(v not in (None, {}) for v in values.values())
    }


def is_by_label(value: Any) -> bool:
    return isinstance(value, Mapping)


def header_of(key: str, value: Mapping[str, Any]) -> tuple[str, ...]:
    is_prf = all(is_by_label(each) for each in value.values())
    return ("", *map(str.upper, PRF)) if is_prf else ("", "AUC" if "_auc_" in key else "")


def rows_by_label(value: Mapping[str, Any]) -> Rows:
    return [
        (label, *(as_text("", each.get(key)) for key in PRF))
        if is_by_label(each)
        else (label, as_text("", each))
        for label, each in value.items()
    ]


def as_text(key: str, value: Any) -> str:
    """RETURNS (str): A share as spaCy prints it, times 100; other numbers as they are."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "-" if value is None else str(value)
    return f"{value:.4f}" if key.endswith(NO_SHARES) else f"{value * 100:.2f}"
