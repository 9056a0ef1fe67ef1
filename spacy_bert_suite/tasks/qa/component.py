"""bert_qa: extractive question answering."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Config, Model

from ...backbone.passes.pairs import (
    PairEncoder,
    TextPair,
    check_room,
)
from ...core.attributes import Registered
from ...core.collectives import totals_of
from ...core.validation import check_config
from ...data.multitask import examples_for, is_for
from ...data.questions import Question, check_question, get_question
from ...errors import CodedValueError, Errors
from ...heads.pipe import HeadPipe
from ...heads.tuning import before_saving
from .answers import Answer, Asked, choose_answers
from .asking import as_list, check_pair, check_top_k, questions_of, with_room
from .corpus import read_examples
from .logits import PairLogits
from .model import answer_loss
from .reading import read_candidates
from .spans import SpanCandidates
from .threshold import null_threshold_of

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
        super().__init__(vocab, model, name, scorer=scorer)
        self.max_answer_pieces = max_answer_pieces
        self.given_threshold = null_threshold
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
        for pair in pairs:
            check_pair(pair, self.name)
        return read_candidates(self.model, pairs, self.max_answer_pieces, top_k)

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

    def build_untrained(self, nlp: Language, **settings: Any) -> None:
        """Build the head for weights that come from elsewhere. Unless the config has a threshold,
        every question gets an answer.
        """
        self._set_threshold(self.given_threshold)
        self.model.initialize()

    def _question(self, eg: Example) -> Question | None:
        return get_question(eg) if is_for(eg, self.name) else None

    def select_examples(self, examples: Sequence[Example]) -> list[tuple[TextPair, Any]]:
        """RETURNS (list[tuple[TextPair, Any]]): Question and text, and where the answer stands."""
        found = self._with_room(examples)
        return [((asked.text, eg.predicted.text), asked.target) for eg, asked in found]

    def _with_room(self, examples: Iterable[Example]) -> list[tuple[Example, Question]]:
        found = [(eg, asked) for eg in examples if (asked := self._question(eg)) is not None]
        return with_room(found, self._encoder, self.name) if found else []

    def update_batch(self, gold: Sequence[tuple[TextPair, Any]]) -> float:
        """Forward and backward pass. RETURNS (float): The loss, the mean over windows."""
        found, backprop = self.model.begin_update([pair for pair, _ in gold])
        loss, gradient = answer_loss(found, [answer for _, answer in gold])
        n_windows = len(found.starts)
        share = n_windows / max(1, totals_of(n_windows)[0])
        backprop((gradient * share,))  # type: ignore[arg-type]
        return loss * share

    # Scoring

    def select_scored(self, examples: Sequence[Example]) -> list[Example]:
        """RETURNS (list[Example]): Those with a question that can be read."""
        return [eg for eg, _ in self._with_room(examples)]

    def score_gold(self, scorer: Callable, gold: Sequence[Any], **kwargs: Any) -> dict[str, Any]:
        return scorer(gold, answer_pairs=self.answer_pairs, **kwargs)

    def tune_null_threshold(self, examples: Iterable[Example]) -> float | None:
        """Find the threshold for "no answer" with the best F1. Saved with the component.

        examples (Iterable[Example]): Development questions, with and without an answer.
        RETURNS (float | None): The threshold; None, to answer all, where each has an answer.
        RAISES (ValueError): If none holds a question that can be read.
        """
        found = self._with_room(examples)
        if not found:
            raise CodedValueError(Errors.B245.format(name=self.name))
        threshold = None
        if not all(question.is_answerable for _, question in found):
            readings = self.score_candidates([(eg.predicted, asked.text) for eg, asked in found])
            threshold = null_threshold_of(readings, [asked.answers for _, asked in found])
        self._set_threshold(threshold)
        return threshold


def make_tune_null_threshold(path: str) -> Callable[[Language], Language]:
    """Registered as the callback "spacy-bert-suite.tune_null_threshold.v1", for
    `training.before_to_disk`: tunes the threshold of every `bert_qa` before it is saved.

    path (str): Development questions: a `.spacy` corpus, or a file as for `QuestionCorpus.v1`.
    """
    return before_saving("tune_null_threshold", lambda nlp: read_examples(path, nlp))
