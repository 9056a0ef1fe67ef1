"""Messages about files, settings, text and processes."""

from .coded import INVALID, WithCodes


class CoreErrors(metaclass=WithCodes):
    B006 = (
        "The {part} in '{path}' cannot be read: {reason}. A file is damaged, cut short or of "
        "another kind: copy or save the model again."
    )
    B020 = "components.bert.model.{key}" + INVALID
    B022 = "The config value {key} of {name}" + INVALID
    B023 = (
        "components.bert.model.device is '{device}', but torch sees no such device. "
        "Use device = 'auto' or 'cpu', or install a torch build for your hardware."
    )
    B039 = (
        "The saved component does not fit the config it is loaded with: {reason}. Undo the change "
        "in the config, or initialize the component again."
    )
    B045 = (
        "{path} has changed since it was saved: its checksum is not the one in {file}. Copy or "
        "save the pipeline again. If the weights were changed on purpose, delete {file}."
    )
    B056 = (
        "The attribute {owner}._.{attribute} is already taken by another extension. Remove it "
        "with {owner}.remove_extension('{attribute}') before adding '{name}'."
    )
    B116 = "Another process is writing to {path}. Wait until it is done."
    B143 = "{name}" + INVALID
    B170 = (
        "{path} cannot be written: {reason}. Earlier checkpoints are unchanged: free disk space or "
        "correct the permissions, then continue with --resume."
    )
    B214 = "'{name}' cannot be loaded as a pipeline: {reason}"
    B232 = "'{path}' holds files already. Give a folder that is new or empty."
    B234 = (
        "{path} cannot be written: {reason}. Free disk space, correct the permissions or give "
        "another folder; partial output was removed."
    )
    B350 = (
        "The weights of '{path}' are damaged: '{name}' holds values that are no numbers (NaN or "
        "infinity), so nothing could be predicted with them. They come from a training that went "
        "wrong or from a damaged file: use an earlier checkpoint, or copy the model again."
    )


class CoreWarnings(metaclass=WithCodes):
    B901 = (
        "A training step was skipped: a gradient was not finite. If this repeats, lower "
        "training.optimizer.learn_rate (1e-5 to 1e-4 for BERT) and warm it up."
    )
