"""Messages about `bert train`."""

from .coded import INVALID, WithCodes


class TrainingErrors(metaclass=WithCodes):
    B104 = (
        "training_length has epochs = {epochs} and evaluations = {evaluations}. Give epochs of 0 "
        "(keeps max_steps) or more, and at least one evaluation."
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
    B176 = "{key}" + INVALID
    B177 = "The folder {path} cannot be used for the output: {reason}. Give another --output."
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
    B251 = (
        "The callback '{name}' of chain_callbacks.v1 returned {found}, but it must return the "
        "pipeline. End it with 'return nlp'."
    )
    B261 = "The {split} corpus of '{task}', {path}, does not exist. Check the path{advice}."
    B262 = "'{task}' cannot learn from {path}: it reads {suffixes}. Convert it first: {how}"
    B263 = (
        "There is no {split} corpus for '{task}'. Add --{split} FILE, which is for all tasks, or "
        "--{split} {task}=FILE."
    )
    B264 = (
        "--{split} has a file for the task '{name}', but the tasks are: {tasks}. Add it to --tasks."
    )
    B265 = (
        "'{task}' is trained alone, as its texts have no other gold. Write a config for it first; "
        "the checkpoint that it trains can then be the --weights of other tasks."
    )


class TrainingWarnings(metaclass=WithCodes):
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
