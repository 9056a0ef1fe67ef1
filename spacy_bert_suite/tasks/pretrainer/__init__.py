"""bert_pretrainer: masked language modelling and sentence order."""
