"""Messages about files of records, and Examples made from them."""

from .coded import WithCodes


class DataErrors(metaclass=WithCodes):
    B063 = "An example of pairs needs two texts or more, got {texts!r}."
    B064 = "The score of a pair is {score}; it must be from 0 to 1."
    B065 = "There are no pairs in {path}. Check that it is the right file, and keep_labels."
    B066 = (
        "{path}, line {line}: none of its columns ({found}) is {wanted}. Rename the column that "
        "holds the text."
    )
    B072 = "max_score is {max_score}; it is the highest score in the file and must be above 0."
    B100 = (
        "The multi-task corpus has no tasks. Add at least one corpus under "
        "[corpora.train.corpora.<name of the component>]."
    )
    B101 = "The corpus for '{name}' has no examples. Check its path."
    B102 = (
        "temperature is {temperature}; it must be at least 0.1 (1 takes every example once, more "
        "repeats small corpora)."
    )
    B103 = (
        "At temperature {temperature}, an epoch that covers all {n_examples} examples has "
        "{n_drawn}. Set temperature to 1 or more, and weights nearer to 1."
    )
    B185 = (
        "The corpus '{key}' is for '{name}', which is not a component of the pipeline. Name those "
        "that learn from it, joined by '+'; available: {found}."
    )
    B186 = (
        "{path}, line {line}: the columns are named {found}, but one must be 'text' or 'sentence' "
        "and one 'label'. Rename them; if that line is not a header, add one above it."
    )
    B188 = (
        "The weights of MultiTaskCorpus.v1 name the corpus '{key}', which is not there. Use the "
        "keys of its corpora: {found}."
    )
    B189 = (
        "The weight of the corpus '{key}' is {weight}. Give a number above 0: 2 draws from it "
        "twice as often."
    )
    B192 = (
        "Batch size must be at least 1, got {size}. Set size and sizes of batch_by_task.v1 to 1 or "
        "more."
    )
    B200 = "There is no file or folder '{path}'."
    B203 = (
        "{path}, line {line}: expected a JSON object, found {found!r}. "
        "Correct the line or remove it."
    )
    B204 = (
        "{path}, line {line}: '{field}' is {found}; it must be {expected}. "
        "Correct the line or remove it."
    )
    B208 = "{path} cannot be read as UTF-8 text: {reason}."
    B209 = "The name of {path} ends in none of: {suffixes} (each also with .gz)."
    B213 = "{path}, line {line}: not readable as CSV: {reason}. Correct the line or remove it."
    B218 = (
        "{path}, line {line}: the line has {found} columns, its header {expected}. Correct the "
        "line or remove it."
    )
    B240 = (
        "A question to '{name}' must be a text that is not empty, got {question!r}. Remove it from "
        "the list, or leave doc._.questions unset."
    )
    B241 = (
        "The answer {answer!r} is not at character {start} of its text, which has {found!r} there. "
        "Count characters from 0, from the start of the context."
    )
    B253 = (
        "{answer!r} is no answer. Give pairs of a text and the number of its first character in "
        "the context, or SQuAD's layout: {{'text': [...], 'answer_start': [...]}}, or a list of "
        "{{'text': ..., 'answer_start': ...}}."
    )
    B254 = (
        "The context of a question must be a text, got a {kind}. Of a Doc give doc.text; answers "
        "begin at characters of it."
    )
    B255 = (
        "The label of a pair is {label!r}. Give its class, such as 1 or 'entailment', or None if "
        "it is not known."
    )
    B256 = (
        "keep_labels is '{labels}', but must be a list of labels. Write keep_labels = "
        '["{labels}"].'
    )
    B330 = "{path} cannot be written ({reason}), and is as it was. Check the disk and the folder."


class DataWarnings(metaclass=WithCodes):
    B906 = (
        "The sizes of batch_by_task.v1 name the corpus '{key}', of which no example came. Use the "
        "keys of [corpora.train.corpora]; there were examples of: {found}."
    )
