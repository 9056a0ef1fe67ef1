"""The command `compare`."""

from collections.abc import Iterator
from typing import Any

import click

from ..errors import CodedValueError, Errors
from .group import TEXT, clean_errors, cli


@cli.command()
@click.argument("model")
@click.argument("first", type=TEXT)
@click.argument("second", type=TEXT)
def compare(model: str, first: str, second: str) -> None:
    """Measure how similar FIRST and SECOND are, with the pipeline MODEL.

    One tab-separated line for each result: the probability that bert_paraphrase predicts (or one
    for each class) and the cosine that bert_similarity computes.
    """
    with clean_errors():
        lines = [f"{name}\t{value:.3f}" for name, value in comparisons(model, first, second)]
    click.echo("\n".join(lines))


def comparisons(model: str, first: str, second: str) -> Iterator[tuple[str, float]]:
    """YIELDS (tuple[str, float]): What is compared, and the result."""
    from ..core.pipelines import load_pipeline
    from ..tasks.paraphrase.component import BertParaphrase
    from ..tasks.similarity.component import BertSimilarity
    from ..vectors.norms import unit

    nlp = load_pipeline(model)
    pipes = [pipe for _, pipe in nlp.pipeline if isinstance(pipe, (BertParaphrase, BertSimilarity))]
    if not pipes:
        raise CodedValueError(Errors.B193.format(found=", ".join(nlp.pipe_names)))
    for pipe in pipes:
        if isinstance(pipe, BertSimilarity):
            one, other = unit(pipe.encode([first, second]))
            yield pipe.name, float(one @ other)
        else:
            yield from paraphrase_scores(pipe, first, second)


def paraphrase_scores(pipe: Any, first: str, second: str) -> Iterator[tuple[str, float]]:
    (found,) = pipe.predict_pairs([(first, second)])
    if pipe.mode == "classes":
        yield from ((f"{pipe.name} {name}", value) for name, value in zip(pipe.labels, found))
    else:
        yield pipe.name, float(found)
