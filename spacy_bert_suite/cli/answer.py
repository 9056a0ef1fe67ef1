"""Questions about a text, on the command line."""

from pathlib import Path
from typing import Any, List, Optional, Tuple

import click

from ..errors import Errors
from .main import PATH, TEXT, clean_errors, cli, read_texts


@cli.command()
@click.argument("model")
@click.argument("text", metavar="FILE", type=PATH)
@click.argument("questions", metavar="QUESTION...", nargs=-1, type=TEXT)
@click.option("--file", "-f", "files", multiple=True, type=PATH, help="A question on every line.")
@click.option("--top-k", default=1, show_default=True, help="Answers to each question.")
@click.option("--output", "-o", type=PATH, help="Write to this file instead of the console.")
def answer(
    model: str,
    text: Path,
    questions: Tuple[str, ...],
    files: Tuple[Path, ...],
    top_k: int,
    output: Optional[Path],
) -> None:
    """Answer each QUESTION about the text in FILE with the pipeline MODEL, which has bert_qa.

    A line for each answer: question, answer (empty for none), probability and the sentence that it
    is in, with tabs between them.
    """
    with clean_errors():
        asked = [*questions, *read_texts(files, lines=True)]
        if not asked:
            raise ValueError(Errors.B247)
        found = answers_of(model, "\n".join(read_texts([text], lines=False)), asked, top_k)
        lines = [line_of(one) for answers in found for one in answers]
        if output is None:
            click.echo("\n".join(lines))
            return
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text("\n".join([*lines, ""]), encoding="utf8")
    click.echo(f"{len(asked)} questions -> {output}")


def answers_of(model: str, text: str, asked: List[str], top_k: int) -> List[List[Any]]:
    """RETURNS (List[List[Answer]]): For each question its answers, best first."""
    import spacy

    from ..converters import MAX_TEXT
    from ..open_domain import find_reader, make_doc

    try:
        nlp = spacy.load(model)
    except (ValueError, OSError, ImportError) as error:
        raise ValueError(Errors.B214.format(name=model, reason=error)) from error
    nlp.max_length = max(nlp.max_length, MAX_TEXT)
    doc = make_doc(nlp, text)
    return find_reader(nlp).answer_pairs([(doc, question) for question in asked], top_k)


def line_of(one: Any) -> str:
    sentence = "" if one.sentence is None else one.sentence.text
    cells = [one.question, one.text, f"{one.probability:.3f}", sentence]
    return "\t".join(" ".join(cell.split()) for cell in cells)
