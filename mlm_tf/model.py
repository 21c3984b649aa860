"""Masked-language models in TensorFlow: which class builds one, and where it differs from PyTorch's."""

from __future__ import annotations

from typing import Any

import tf_keras as keras
from transformers import TF_MODEL_FOR_MASKED_LM_MAPPING
from transformers.utils import logging as transformers_logging

from mlm_core.errors import RequestError
from mlm_tf.dropout import DropoutKey, key_dropout_layers
from mlm_tf.elementwise import speed_up_elementwise
from mlm_tf.slots import slot_class

CLASS_PREFIX = "TF"
"""What transformers puts in front of a class name in TensorFlow."""

_OUTPUT_MATRIX_OF_ITS_OWN = ("rembert",)
"""Architectures whose output matrix is a separate parameter in both frameworks."""

_UNTIED_IN_TENSORFLOW = ("esm", "mobilebert")
"""Architectures whose output matrix is the word embeddings in PyTorch, but another variable in TensorFlow.

ESM ties it to a table that is replaced when the model is built again.
"""

_POSITIONS_AFTER_1_IN_TENSORFLOW = (
    "camembert", "longformer", "roberta", "roberta-prelayernorm", "xlm-roberta"
)  # fmt: skip
"""Architectures whose positions begin after `pad_token_id` in PyTorch, but after 1 in TensorFlow."""

POLICIES = {"float32": "float32", "tf32": "float32", "bf16": "mixed_bfloat16", "fp16": "mixed_float16"}


def build_model(config: Any, name: str, seed: int = 0, precision: str = "float32") -> Any:
    """Build a slot model from a transformers config; its float32 weights are not assigned yet.

    Args:
        config: transformers' config.
        name: what the user calls the model.
        seed: keys the dropout noise.
        precision: of matrix products: "float32", "tf32", "bf16" or "fp16".

    Raises:
        RequestError: transformers has no masked-LM class for the config in TensorFlow, or the class ties the
            output matrix to the word embeddings and the config does not.
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
            "the model has a separate output matrix, but TensorFlow's class uses the word embeddings",
            code="untied_output",
            option="--model",
            value=name,
            fix="use --backend torch",
        )
    base = TF_MODEL_FOR_MASKED_LM_MAPPING[type(config)]
    before = keras.mixed_precision.global_policy()
    # A layer keeps the global policy of the moment it is created.
    keras.mixed_precision.set_global_policy(POLICIES[precision])
    try:
        model = slot_class(base)(config)
        model.build_in_name_scope()
    finally:
        keras.mixed_precision.set_global_policy(before)
    _correct(model)
    model.dropout_key = DropoutKey(seed, int(getattr(config, "num_attention_heads", None) or 1))
    key_dropout_layers(model, model.dropout_key)
    speed_up_elementwise(model)
    return model


def check_trainable(config: Any, name: str) -> None:
    """Check that the training of a model is repeatable.

    Raises:
        RequestError: the model has layerdrop: Python's random numbers drop layers while the step is traced.
    """
    if getattr(config, "layerdrop", 0):
        raise RequestError(
            f"drops layers at random (layerdrop {config.layerdrop}), which TensorFlow cannot repeat",
            code="unsupported_model",
            option="--model",
            value=name,
            fix="use --backend torch, or set layerdrop to 0 in its config.json",
        )


def _correct(model: Any) -> None:
    """Correct a TensorFlow model so that it computes the same as its PyTorch counterpart."""
    if model.config.model_type in _UNTIED_IN_TENSORFLOW:
        model.set_output_embeddings(model.get_input_embeddings().weights[0])
    if model.config.model_type in _POSITIONS_AFTER_1_IN_TENSORFLOW:
        for layer in model.submodules:
            if hasattr(layer, "padding_idx"):
                layer.padding_idx = model.config.pad_token_id
