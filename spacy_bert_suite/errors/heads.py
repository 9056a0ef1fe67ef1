"""Messages about what all trainable components share."""

from .coded import WithCodes


class HeadsErrors(metaclass=WithCodes):
    B038 = (
        "'{name}' cannot be initialized: the backbone that it listens to has no weights yet. If "
        "that is in frozen_components, it must be sourced from a trained pipeline; to train on "
        "its features only, set its trainable = false instead."
    )
    B040 = (
        "'{name}' was built on states of width {expected}, but its backbone gives {width}. Use the "
        "backbone and the `layers` that it was built on, or initialize the component again."
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
    B058 = (
        "The category '{label}' of a training example of '{name}' is {value!r}. Give a number from "
        "0 to 1."
    )
    B059 = (
        "The labels of '{name}' exclude one another, but several of them are 1 in the training "
        "example {text}: {found}. Correct it, give '{name}' labels of its own in "
        "[initialize.components.{name}] labels, or use 'bert_textcat_multilabel'."
    )
    B061 = (
        "pooling = 'pooler' needs an encoder with a pooler, and this one has none. Use 'cls' or "
        "'mean'."
    )
    B068 = (
        "'{name}' was initialized for {n} classes of pairs ({labels}), but the example has "
        "'{label}'. Give all labels in [initialize.components.{name}] labels."
    )
    B074 = (
        "'{name}' takes texts, Docs and Spans, but item number {place}, counting from 0, is of the "
        "type {kind}. Leave out missing texts, or replace them with ''."
    )
    B075 = (
        "'{name}' takes pairs of texts, but item number {place}, counting from 0, is {found}. Give "
        "a list such as [(first, second), (first, second)]."
    )
    B351 = (
        "The settings of '{name}' in {path} do not belong to its weights: they were edited, or "
        "saving was interrupted, so labels would stand for the wrong outputs. Restore the file or "
        "save the whole pipeline again with nlp.to_disk(); change settings of a loaded pipeline, "
        "not in its files."
    )
    B352 = (
        "'{name}' and '{upstream}' in {path} are of two different pipelines: saving was "
        "interrupted, or only one of them was replaced. Save the whole pipeline again with "
        "nlp.to_disk(), or copy it again."
    )
    B381 = (
        "initialize() of '{name}' needs a function that gives examples, such as lambda: examples, "
        "and got something else, or a function that gives None."
    )


class HeadsWarnings(metaclass=WithCodes):
    B903 = (
        "None of the labels given to '{name}' ({given}) is in the training examples, which have: "
        "{found}. Check spelling and case."
    )
    B965 = (
        "'{name}' was trained on another backbone than '{upstream}', or on this one before it was "
        "trained further, so its predictions mean nothing here. Source the backbone together with "
        "it, call nlp.replace_listeners() on the pipeline that it comes from before it is sourced, "
        "or train it again."
    )
