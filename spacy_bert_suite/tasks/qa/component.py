"""bert_qa: questions about a text, answered with spans of it."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import (
    Any,
)

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Config, Model

from ...backbone.passes.pairs import (
    PairEncoder,
    TextPair,
    check_room,
    have_room,
    shortened,
)
from ...core.attributes import Registered
from ...core.collectives import totals_of
from ...core.validation import as_whole, check_config
from ...data.multitask import examples_for, is_for
from ...data.questions import Question, check_question, get_question
from ...errors import CodedValueError, Errors, Warnings
from ...heads.pipe import HeadPipe
from ...heads.tuning import before_saving
from .answers import Answer, Asked, choose_answers
from .corpus import read_examples
from .logits import PairLogits
from .model import answer_loss
from .scorer import best_null_threshold, f1_score
from .spans import SpanCandidates, extract_candidates, score_spans

DEFAULT_CONFIG = Config().from_str("""
[bert_qa]
null_threshold = null
max_answer_pieces = 30

[bert_qa.scorer]
@scorers = "spacy-bert-suite.qa_scorer.v1"

[bert_qa.model]
@architectures = "spacy-bert-suite.AnswerExtractor.v1"
dropout = 0.0

[bert_qa.model.pairs]
@architectures = "spacy-bert-suite.PairEncoder.v1"
upstream = "bert"
""")

# Characters of texts and questions in one pass; four make about one wordpiece.
READ_AT_ONCE = 262_144


@Language.factory(
    "bert_qa",
    assigns=["doc._.answers"],
    default_config=DEFAULT_CONFIG["bert_qa"],
    default_score_weights={
        "qa_f1": 1.0,
        "qa_em": None,
        "qa_has_answer_em": None,
        "qa_has_answer_f1": None,
        "qa_no_answer_acc": None,
    },
)
def make_bert_qa(
    nlp: Language,
    name: str,
    model: Model[list[TextPair], PairLogits],
    null_threshold: float | None,
    max_answer_pieces: int,
    scorer: Callable | None,
) -> "BertQuestionAnswering":
    """Construct a component that answers questions.

    model (Model): Logits of start and end for pairs of a question and a text.
    null_threshold (float | None): There is no answer if the score of "no answer" is above that
        of the best span by more than this. Without it, `initialize` decides: 0 if the data holds
        questions without an answer, and if not, every question gets one.
    max_answer_pieces (int): Most wordpieces in an answer.
    scorer (Callable | None): The scoring method.
    """
    check_config(name, "max_answer_pieces", max_answer_pieces, max_answer_pieces >= 1, "at least 1")
    return BertQuestionAnswering(
        nlp.vocab,
        model,
        name,
        null_threshold=null_threshold,
        max_answer_pieces=max_answer_pieces,
        scorer=scorer,
    )


class BertQuestionAnswering(HeadPipe):
    """Answers `doc._.questions` in `doc._.answers`, and any question with `answer`. A question and
    a text make a pass of their own through the backbone.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[TextPair], PairLogits],
        name: str = "bert_qa",
        *,
        null_threshold: float | None = None,
        max_answer_pieces: int = 30,
        scorer: Callable | None = None,
    ):
        self.vocab = vocab
        self.model = model
        self.name = name
        self.scorer = scorer
        self.max_answer_pieces = max_answer_pieces
        self.given_threshold = null_threshold
        self.cfg: dict[str, Any] = {}
        self._set_threshold(null_threshold)
        self._registered = Registered(name, ["doc.questions", "doc.answers"])

    @property
    def null_threshold(self) -> float | None:
        """RETURNS (float | None): Null score above which there is no answer; None for never."""
        # Where a saved component is loaded with another value in the config, that one holds.
        is_edited = repr(self.given_threshold) != self.cfg["given"]
        return self.given_threshold if is_edited else self.cfg["null_threshold"]

    def _set_threshold(self, value: float | None) -> None:
        # As text: of numbers, JSON keeps ten decimals here.
        self.cfg.update(null_threshold=value, given=repr(self.given_threshold))

    @property
    def _encoder(self) -> PairEncoder:
        return self.model.layers[0]  # type: ignore[return-value]

    # Answering

    def answer(
        self,
        docs: Doc | Iterable[Doc],
        questions: str | Iterable[str],
        top_k: int = 1,
    ) -> Any:
        """Answer questions about docs, every question about every doc.

        docs (Doc | Iterable[Doc]): One or several.
        questions (str | Iterable[str]): One or several.
        top_k (int): Answers wanted. Spans that overlap a better one are left out.
        RETURNS (Answer | List): An `Answer`, or with `top_k` above 1 a list, best first. For
            several questions a list of these; for several docs a list of those.
        RAISES (ValueError): If a question is empty, or longer than a window has room for; if
            something else than a Doc is given.
        """
        doc_list = as_list(docs)
        asked = as_list(questions)
        pairs = [(doc, question) for doc in doc_list for question in asked]
        found = iter(self.answer_pairs(pairs, top_k))
        by_doc: list[Any] = []
        for _ in doc_list:
            answers = [next(found) for _ in asked]
            row = answers if top_k > 1 else [best for (best,) in answers]
            by_doc.append(row[0] if isinstance(questions, str) else row)
        return by_doc[0] if isinstance(docs, Doc) else by_doc

    def answer_pairs(self, pairs: Iterable[Asked], top_k: int = 1) -> list[list[Answer]]:
        """Answer each question about its own doc, all in batches.

        pairs (Iterable[tuple[Doc, str]]): Docs and questions.
        top_k (int): Answers wanted for each.
        RETURNS (list[list[Answer]]): For each pair its answers, best first.
        """
        pairs = list(pairs)
        check_top_k(top_k, self.name)
        readings = self.score_candidates(pairs, top_k)
        return [
            choose_answers(reading, question, self.null_threshold, top_k)
            for reading, (_, question) in zip(readings, pairs)
        ]

    def score_candidates(self, pairs: Iterable[Asked], top_k: int = 1) -> list[SpanCandidates]:
        """RETURNS (list[SpanCandidates]): What is found for each pair of a doc and a question,
        before it is decided whether there is an answer. A pair that comes twice is read once.
        """
        pairs = list(pairs)
        check_top_k(top_k, self.name)
        places: dict[TextPair, list[int]] = {}
        for place, asked in enumerate(pairs):
            if not isinstance(asked, (tuple, list)) or len(asked) != 2:
                raise CodedValueError(Errors.B252.format(name=self.name, found=f"{asked!r:.60}"))
            doc, question = asked
            check_doc(doc, self.name)
            check_question(question, self.name)
            places.setdefault((question, doc.text), []).append(place)
        self._encoder.flush_pending_step()
        readings: dict[int, SpanCandidates] = {}
        for batch in batches(list(places)):
            scores = score_spans(self.model.predict(batch), self.max_answer_pieces)
            for pair, spans in zip(batch, scores):
                for place in places[pair]:
                    readings[place] = extract_candidates(spans, pairs[place][0], top_k)
        return [readings[place] for place in range(len(pairs))]

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Answer the questions of a stream of docs.

        YIELDS (Doc): The docs in order. One with a question that cannot be asked, empty or longer
            than a window has room for, goes to the error handler, without the rest of its batch;
            where that raises no error, the doc is left out.
        """
        yield from super().pipe(filter(self._can_be_asked, stream), batch_size=batch_size)

    def _can_be_asked(self, doc: Doc) -> bool:
        try:
            asked = questions_of(doc) or []
            for question in asked:
                check_question(question, self.name)
            if asked:
                check_room(self._encoder, [(question, doc.text) for question in asked])
        except ValueError as error:
            self.get_error_handler()(self.name, self, [doc], error)
            return False
        return True

    def predict(self, docs: Iterable[Doc]) -> list[list[Answer] | None]:  # type: ignore[override]
        """RETURNS (list[list[Answer] | None]): For each doc an answer to each of its questions;
        None for a doc without `doc._.questions`.
        """
        docs = list(docs)
        asked = [questions_of(doc) for doc in docs]
        pairs = [(doc, text) for doc, texts in zip(docs, asked) for text in texts or ()]
        found = iter(self.answer_pairs(pairs))
        return [None if texts is None else [next(found)[0] for _ in texts] for texts in asked]

    def set_annotations(  # type: ignore[override]
        self, docs: Iterable[Doc], answers: Sequence[list[Answer] | None]
    ) -> None:
        """Write `doc._.answers`, a dict for each question."""
        for doc, of_doc in zip(docs, answers):
            if of_doc is not None:
                doc._.answers = [answer.to_dict() for answer in of_doc]

    # Training

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: dict | None = None,
    ) -> None:
        """Build the head, and see whether there are questions without an answer.

        get_examples (Callable): Gives examples with questions.
        RAISES (ValueError): If none has a question.
        """
        examples = examples_for(get_examples, self.name)
        questions = [found for eg in examples if (found := self._question(eg))]
        if not questions:
            raise CodedValueError(Errors.B244.format(name=self.name))
        always = all(question.is_answerable for question in questions)
        by_default = None if always else 0.0
        given = self.given_threshold
        self._set_threshold(by_default if given is None else given)
        self.model.initialize()

    def _question(self, eg: Example) -> Question | None:
        return get_question(eg) if is_for(eg, self.name) else None

    def select_examples(self, examples: Sequence[Example]) -> list[tuple[TextPair, Any]]:
        """RETURNS (list[tuple[TextPair, Any]]): Question and text, and where the answer stands."""
        found = self._with_room(examples)
        return [((asked.text, eg.predicted.text), asked.target) for eg, asked in found]

    def _with_room(self, examples: Iterable[Example]) -> list[tuple[Example, Question]]:
        """RETURNS (list[tuple[Example, Question]]): The examples with a question, but for those
        whose question leaves no room for the text: of them there is a warning.
        """
        found = [(eg, asked) for eg in examples if (asked := self._question(eg)) is not None]
        if not found:
            return []
        fits = have_room(self._encoder, [(asked.text, eg.predicted.text) for eg, asked in found])
        too_long = [asked.text for (_, asked), fit in zip(found, fits) if not fit]
        if too_long:
            self._warn_of_long(too_long, len(found))
        return [one for one, fit in zip(found, fits) if fit]

    def _warn_of_long(self, too_long: Sequence[str], n_all: int) -> None:
        message = Warnings.B913.format(
            name=self.name,
            n=len(too_long),
            n_all=n_all,
            window=self._encoder.get_backbone().window,
            first=shortened(too_long[0]),
        )
        warnings.warn(message, stacklevel=2)

    def update_batch(self, gold: Sequence[tuple[TextPair, Any]]) -> float:
        """Forward and backward pass. RETURNS (float): The loss, the mean over windows."""
        found, backprop = self.model.begin_update([pair for pair, _ in gold])
        loss, gradient = answer_loss(found, [answer for _, answer in gold])
        n_windows = len(found.starts)
        share = n_windows / max(1, totals_of(n_windows)[0])
        backprop((gradient * share,))  # type: ignore[arg-type]
        return loss * share

    # Scoring

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """Score the examples that hold a question that can be read; none: no scores."""
        mine = [eg for eg, _ in self._with_room(examples)]
        if not mine or self.scorer is None:
            return {}
        return self.scorer(mine, answer_pairs=self.answer_pairs, **kwargs)

    def tune_null_threshold(self, examples: Iterable[Example]) -> float | None:
        """Find the threshold for "no answer" with the best F1. Saved with the component.

        examples (Iterable[Example]): Development questions, with and without an answer.
        RETURNS (float | None): The threshold; None, to answer all, where each has an answer.
        RAISES (ValueError): If none holds a question that can be read.
        """
        mine = [(eg.predicted, asked) for eg, asked in self._with_room(examples)]
        if not mine:
            raise CodedValueError(Errors.B245.format(name=self.name))
        threshold = None
        if not all(question.is_answerable for _, question in mine):
            readings = self.score_candidates([(doc, question.text) for doc, question in mine])
            gold = [[text for text, _ in question.answers] for _, question in mine]
            best = [reading.candidates[0].span.text if reading.candidates else ""
                    for reading in readings]  # fmt: skip
            threshold = best_null_threshold(
                [reading.null_score for reading in readings],
                [f1_score(text, right) for text, right in zip(best, gold)],
                [f1_score("", right) for right in gold],
            )
        self._set_threshold(threshold)
        return threshold


def questions_of(doc: Doc) -> list[str] | None:
    """RETURNS (list[str] | None): `doc._.questions`, where a single one need not be a list."""
    questions = doc._.questions
    if questions is None:
        return None
    return list(questions) if isinstance(questions, (list, tuple)) else [questions]


def as_list(values: Any) -> list[Any]:
    """RETURNS (list[Any]): All of an iterable; a text, a Doc or anything else as the only one."""
    is_one = isinstance(values, (str, Doc, Span)) or not isinstance(values, Iterable)
    return [values] if is_one else list(values)


def check_doc(doc: object, name: str) -> None:
    """RAISES (ValueError): If it is no Doc, of which an answer would be a span."""
    if not isinstance(doc, Doc):
        raise CodedValueError(Errors.B248.format(name=name, kind=type(doc).__name__))


def check_top_k(top_k: object, name: str) -> None:
    number = as_whole(top_k) or 0
    check_config(name, "top_k", top_k, number >= 1, "a whole number of at least 1")


def length(pair: TextPair) -> int:
    return len(pair[0]) + len(pair[1]) + 1


def batches(pairs: Sequence[TextPair]) -> Iterator[list[TextPair]]:
    """YIELDS (list[TextPair]): The pairs in order, at most `READ_AT_ONCE` characters at a time, or
    one pair.
    """
    batch: list[TextPair] = []
    n_characters = 0
    for pair in pairs:
        if batch and n_characters + length(pair) > READ_AT_ONCE:
            yield batch
            batch, n_characters = [], 0
        batch.append(pair)
        n_characters += length(pair)
    if batch:
        yield batch


def make_tune_null_threshold(path: str) -> Callable[[Language], Language]:
    """Registered as the callback "spacy-bert-suite.tune_null_threshold.v1", for
    `training.before_to_disk`: tunes the threshold of every `bert_qa` before it is saved.

    path (str): Development questions: a `.spacy` corpus, or a file as for `QuestionCorpus.v1`.
    """
    return before_saving("tune_null_threshold", lambda nlp: read_examples(path, nlp))
