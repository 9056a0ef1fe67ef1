"""Messages about vectors, neighbours and mining."""

from .coded import WithCodes


class VectorsErrors(metaclass=WithCodes):
    B069 = (
        "Vectors of {width} and {other} dimensions cannot be compared. Make both with the same "
        "pipeline."
    )
    B077 = (
        "{name} would remove {n_components} directions, but the vectors vary in only {n}: nothing "
        "but rounding errors would be left. Lower n_components."
    )
    B137 = "{name} cannot learn from {n} vectors that are all equal. Give those of different texts."
    B140 = (
        "The vector in row {row} holds a value that is not a finite number. Check the text it was "
        "made from, or leave it out."
    )
    B141 = (
        "Vectors must be one array of numbers of the shape (n, width), or docs whose vectors are "
        "equally wide; found the shape {shape} of {dtype}."
    )
    B142 = (
        "Item {place} ({text!r}) has no vector. Add 'bert_similarity' to the pipeline and annotate "
        "the docs again, or give vectors. Spans need the vectors of their tokens: set its "
        "token_vectors = true, and annotate docs from a DocBin without user data again. "
        "Of spans that became docs, sentences keep theirs: sent.as_doc(copy_user_data=True)."
    )
    B146 = "{name} has not been fitted. Call fit() with vectors first, or load a saved one."
    B147 = "{name} was fitted on vectors {expected} wide; these are {found} wide."
    B148 = "{name} needs at least {least} vectors to learn from, got {n}."
    B149 = (
        "'{path}' is not a saved correction of vectors: {reason}. Give a file that to_disk() wrote."
    )


class VectorsWarnings(metaclass=WithCodes):
    B920 = (
        "The similarity of a {kind} without a vector is 0. Run it through a pipeline with "
        "'bert_similarity'; after from_bytes() or n_process, call vectors.install_hooks(doc)."
    )
