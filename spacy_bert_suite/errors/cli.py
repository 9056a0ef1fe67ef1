"""Messages about the command line."""

from .coded import WithCodes


class CliErrors(metaclass=WithCodes):
    B105 = (
        "The pipeline '{name}' writes no summaries. Add 'bert_summarizer' after 'bert', or give "
        "one that has it."
    )
    B107 = "{path} has no texts to build an index from. Check that it is the right file."
    B133 = (
        "The conditions on '{field}' are values ('=') as well as a range. Give one or the other: "
        "values of which one must fit, or limits that must all hold."
    )
    B138 = "'{url}' is a collection on a server, and {what} is for indexes in folders. {instead}"
    B193 = (
        "The pipeline has no component that compares two texts, only: {found}. Add "
        "'bert_paraphrase' or 'bert_similarity'."
    )
    B210 = "'{value}' is not of the form OLD=NEW,OLD=NEW (for example 0=negative,1=positive)."
    B211 = "There is no text to annotate. Give texts as arguments or files that are not empty."
    B217 = "'{path}' is a file: use --file {path}"
    B247 = "There is no question. Give some as arguments, or a file of them with --questions."
    B271 = "{path} exists already. Give another file to write, or --force to replace it."
    B272 = (
        "{path} has no gold for what the pipeline predicts ({found}). Check that it is the right "
        "file."
    )
    B331 = "'{path}' is read and would be overwritten. Give another file to write."
