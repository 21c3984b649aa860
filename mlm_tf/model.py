"""Masked-language models in TensorFlow: which class builds one, and where it differs from PyTorch's."""

from __future__ import annotations

from typing import Any

import tf_keras as keras
from transformers import TF_MODEL_FOR_MASKED_LM_MAPPING
from transformers.utils import logging as transformers_logging

from mlm_core.errors import RequestError
from mlm_tf.dropout import DropoutKey, key_dropout_layers
from mlm_tf.slots import slot_class

CLASS_PREFIX = "TF"
"""What transformers puts in front of a class name in TensorFlow."""

_OUTPUT_MATRIX_OF_ITS_OWN = ("rembert",)
"""Families whose output matrix is a parameter of its own, in both frameworks."""

_UNTIED_IN_TENSORFLOW = ("esm", "mobilebert")
"""Families whose output matrix is the word embeddings in PyTorch, but another variable in TensorFlow:
ESM ties it to a table that building the model again replaces."""

_POSITIONS_AFTER_1_IN_TENSORFLOW = (
    "camembert", "longformer", "roberta", "roberta-prelayernorm", "xlm-roberta"
)  # fmt: skip
"""Families whose positions begin after `pad_token_id` in PyTorch, and after 1 in TensorFlow."""


POLICIES = {"float32": "float32", "bf16": "mixed_bfloat16", "fp16": "mixed_float16"}


def build_model(config: Any, name: str, seed: int = 0, precision: str = "float32") -> Any:
    """A model of a transformers config, its weights, float32, still to be assigned; `seed` keys its dropout.

    Raises:
        RequestError: transformers has no masked-LM class for it in TensorFlow.
    """
    transformers_logging.set_verbosity_error()
    if type(config) not in TF_MODEL_FOR_MASKED_LM_MAPPING:
        raise RequestError(
            f"a {config.model_type} model has no masked-LM head in TensorFlow",
            code="unsupported_model",
            option="--model",
            value=name,
            fix="use --backend torch",
        )
    tied = getattr(config, "tie_word_embeddings", True)
    if not tied and config.model_type not in _OUTPUT_MATRIX_OF_ITS_OWN:
        raise RequestError(
            "its output matrix is not the word embeddings, as TensorFlow's classes have it",
            code="untied_output",
            option="--model",
            value=name,
            fix="use --backend torch",
        )
    base = TF_MODEL_FOR_MASKED_LM_MAPPING[type(config)]
    before = keras.mixed_precision.global_policy()
    # A layer takes the policy that is in force while it is made.
    keras.mixed_precision.set_global_policy(POLICIES[precision])
    try:
        model = slot_class(base)(config)
        model.build_in_name_scope()
    finally:
        keras.mixed_precision.set_global_policy(before)
    _correct(model)
    model.dropout_key = DropoutKey(seed)
    key_dropout_layers(model, model.dropout_key)
    return model


def check_trainable(config: Any, name: str) -> None:
    """Refuse a model whose training cannot be repeated.

    Raises:
        RequestError: its layers are dropped by Python's own random numbers, while the step is traced.
    """
    if getattr(config, "layerdrop", 0):
        raise RequestError(
            f"drops layers at random (layerdrop {config.layerdrop}), which TensorFlow's class cannot repeat",
            code="unsupported_model",
            option="--model",
            value=name,
            fix="use --backend torch, or set layerdrop to 0 in its config.json",
        )


def _correct(model: Any) -> None:
    """Make a class compute what its PyTorch counterpart does."""
    if model.config.model_type in _UNTIED_IN_TENSORFLOW:
        model.set_output_embeddings(model.get_input_embeddings().weights[0])
    if model.config.model_type in _POSITIONS_AFTER_1_IN_TENSORFLOW:
        for layer in model.submodules:
            if hasattr(layer, "padding_idx"):
                layer.padding_idx = model.config.pad_token_id
