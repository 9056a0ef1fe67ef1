"""Messages about importing and exporting Hugging Face folders."""

from .coded import WithCodes


class CheckpointsErrors(metaclass=WithCodes):
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
    B233 = (
        "'{path}' gives {n} numbers on a scale of their own (problem_type = 'regression'), not "
        "classes. Import the encoder alone with task = 'bert'; where the model does tell classes "
        "apart, correct problem_type in its config.json."
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


class CheckpointsWarnings(metaclass=WithCodes):
    B938 = (
        "'{name}' gives the sigmoid of each logit, from 0 to 1; the original, '{path}', gives the "
        "logit itself. The order of pairs is the same."
    )
    B939 = (
        "'{name}' is a backbone beside {others}: nothing is shared, and each text runs through "
        "all of them. Heads share a backbone where they were trained on one and it runs in the "
        "same precision, or are trained together in one pipeline."
    )
    B940 = (
        "config.json of '{path}' does not say what the model is for (architectures), so only its "
        "encoder is imported, without the layer '{head}'. To import that too, give a task."
    )
