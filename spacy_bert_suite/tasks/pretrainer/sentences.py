"""Sentence splitting of documents, in bounded memory."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from spacy.language import Language
from spacy.pipeline import Sentencizer
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ...core.pipelines import load_pipeline
from ...errors import CodedValueError, Errors
from .text import Document, Paragraph, Tokens, tokens_of

RULE = "sentencizer"
LINES = "lines"
# Then a new vocabulary begins: words that were seen once would stay for ever.
MOST_WORDS = 300_000
MOST_CACHED = 100_000  # chunks between spaces of which the tokenizer remembers the tokens
Split = Callable[[Doc], Doc]


class SentenceSplitter:
    """Tokenizes paragraphs and cuts them into sentences. It can be sent to another process.

    tokenizer (Callable): Of the pipeline; its rules serve with a vocabulary of its own.
    sentences (str): "sentencizer" for spaCy's rule, "lines" if each line is a sentence, else a
        pipeline that `spacy.load` knows.
    component (Any): What sets the boundaries instead, a component of the pipeline.
    """

    def __init__(self, tokenizer: Any, sentences: str, component: Any = None):
        self.tokenizer = tokenizer
        self.sentences = sentences
        self.component = component
        self.is_loaded = False
        self.light: Any = None
        self.split: Split = unchanged
        self.zone: Callable[[], AbstractContextManager] = nullcontext

    def __call__(self, document: Document) -> Iterator[Tokens]:
        """YIELDS (Tokens): The sentences of a document, in order."""
        self._load()
        for paragraph in document.paragraphs:
            with self.zone():
                tokens = self._split(paragraph)
            yield from sentences_of(tokens)

    def _split(self, paragraph: Paragraph) -> Tokens:
        if isinstance(paragraph, Tokens):
            if paragraph.starts is not None:
                return paragraph
            doc = Doc(self.light.vocab, paragraph.words, paragraph.spaces)
        else:
            doc = self.light(paragraph)
        if self.sentences == LINES:
            found = tokens_of(doc)
            return Tokens(found.words, found.spaces, [i == 0 for i in range(len(doc))])
        found = tokens_of(self.split(doc))
        if found.starts is None:
            raise CodedValueError(Errors.B152.format(name=self.sentences))
        return found

    def _load(self) -> None:
        """Make what does the work: at first use, in the process that uses it."""
        if self.is_loaded:
            if len(self.light.vocab) > MOST_WORDS:
                self.light = light_tokenizer(self.tokenizer)
            return
        self.light = light_tokenizer(self.tokenizer)
        if self.component is not None:
            self.split = self.component
        elif self.sentences in (RULE, LINES):
            self.split = Sentencizer()
        else:
            self._load_pipeline()
        self.is_loaded = True

    def _load_pipeline(self) -> None:
        """The pipeline tokenizes too: its components may know its own vocabulary only."""
        nlp = load_pipeline(self.sentences)
        self.light = nlp.tokenizer
        self.tokenizer = nlp.tokenizer
        self.split = nlp
        self.zone = nlp.memory_zone

    def __reduce__(self) -> tuple:
        return SentenceSplitter, (self.tokenizer, self.sentences, self.component)


def unchanged(doc: Doc) -> Doc:
    return doc


def make_splitter(nlp: Language, sentences: str) -> SentenceSplitter:
    """RETURNS (SentenceSplitter): With the tokenizer of the pipeline, and the component of it that
    is named `sentences`, if there is one.
    """
    component = nlp.get_pipe(sentences) if sentences in nlp.pipe_names else None
    return SentenceSplitter(nlp.tokenizer, sentences, component)


def light_tokenizer(tokenizer: Any) -> Any:
    """RETURNS (Callable): The same rules with an empty vocabulary, without the attributes of words
    (their shapes, whether they are stop words) that nobody asks for here. A tokenizer of another
    kind is taken as it is.
    """
    if type(tokenizer) is not Tokenizer:
        return tokenizer
    return Tokenizer(
        Vocab(),
        rules=tokenizer.rules,
        prefix_search=tokenizer.prefix_search,
        suffix_search=tokenizer.suffix_search,
        infix_finditer=tokenizer.infix_finditer,
        token_match=tokenizer.token_match,
        url_match=tokenizer.url_match,
        faster_heuristics=tokenizer.faster_heuristics,
        max_cache_size=MOST_CACHED,
    )


def sentences_of(tokens: Tokens) -> list[Tokens]:
    """RETURNS (list[Tokens]): The sentences. The last word of a paragraph gets a space."""
    starts = [i for i, is_start in enumerate(tokens.starts or ()) if is_start or i == 0]
    spaces = [*tokens.spaces[:-1], True]
    return [
        Tokens(tokens.words[start:end], spaces[start:end])
        for start, end in zip(starts, [*starts[1:], len(tokens.words)])
    ]
