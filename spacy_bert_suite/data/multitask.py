"""MultiTaskCorpus.v1: several corpora, each for some of the components."""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from spacy.language import Language
from spacy.training import Example, validate_get_examples

from ..core.attributes import TASK
from ..errors import CodedValueError, Errors

AND = "+"  # between the names of components that learn from the same examples
MIN_TEMPERATURE = 0.1
MAX_REPEATS = 100  # of an example, on average, in an epoch
Corpus = Callable[[Language], Iterable[Example]]


def is_for(eg: Example, name: str) -> bool:
    """RETURNS (bool): Whether the component `name` may learn from the example: it does not
    bear the names of others only.
    """
    return name in names_in(eg.reference.user_data.get(TASK, name))


def examples_for(
    get_examples: Callable[[], Iterable[Example]], name: str, limit: int | None = None
) -> list[Example]:
    """Read what a component is initialized with.

    get_examples (Callable): Gives examples. If it gives those of a MultiTaskCorpus as they are, as
        `spacy train` does, only the corpora for this component are read: with several components,
        reading all for each may take longer than all the rest.
    name (str): The component.
    limit (int | None): Look at so many examples at most.
    RETURNS (list[Example]): Those that the component may learn from.
    RAISES (TypeError): If it is no function, or gives no examples.
    """
    if not callable(get_examples):
        validate_get_examples(get_examples, f"{name}.initialize")
    given = get_examples()
    if isinstance(given, MultiTaskExamples):
        given = given.only_for(name)
    examples = list(islice(given or (), limit))
    validate_get_examples(lambda: examples or given, f"{name}.initialize")
    return [eg for eg in examples if is_for(eg, name)]


def names_in(key: str) -> list[str]:
    """RETURNS (list[str]): The components that a corpus is for, from its key."""
    return [name.strip() for name in key.split(AND)]


def normalized(key: str) -> str:
    """RETURNS (str): The key of a corpus without white space."""
    return AND.join(names_in(key))


def make_multi_task_corpus(
    corpora: dict[str, Any],
    temperature: float = 1.0,
    shuffle: bool = True,
    seed: int = 0,
    weights: dict[str, float] | None = None,
) -> Corpus:
    """Registered as "spacy-bert-suite.MultiTaskCorpus.v1".

    corpora (dict[str, Callable]): Corpora by the name of the component that learns from each, or
        of several: "bert_ner+bert_textcat". (The type is left open: spaCy checks it before the
        inner readers are made.)
    temperature (float): A corpus of n examples is drawn from in proportion to
        n ** (1 / temperature): 1 takes every example once, more repeats small corpora, less
        repeats large ones.
    shuffle (bool): False reads the corpora one after the other, whole: for evaluation.
    seed (int): Of the order.
    weights (dict[str, float] | None): Factors to that proportion for some corpora, by key: with
        2, an example of this corpus comes twice where one of another comes once.
    RETURNS (Callable): The corpus. Each call gives every example at least once, and raises an
        error where the pipeline lacks a component of a key.
    """
    if not corpora:
        raise CodedValueError(Errors.B100)
    if not temperature >= MIN_TEMPERATURE:
        raise CodedValueError(Errors.B102.format(temperature=temperature))
    factors = {normalized(key): weight for key, weight in (weights or {}).items()}
    keys = [normalized(key) for key in corpora]
    for key, weight in factors.items():
        if key not in keys:
            raise CodedValueError(Errors.B188.format(key=key, found=", ".join(keys)))
        if not isinstance(weight, (int, float)) or not 0 < weight < float("inf"):
            raise CodedValueError(Errors.B189.format(key=key, weight=weight))
    return MultiTaskCorpus(corpora, temperature, shuffle, seed, factors)


class MultiTaskCorpus:
    """Examples of several tasks; each bears the names of the components that it is for."""

    def __init__(
        self,
        corpora: dict[str, Corpus],
        temperature: float,
        shuffle: bool,
        seed: int,
        weights: dict[str, float] | None = None,
    ):
        self.corpora = corpora
        self.temperature = temperature
        self.weights = weights or {}
        self.shuffle = shuffle
        self.random = random.Random(seed)

    def __call__(self, nlp: Language) -> "MultiTaskExamples":
        """RETURNS (MultiTaskExamples): The examples, read when they are asked for."""
        return MultiTaskExamples(self, nlp, list(self.corpora))

    def read(self, nlp: Language, keys: Sequence[str]) -> Iterator[Example]:
        """YIELDS (Example): The examples of the corpora with these keys, mixed."""
        self._check_names(nlp)
        examples = {key: self._read(key, nlp) for key in keys}
        if not self.shuffle:
            for task in examples.values():
                yield from task
            return
        order = self._draw({key: len(task) for key, task in examples.items()}) if keys else []
        streams = {name: self._cycle(task) for name, task in examples.items()}
        for name in order:
            yield next(streams[name])

    def _check_names(self, nlp: Language) -> None:
        for key in self.corpora:
            for name in names_in(key):
                if name not in nlp.component_names:
                    found = ", ".join(nlp.component_names)
                    raise CodedValueError(Errors.B185.format(key=key, name=name, found=found))

    def _read(self, name: str, nlp: Language) -> list[Example]:
        examples = list(self.corpora[name](nlp))
        if not examples:
            raise CodedValueError(Errors.B101.format(name=name))
        return [stamped(eg, name) for eg in examples]

    def _draw(self, sizes: dict[str, int]) -> list[str]:
        """RETURNS (list[str]): A task for each example of an epoch."""
        weights = {
            name: self.weights.get(normalized(name), 1.0) * size ** (1 / self.temperature)
            for name, size in sizes.items()
        }
        # As many rounds as the corpus needs that is drawn from least for its size: spaCy may
        # read the corpus only once, and no example is to be left out.
        rounds = max(sizes[name] / weight for name, weight in weights.items())
        self._check_length(rounds * sum(weights.values()), sum(sizes.values()))
        order = [name for name in sizes for _ in range(round(rounds * weights[name]))]
        self.random.shuffle(order)
        return order

    def _check_length(self, n_drawn: float, n_examples: int) -> None:
        if n_drawn > MAX_REPEATS * n_examples:
            raise CodedValueError(
                Errors.B103.format(
                    temperature=self.temperature, n_examples=n_examples, n_drawn=f"{n_drawn:.3g}"
                )
            )

    def _cycle(self, examples: list[Example]) -> Iterator[Example]:
        while True:
            yield from self.random.sample(examples, len(examples))


class MultiTaskExamples:
    """Examples of several tasks, read anew each time that they are iterated over. A component that
    is initialized asks for those that are for it.
    """

    def __init__(self, corpus: MultiTaskCorpus, nlp: Language, keys: Sequence[str]):
        self.corpus = corpus
        self.nlp = nlp
        self.keys = keys

    def __iter__(self) -> Iterator[Example]:
        return self.corpus.read(self.nlp, self.keys)

    def only_for(self, name: str) -> "MultiTaskExamples":
        """RETURNS (MultiTaskExamples): Those of the corpora for a component."""
        keys = [key for key in self.keys if name in names_in(key)]
        return MultiTaskExamples(self.corpus, self.nlp, keys)


def stamped(eg: Example, name: str) -> Example:
    """RETURNS (Example): A copy that is for the component(s) `name`. The example itself may serve
    other tasks too.
    """
    reference = eg.reference.copy()
    reference.user_data[TASK] = normalized(name)
    return Example(eg.predicted, reference)
