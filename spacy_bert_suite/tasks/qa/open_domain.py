"""Open-domain questions: retrieve passages, then read (Chen et al. 2017)."""

from typing import Any, NamedTuple

from spacy.language import Language
from spacy.pipeline import Sentencizer
from spacy.tokens import Doc

from ...core.text import replace_surrogates
from ...errors import CodedValueError, Errors
from .answers import Answer, choose_answers
from .spans import join_readings


class RetrievedAnswer(NamedTuple):
    """An answer, and where it was found.

    answer (Answer): Its span lies in a Doc made of the text of the hit. Probabilities are over
        the spans of all passages that were read.
    hit (Hit | None): The entry of the index: id, text, metadata. None for no answer.
    """

    answer: Answer
    hit: Any


def ask(
    index: Any,
    question: str,
    *,
    nlp: Language,
    k: int = 5,
    top_k: int = 1,
    name: str = "bert_qa",
    **options: Any,
) -> list[RetrievedAnswer]:
    """Answer a question from a collection of texts.

    index (SemanticIndex): The collection.
    question (str): The question.
    nlp (Language): A pipeline with "bert_qa".
    k (int): Passages to read, the best of the search.
    top_k (int): Answers wanted.
    name (str): Name of the component that reads.
    **options: Of `SemanticIndex.batch`: mode, where, and so on.
    RETURNS (list[RetrievedAnswer]): At least one, best first: from all passages as if they were
    one text.
    RAISES (ValueError): If the question is empty, or the pipeline has no such component.
    """
    reader = find_reader(nlp, name)
    hits = index.search(question, k, **options)
    docs = [make_doc(nlp, hit.text) for hit in hits]
    by_doc = {id(doc): hit for doc, hit in zip(docs, hits)}
    # An empty text stands for a search that finds nothing.
    pairs = [(doc, question) for doc in docs or [nlp.make_doc("")]]
    reading = join_readings(reader.score_candidates(pairs, top_k))
    answers = choose_answers(reading, question, reader.null_threshold, top_k)
    return [RetrievedAnswer(answer, _hit_of(answer, by_doc)) for answer in answers]


def find_reader(nlp: Language, name: str = "bert_qa") -> Any:
    """RETURNS (BertQuestionAnswering): The component that answers questions.
    RAISES (ValueError): If the pipeline has none of that name.
    """
    if name not in nlp.pipe_names:
        raise CodedValueError(Errors.B246.format(name=name, found=", ".join(nlp.pipe_names)))
    return nlp.get_pipe(name)


def _hit_of(answer: Answer, by_doc: Any) -> Any | None:
    return None if answer.span is None else by_doc[id(answer.span.doc)]


def make_doc(nlp: Language, text: str) -> Doc:
    """RETURNS (Doc): The tokens, and the sentences if the pipeline finds any: by a sentencizer
    alone, or by a senter or parser and all that stands before it.
    """
    doc = nlp.make_doc(replace_surrogates(text))
    setters = [i for i, name in enumerate(nlp.pipe_names) if sets_sentences(nlp, name)]
    pipes: list[Any] = [pipe for _, pipe in nlp.pipeline]
    needed = [pipes[i] for i in setters]
    if not all(isinstance(pipe, Sentencizer) for pipe in needed):
        needed = pipes[: setters[-1] + 1]
    for pipe in needed:
        doc = pipe(doc)
    return doc


def sets_sentences(nlp: Language, name: str) -> bool:
    assigned = nlp.get_pipe_meta(name).assigns
    return "token.is_sent_start" in assigned or "doc.sents" in assigned
