"""All tasks: for each its factories, attributes, converters, importers and exporter.

Code is named as "package.module:function" and imported when it is used, so that the command line
can list what there is at no cost. A new task adds an entry to `TASKS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import Any

METHODS = ("doc.paraphrase",)  # attributes that hold nothing
CLASSIFIER = ("ForSequenceClassification",)
MASKED_LM = ("ForMaskedLM", "ForPreTraining")


@dataclass(frozen=True)
class Converter:
    """A KIND of `bert convert`.

    kind (str): Its name.
    make_docs (str): Function of a path, a `Language` and new names for labels that yields Docs.
    files (str): What the files are, for `--help`.
    stores_user_data (bool): Whether gold is in `doc.user_data`.
    options (tuple[str, ...]): Further arguments of `convert` that the function takes.
    """

    kind: str
    make_docs: str
    files: str
    stores_user_data: bool = False
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Importer:
    """A --task of `bert import-checkpoint`.

    task (str): Its name.
    plan (str): Function of a `Source`, the encoder's config and `ImportOptions` that returns a
        `Plan`.
    architectures (tuple[str, ...]): How the names of the models end that it can be made of; any,
        if there are none.
    is_of (str): Function of a `Source` and the encoder's config that tells whether a checkpoint is
        for this task; "" if the architecture tells, and no other task claims it.
    """

    task: str
    plan: str
    architectures: tuple[str, ...] = ()
    is_of: str = ""


@dataclass(frozen=True)
class Exporter:
    """How `bert export` writes a component: by one of these.

    spec (str): Function of the component, its torch module and the encoder that returns an
        `ExportSpec`, a model of transformers.
    folder (str): Function of the pipeline, the component and a path that writes a folder itself.
    refusal (str): Why no other library has such a model.
    """

    spec: str = ""
    folder: str = ""
    refusal: str = ""


@dataclass(frozen=True)
class Task:
    """A folder of `tasks/`.

    name (str): The folder.
    factories (tuple[str, ...]): Of its components, as in setup.cfg: "bert_NAME", and variants.
    attributes (Mapping[str, str]): What its components register, and what each holds.
    converters (tuple[Converter, ...]): Which make corpora for it; several tasks may share one.
    importers (tuple[Importer, ...]): From checkpoints, one for each factory.
    exporter (Exporter): To a checkpoint.
    configs (tuple[str, ...]): Each a `TaskConfig`, what `bert init-config` writes about a factory.
    """

    name: str
    factories: tuple[str, ...]
    attributes: Mapping[str, str] = field(default_factory=dict)
    converters: tuple[Converter, ...] = ()
    importers: tuple[Importer, ...] = ()
    exporter: Exporter = Exporter()
    configs: tuple[str, ...] = ()


PAIRS = Converter(
    "pairs",
    "spacy_bert_suite.data.pairs:pair_docs",
    "records with text1, text2 and score, label or negative, as .jsonl, .tsv or .csv",
    stores_user_data=True,
    options=("max_score", "keep_labels"),
)
SEVERAL = Converter(
    "multitask",
    "spacy_bert_suite.tasks.convert:multitask_docs",
    ".jsonl records with text, entities, topic and sentiment",
)
CATEGORIES = "spacy_bert_suite.data.categories:category_docs"
BACKBONE = Importer("bert", "spacy_bert_suite.checkpoints.importing:plan_backbone")

ENTRIES = (
    Task(
        name="ner",
        factories=("bert_ner",),
        configs=("spacy_bert_suite.tasks.ner.config:CONFIG",),
        attributes={"span.score": "probability of an entity, float"},
        converters=(
            Converter(
                "ner",
                "spacy_bert_suite.tasks.ner.corpus:ner_docs",
                "CoNLL lines with BIO, BILOU or BIOES tags",
            ),
        ),
        importers=(
            Importer(
                "ner", "spacy_bert_suite.checkpoints.ner:plan_import", ("ForTokenClassification",)
            ),
        ),
        exporter=Exporter("spacy_bert_suite.checkpoints.ner:plan_export"),
    ),
    Task(
        name="textcat",
        factories=("bert_textcat", "bert_textcat_multilabel"),
        configs=(
            "spacy_bert_suite.tasks.textcat.config:CONFIG",
            "spacy_bert_suite.tasks.textcat.config:MULTILABEL_CONFIG",
        ),
        attributes={"doc.labels": "categories above their thresholds, list[str]"},
        converters=(
            Converter(
                "textcat", CATEGORIES, "records with text and label(s), as .jsonl, .tsv or .csv"
            ),
        ),
        importers=(
            Importer("textcat", "spacy_bert_suite.checkpoints.textcat:plan_import", CLASSIFIER),
            Importer(
                "textcat_multilabel",
                "spacy_bert_suite.checkpoints.textcat:plan_import",
                CLASSIFIER,
                "spacy_bert_suite.checkpoints.textcat:is_multilabel",
            ),
        ),
        exporter=Exporter("spacy_bert_suite.checkpoints.textcat:plan_export"),
    ),
    Task(
        name="sentiment",
        factories=("bert_sentiment",),
        configs=("spacy_bert_suite.tasks.sentiment.config:CONFIG",),
        attributes={
            "doc.sentiment": "label, score, probabilities and polarity, Dict",
            "span.sentiment": "the same, for a sentence",
        },
        converters=(
            Converter(
                "sentiment",
                CATEGORIES,
                "the same, or with stars from 1 to 5 instead of a label",
            ),
        ),
        importers=(
            Importer(
                "sentiment",
                "spacy_bert_suite.checkpoints.textcat:plan_import",
                CLASSIFIER,
                "spacy_bert_suite.checkpoints.textcat:is_sentiment",
            ),
        ),
        exporter=Exporter("spacy_bert_suite.checkpoints.textcat:plan_export"),
    ),
    Task(
        name="paraphrase",
        factories=("bert_paraphrase",),
        configs=("spacy_bert_suite.tasks.paraphrase.config:CONFIG",),
        attributes={"doc.paraphrase": "a method: probability that another text says the same"},
        converters=(PAIRS,),
        importers=(
            Importer(
                "pair",
                "spacy_bert_suite.checkpoints.paraphrase:plan_import",
                CLASSIFIER,
                "spacy_bert_suite.checkpoints.paraphrase:reads_pairs",
            ),
        ),
        exporter=Exporter("spacy_bert_suite.checkpoints.paraphrase:plan_export"),
    ),
    Task(
        name="qa",
        factories=("bert_qa",),
        configs=("spacy_bert_suite.tasks.qa.config:CONFIG",),
        attributes={
            "doc.answers": "a dict for each question, list[Dict]",
            "doc.questions": "to be answered, list[str]",
        },
        converters=(
            Converter(
                "qa",
                "spacy_bert_suite.tasks.qa.corpus:question_docs",
                "SQuAD's .json, or .jsonl records with context, question and answers",
                stores_user_data=True,
            ),
        ),
        importers=(
            Importer(
                "qa", "spacy_bert_suite.checkpoints.qa:plan_import", ("ForQuestionAnswering",)
            ),
        ),
        exporter=Exporter("spacy_bert_suite.checkpoints.qa:plan_export"),
    ),
    Task(
        name="summarizer",
        factories=("bert_summarizer",),
        configs=("spacy_bert_suite.tasks.summarizer.config:CONFIG",),
        attributes={
            "doc.summary": "the chosen sentences as one text, str",
            "span.summary_score": "how well a sentence stands for its doc, float",
        },
        converters=(
            Converter(
                "summaries",
                "spacy_bert_suite.tasks.summarizer.corpus:summary_docs",
                ".jsonl records with document or sentences, and references",
                stores_user_data=True,
            ),
        ),
        exporter=Exporter(
            refusal="it scores sentences in the light of all others of their text, and "
            "transformers has no such model"
        ),
    ),
    Task(
        name="pretrainer",
        factories=("bert_pretrainer",),
        configs=("spacy_bert_suite.tasks.pretrainer.config:CONFIG",),
        importers=(
            Importer("pretrain", "spacy_bert_suite.checkpoints.pretrainer:plan_import", MASKED_LM),
        ),
        exporter=Exporter(folder="spacy_bert_suite.checkpoints.pretrainer:write_folder"),
    ),
    Task(
        name="similarity",
        factories=("bert_similarity",),
        configs=("spacy_bert_suite.tasks.similarity.config:CONFIG",),
        attributes={
            "doc.embedding": "(width,) float32",
            "span.embedding": "(width,) float32, of a sentence",
            "doc.token_vectors": "vectors of the tokens, (n_tokens, width) array",
        },
        converters=(PAIRS,),
        importers=(
            Importer(
                "similarity",
                "spacy_bert_suite.checkpoints.similarity:plan_import",
                is_of="spacy_bert_suite.checkpoints.similarity:reads_sentences",
            ),
        ),
        exporter=Exporter(folder="spacy_bert_suite.checkpoints.similarity:write_folder"),
    ),
)
TASKS: dict[str, Task] = {task.name: task for task in ENTRIES}


def load(name: str) -> Any:
    """RETURNS (Any): What "package.module:function" names."""
    return resolve_name(name)


def find_task(factory: str) -> Task | None:
    """RETURNS (Task | None): The task of a factory; None of "bert", and of others' factories."""
    return next((task for task in TASKS.values() if factory in task.factories), None)


def converters() -> dict[str, Converter]:
    """RETURNS (dict[str, Converter]): All, by their kinds; at last that for several tasks."""
    found = [each for task in TASKS.values() for each in task.converters]
    return {each.kind: each for each in [*found, SEVERAL]}


def importers() -> dict[str, Importer]:
    """RETURNS (dict[str, Importer]): All, by their tasks; at last that of the backbone alone."""
    found = [each for task in TASKS.values() for each in task.importers]
    return {each.task: each for each in [*found, BACKBONE]}


def register_extensions() -> None:
    """Make all attributes of this package known to spaCy, as its components do when they are added:
    for Docs of a DocBin in a process that has no such component.

    RAISES (ValueError): If another package has taken one of the names.
    """
    from ..core.attributes import register_attributes  # imports spaCy

    values = [key for key in attributes() if key not in METHODS]
    register_attributes("register_extensions", [*values, "doc.bert_states", "doc.cluster"])


def attributes() -> dict[str, str]:
    """RETURNS (dict[str, str]): What each attribute of the tasks' components holds."""
    return {key: text for task in TASKS.values() for key, text in task.attributes.items()}
