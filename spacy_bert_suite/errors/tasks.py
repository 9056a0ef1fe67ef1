"""Messages about single tasks."""

from .coded import INVALID, WithCodes


class TasksErrors(metaclass=WithCodes):
    B041 = (
        "'{name}' holds its vectors to those of '{source}', which cannot be loaded: {reason} Put "
        "it back, or set distillation = 0."
    )
    B055 = (
        "'{name}' cannot place the label '{label}' between negative (-1) and positive (1). Give "
        "[initialize.components.{name}] polarity a value for every label: {labels}."
    )
    B057 = (
        "The thresholds of '{name}' are tuned on predictions, but example number {place}, counting "
        "from 0, has none for '{label}'. Annotate it: Example(nlp(eg.text), eg.reference)."
    )
    B060 = (
        "The Sentence-BERT folder '{name}' has an unsupported module: {module}. Set "
        "components.bert_similarity.model.pooling to the closest method instead of 'auto'."
    )
    B062 = "The softmax loss needs labeled pairs at initialization. Check the corpus."
    B067 = (
        "'{name}' found no pairs that its loss can learn from: it needs {needs}. Check the "
        "corpus, or choose another [components.{name}.loss]."
    )
    B070 = (
        "'{name}' found pairs, but none that are usable in mode = '{mode}': it needs {needs}. "
        "Check the corpus, or choose another mode."
    )
    B071 = (
        "doc._.paraphrase() needs a doc with the vocab of a pipeline that has 'bert_paraphrase'. "
        "Run the text through it, read the doc with Doc(nlp.vocab).from_bytes(), or use "
        "nlp.get_pipe('bert_paraphrase').predict_pairs()."
    )
    B073 = (
        "'{name}' in the mode 'binary' found the labels {found}, and cannot tell which of them "
        "mean yes and which no. Yes is {positive}, and anything else is no. Give them such names "
        "(convert pairs --rename OLD=NEW), or set mode = 'classes'."
    )
    B076 = (
        "The loss reads the first {n_dims} dimensions, but the vectors have {width}. Remove larger "
        "values from its dims."
    )
    B080 = (
        "The length of a summary by '{name}' is given more than once: {found}. Keep one of ratio, "
        "n_sentences, max_words and elbow."
    )
    B081 = (
        "'{name}' found no summary to learn from: no training example has gold sentences in "
        "doc.spans['{key}']. Read the corpus with 'spacy-bert-suite.SummaryCorpus.v1', which "
        "makes them from reference summaries, or use method = 'kmeans' or 'centrality'."
    )
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
    B168 = "{key} of a new backbone" + INVALID
    B187 = (
        "{path} has labels that are topics as well as sentiments: {labels}. A text has one value "
        "for each label, so one would overwrite the other: give them other names in one of the "
        "two fields."
    )
    B201 = "Nothing to convert: {path} holds no annotated text. Check that it is the right file."
    B202 = (
        "{path}, line {line}: expected 'token<TAB>tag' with a BIO, BILOU or BIOES tag such as O, "
        "B-PER or I-PER, found {found!r}. Correct the line or remove it."
    )
    B205 = (
        "{path}, line {line}: the entity [{start}, {end}, '{label}'] covers {found!r}. Entities "
        "must start and end at word boundaries, inside the text, and not overlap."
    )
    B206 = "'{kind}' is not a kind of corpus that can be converted. Use one of: {kinds}."
    B207 = "No file {looked_for} in '{path}'. Name the folder that holds them, or the file itself."
    B212 = (
        "spaCy has no tokenizer for the language '{lang}' here: {reason}. Give a code such as "
        "'en', or 'xx' for any language, or install what is missing."
    )
    B215 = "The corpus would overwrite its source, '{path}'. Give another file to write."
    B216 = "'{path}' is a folder. Add --split train (or dev), or name the file."
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
    B248 = (
        "'{name}' answers questions about Docs, with spans of them, but was given a {kind}. Turn a "
        "text into a Doc with nlp(text), or with nlp.make_doc(text)."
    )
    B249 = (
        "'{name}' cannot tell from their names which of its classes ({labels}) makes a search "
        "result better. Say which: index.search(query, rerank=partial(pipe.rerank, label=NAME))."
    )
    B250 = (
        "There are no pairs with a {needs} to calibrate '{name}' on. Give it a corpus of pairs "
        "like those that it learns from."
    )
    B252 = (
        "'{name}' reads pairs of a Doc and a question, but one is {found}. Give answer_pairs() a "
        "list of such pairs; answer() takes docs and questions by themselves."
    )
    B260 = "'{name}' is not a task. Give one or several of --tasks {tasks}, with commas between."
    B266 = (
        "All categories in {path} are sentiments, so none is left for '{task}'. Leave one of the "
        "two tasks out, or give each a corpus: --train {task}=FILE --train sentiment=FILE."
    )
    B267 = (
        "'{task}' cannot read {path}: it reads {suffixes}. Convert it first: python -m spacy bert "
        "convert."
    )
    B268 = (
        "{path} can be read in several ways, by: {found}. Say which component it is for: --task "
        "{first}."
    )
    B269 = (
        "No component of the pipeline reads {path}, only: {found}. Give a .spacy file, or what one "
        "of them reads. 'python -m spacy bert convert' makes .spacy files of others (.conll, .csv)."
    )
    B270 = (
        "The pipeline has no component for the task '{task}', only: {found}. Give one that has it, "
        "or another --task."
    )


class TasksWarnings(metaclass=WithCodes):
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
    B909 = (
        "The Sentence-BERT folder '{name}' puts {prompt!r} before every text. A backbone here "
        "reads texts as they are, so vectors differ from those of sentence-transformers. To get "
        "the same ones, put it before the texts yourself."
    )
    B913 = (
        "'{name}' skips {n} of {n_all} questions that are so long that a window of {window} "
        "wordpieces has no room for the text: '{first}'. Shorten them, or set a larger "
        "components.bert.model.window; BERT takes up to 512."
    )
    B914 = "{path}: {n} lines have the tag O but no word, line {first} first. They are left out."
    B942 = (
        "'{name}' leaves {n} of {n_all} pairs out of its calibration: their labels, {found}, are "
        "none of its classes. Check their spelling, or initialize it with all of them."
    )
    B955 = (
        "'{name}' leaves out the entity {text!r}: it begins or ends with an invisible character "
        "that is part of a word. Let the tokenizer part it (nlp.Defaults.prefixes and suffixes), "
        "or remove it from the text."
    )
