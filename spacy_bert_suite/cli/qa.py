"""The command `answer`."""

from pathlib import Path
from typing import Any

import click

from ..errors import CodedValueError, Errors
from .group import PATH, TEXT, clean_errors, cli, read_texts, refuse_input, show_lines


@cli.command()
@click.argument("model")
@click.argument("text", metavar="FILE", type=PATH)
@click.argument("questions", metavar="QUESTION...", nargs=-1, type=TEXT)
@click.option("--questions", "-q", "files", multiple=True, type=PATH,
              help="A file with one question per line; repeatable.")  # fmt: skip
@click.option("--top-k", "-k", default=1, show_default=True, help="Answers per question.")
@click.option("--output", "-o", type=PATH, help="Write to this file instead of the console.")
def answer(
    model: str,
    text: Path,
    questions: tuple[str, ...],
    files: tuple[Path, ...],
    top_k: int,
    output: Path | None,
) -> None:
    """Answer each QUESTION about the text in FILE with the pipeline MODEL, which has bert_qa.

    One tab-separated line per answer: question, answer (empty for none), probability and the
    sentence it is in.
    """
    with clean_errors():
        refuse_input(output, [text, *files])
        asked = [*questions, *read_texts(files, lines=True)]
        if not asked:
            raise CodedValueError(Errors.B247)
        found = answers_of(model, "\n".join(read_texts([text], lines=False)), asked, top_k)
        lines = [line_of(one) for answers in found for one in answers]
        show_lines(lines, output, f"{len(asked)} questions")


def answers_of(model: str, text: str, asked: list[str], top_k: int) -> list[list[Any]]:
    """RETURNS (list[list[Answer]]): For each question its answers, best first."""
    from ..core.pipelines import load_pipeline
    from ..tasks.qa.open_domain import find_reader, make_doc

    nlp = load_pipeline(model)
    doc = make_doc(nlp, text)
    return find_reader(nlp).answer_pairs([(doc, question) for question in asked], top_k)


def line_of(one: Any) -> str:
    sentence = "" if one.sentence is None else one.sentence.text
    cells = [one.question, one.text, f"{one.probability:.3f}", sentence]
    return "\t".join(" ".join(cell.split()) for cell in cells)
