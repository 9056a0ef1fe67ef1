"""Two texts beside each other, on the command line."""

from typing import Any, Iterator, Tuple

import click

from ..errors import Errors
from .main import TEXT, clean_errors, cli


@cli.command()
@click.argument("model")
@click.argument("first", type=TEXT)
@click.argument("second", type=TEXT)
def compare(model: str, first: str, second: str) -> None:
    """Say with the pipeline MODEL how near the texts FIRST and SECOND are to each other.

    A line for each component that can tell, with tabs: what bert_paraphrase finds (a probability,
    or one for each class) and what bert_similarity finds (a cosine).
    """
    with clean_errors():
        lines = [f"{name}\t{value:.3f}" for name, value in comparisons(model, first, second)]
    click.echo("\n".join(lines))


def comparisons(model: str, first: str, second: str) -> Iterator[Tuple[str, float]]:
    """YIELDS (Tuple[str, float]): What is compared, and the result."""
    import spacy

    from ..components.paraphrase import BertParaphrase
    from ..components.similarity import BertSimilarity

    try:
        nlp = spacy.load(model)
    except (ValueError, OSError, ImportError) as error:
        raise ValueError(Errors.B214.format(name=model, reason=error)) from error
    pipes = [pipe for _, pipe in nlp.pipeline if isinstance(pipe, (BertParaphrase, BertSimilarity))]
    if not pipes:
        raise ValueError(Errors.B193.format(found=", ".join(nlp.pipe_names)))
    for pipe in pipes:
        if isinstance(pipe, BertSimilarity):
            one, other = pipe.encode([first, second])
            yield pipe.name, float(one @ other / norm(one, other))
        else:
            yield from paraphrase_scores(pipe, first, second)


def paraphrase_scores(pipe: Any, first: str, second: str) -> Iterator[Tuple[str, float]]:
    (found,) = pipe.predict_pairs([(first, second)])
    if pipe.mode == "classes":
        yield from ((f"{pipe.name} {name}", value) for name, value in zip(pipe.labels, found))
    else:
        yield pipe.name, float(found)


def norm(one: Any, other: Any) -> float:
    """RETURNS (float): Product of the lengths of two vectors, 1 where one is zero."""
    return float((one @ one) * (other @ other)) ** 0.5 or 1.0
