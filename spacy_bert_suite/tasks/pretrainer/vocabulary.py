"""Training WordPiece vocabularies, and tokenizers from them."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import BertTokenizerFast

from ...errors import CodedValueError, Errors
from .text import Paragraph, Paths, find_files, read_documents

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PREFIX = "##"  # of a piece that goes on with a word
LONGEST_WORD = 100  # characters; BERT's tokenizer makes one [UNK] of a longer word
LONG_CHUNK = re.compile(rf"\S{{{LONGEST_WORD + 1},}}")
SPLIT = pre_tokenizers.BertPreTokenizer()
GetTexts = Callable[[], Iterable[str]]


def train_wordpieces(
    get_texts: GetTexts,
    *,
    size: int = 30522,
    lowercase: bool = True,
    min_frequency: int = 2,
    n_characters: int = 1000,
) -> list[str]:
    """Learn a WordPiece vocabulary (Schuster and Nakajima 2012) with the trainer of `tokenizers`,
    which joins the most frequent pair of pieces again and again.

    The pieces depend on nothing but how often words occur: not on the order of the texts, the
    number of threads or the process.

    get_texts (Callable): Gives the texts, anew at each call: they are read twice, as a stream.
    size (int): Most pieces in the vocabulary; few texts give fewer.
    lowercase (bool): Whether capitals and accents are dropped, as in BERT's uncased models.
    min_frequency (int): How often a pair must occur to be joined.
    n_characters (int): Most characters that get pieces of their own, the most frequent ones.
    RETURNS (list[str]): Special tokens, characters, characters inside words, longer pieces in
        the order in which they were found.
    RAISES (ValueError): If there are no words, or size is less than what the characters take.
    """
    normalizer = make_normalizer(lowercase)
    characters = _most_frequent_characters(get_texts, normalizer, n_characters)
    inner = [PREFIX + c for c in characters if _continues_words(c, normalizer)]
    base = [*SPECIAL, *characters, *inner]
    if size < len(base):
        message = Errors.B166.format(size=size, n=len(characters), least=len(base))
        raise CodedValueError(message)
    trainer = trainers.WordPieceTrainer(
        vocab_size=size,
        min_frequency=min_frequency,
        # The trainer numbers pieces as it meets them in a hash table and prefers low numbers
        # among pairs that are equally frequent. What has its number beforehand has it always.
        special_tokens=[*SPECIAL, *inner],
        initial_alphabet=characters,
        limit_alphabet=len(characters),
        continuing_subword_prefix=PREFIX,
        show_progress=False,
    )
    learner = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    learner.pre_tokenizer = SPLIT
    learner.train_from_iterator(normalized(get_texts(), normalizer), trainer)
    found = learner.get_vocab()
    taken = set(base)
    return [*base, *(piece for piece in sorted(found, key=found.__getitem__) if piece not in taken)]


def texts_of(path: Paths) -> GetTexts:
    """Read texts of files as a stream.

    path (Paths): A file, a folder, or a list of these: .txt, .jsonl (both also .gz) or .spacy.
    RETURNS (Callable): Gives the paragraphs, anew at each call.
    RAISES (ValueError): If there are no such files.
    """
    files = find_files(path)

    def get_texts() -> Iterator[str]:
        for document in read_documents(files, range(len(files))):
            yield from map(_text_of, document.paragraphs)

    return get_texts


def _text_of(paragraph: Paragraph) -> str:
    if isinstance(paragraph, str):
        return paragraph
    words = zip(paragraph.words, paragraph.spaces)
    return "".join(word + " " * has_space for word, has_space in words)


def make_tokenizer(
    pieces: list[str], *, lowercase: bool = True, longest: int = 512
) -> BertTokenizerFast:
    """Make BERT's tokenizer of a vocabulary.

    pieces (list[str]): All wordpieces, special tokens included; their places are their ids.
    lowercase (bool): As the vocabulary was trained.
    longest (int): Wordpieces that the model takes, special tokens included.
    RETURNS (BertTokenizerFast): The tokenizer.
    """
    ids = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = make_normalizer(lowercase)
    tokenizer.pre_tokenizer = SPLIT
    tokenizer.decoder = decoders.WordPiece(prefix=PREFIX)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[(token, ids[token]) for token in ("[CLS]", "[SEP]")],
    )
    return BertTokenizerFast(
        tokenizer_object=tokenizer,
        do_lower_case=lowercase,
        model_max_length=longest,
        clean_up_tokenization_spaces=True,  # "miller ' s" is decoded as "miller's"
    )


def make_normalizer(lowercase: bool) -> normalizers.BertNormalizer:
    return normalizers.BertNormalizer(lowercase=lowercase)


def normalized(texts: Iterable[str], normalizer: normalizers.BertNormalizer) -> Iterator[str]:
    """YIELDS (str): The texts as the tokenizer sees them, less the words that it would not cut:
    one word of a megabyte would hold up the training for hours.
    """
    for text in texts:
        yield LONG_CHUNK.sub(_without_long_words, normalizer.normalize_str(text))


def _without_long_words(match: re.Match) -> str:
    words = (word for word, _ in SPLIT.pre_tokenize_str(match.group()))
    return " ".join(word for word in words if len(word) <= LONGEST_WORD)


def _most_frequent_characters(
    get_texts: GetTexts, normalizer: normalizers.BertNormalizer, n_most: int
) -> list[str]:
    counts: Counter[str] = Counter()
    for text in normalized(get_texts(), normalizer):
        counts.update(text)
    characters = [c for c in counts if not c.isspace()]
    if not characters:
        raise CodedValueError(Errors.B165)
    by_frequency = sorted(characters, key=lambda c: (-counts[c], c))
    return sorted(by_frequency[:n_most])


def _continues_words(character: str, normalizer: normalizers.BertNormalizer) -> bool:
    """Whether it can stand inside a word: punctuation and Chinese characters are words."""
    text = normalizer.normalize_str("a" + character)
    return [word for word, _ in SPLIT.pre_tokenize_str(text)] == ["a" + character]
