"""Messages about `SemanticIndex`."""

from .coded import INVALID, WithCodes


class SearchErrors(metaclass=WithCodes):
    B106 = (
        "There is a collection at '{url}' already. Give another name, delete it on the server, or "
        "add to it: with SemanticIndex.load(url), or with 'index add' on the command line."
    )
    B110 = (
        "There is no index at '{path}'. Check the path, or make one with SemanticIndex(path=...)."
    )
    B111 = (
        "The index is damaged: {path} cannot be read: {reason}. Copy it again, or rebuild it from "
        "its texts."
    )
    B112 = (
        "A text has no vector. Add the component 'bert_similarity' after 'bert', or give vectors. "
        "Spans need the vectors of their tokens: set its token_vectors = true, and annotate Docs "
        "from a DocBin without user data again."
    )
    B113 = (
        "unit is 'sentence', but the Doc has no sentence boundaries. Add a 'sentencizer' to the "
        "pipeline, or use unit = 'doc'."
    )
    B114 = (
        "The vectors are {what}. All vectors of an index and of its queries are arrays of finite "
        "numbers, of one width: use one pipeline for all."
    )
    B115 = (
        "The numbers of ids, metadata and vectors must match the number of items. Give one for "
        "each."
    )
    B117 = (
        "The id '{id}' is in the index already, or was given twice. Use another id, delete the "
        "old one, or add with replace=True."
    )
    B118 = (
        "The metadata '{field}' is {value!r}. Metadata is a dict from names to strings, finite "
        "numbers, True, False, None, or lists of them."
    )
    B119 = (
        "The condition {condition!r} cannot be read. For each metadata field, give a value, a list "
        "of values, or a range such as dict(gte=1990, lt=2000)."
    )
    B120 = "A text has no vector. Give the index a pipeline (nlp), or give Docs or vectors."
    B121 = "{key}" + INVALID
    B122 = "{what} needs {library}. Install it: pip install {library}."
    B123 = "The index at {path} was changed by another process. Load it again, then write."
    B124 = "'{path}' holds other files. Give an empty or new folder, or load the index."
    B125 = "A search by words, or with rerank, needs a text; a query is only a vector."
    B126 = "rerank must return one finite number for each of {n_hits} hits, not {found}."
    B127 = "An item to add is a str, a Doc or a Span, not {found}."
    B128 = (
        "The server at {url} does not answer as a Qdrant server does: {reason}. Check the address."
    )
    B129 = (
        "'{collection}' is on a server and cannot be saved to a folder. Use the snapshots of the "
        "server."
    )
    B130 = "No query has a relevant document. Check that the judgements belong to the queries."
    B131 = "To replace Docs, add needs their ids. Give ids, or leave out replace."
    B132 = "A query is a str, a Doc, a Span or a vector, not {found}."
    B134 = "'{path}' is a file, and an index is a folder. Give an empty or new one."
    B135 = (
        "A server cannot test the condition {condition!r}. There, field names must not be empty or "
        "contain quotes, strings must not contain lone surrogates (half characters), and ranges "
        "must be of numbers of ordinary size, or of ISO dates such as '2020-01-31'."
    )
    B136 = (
        "The id, text or metadata of the item {id!r} has a lone surrogate (half a character), "
        "which a server cannot store. Remove it: text.encode('utf8', 'ignore').decode()."
    )
    B139 = (
        "The collection '{collection}' was not created by SemanticIndex: {reason}. Give the name "
        "of one that was, or a new name, and add the texts to that."
    )


class SearchWarnings(metaclass=WithCodes):
    B910 = (
        "The {what} at {path} cannot be read and is not used: {reason}. Make it again with "
        "index.optimize()."
    )
    B911 = (
        "The pipeline makes different vectors from the one the index was built with (cosine of the "
        "same sentence: {cosine}). Load the index with that pipeline, or rebuild it."
    )
