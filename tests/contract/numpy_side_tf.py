"""The TensorFlow engine's pieces with numpy on both sides."""

import numpy as np
import tensorflow as tf
import tf_keras as keras

from mlm_tf.model import build_model
from mlm_tf.optimizer import build_optimizer
from mlm_tf.weights import _places, assign, export, outline

OTHER_FRAMEWORKS = ("torch",)


class Model:
    """A slot model of a transformers config."""

    def __init__(self, config):
        self.network = build_model(config, "test")
        self.outline = outline(self.network)

    def assign(self, weights):
        assign(self.network, weights)

    def export(self):
        return export(self.network)

    def forward(self, batch):
        """Outputs as arrays, without dropout."""
        output = self.network({name: tf.constant(array) for name, array in batch.items()}, training=False)
        return {name: value.numpy() for name, value in output.items()}

    def gradients(self, batch):
        with tf.GradientTape() as tape:
            output = self.network({name: tf.constant(array) for name, array in batch.items()}, training=False)
        gradients = tape.gradient(output.loss, self.network.trainable_variables)
        dense = [tf.convert_to_tensor(gradient).numpy() for gradient in gradients]
        return {
            place.name: place.to_canonical(gradient)
            for place, gradient in zip(_places(self.network), dense, strict=True)
        }


def optimize(weights, gradients_by_step, config, table):
    """Weights and gradient norms after applying these gradients, step by step."""
    variables = {name: tf.Variable(array, name=name) for name, array in weights.items()}
    names = {variable.name: name for name, variable in variables.items()}
    optimizer = build_optimizer(names, config, table)
    norms = []
    for gradients in gradients_by_step:
        optimizer.apply_gradients((tf.constant(gradients[name]), variables[name]) for name in variables)
        norms.append(float(optimizer.grad_norm))
    return {name: variable.numpy() for name, variable in variables.items()}, norms


def noisy_model(directory):
    """Logits of a training-mode forward pass, by seed, step and micro-batch."""
    from transformers import AutoConfig

    from mlm_core.weight_files import read_weights

    networks = {}

    def forward(ids, seed, step, micro_batch):
        if seed not in networks:
            networks[seed] = build_model(AutoConfig.from_pretrained(directory), "test", seed)
            assign(networks[seed], read_weights(directory))
        networks[seed].dropout_key.advance(tf.constant(step, tf.int64), tf.constant(micro_batch, tf.int64))
        return networks[seed]({"input_ids": tf.constant(ids)}, training=True).logits.numpy()

    return forward


def gather(hidden, positions):
    return tf.gather(hidden, positions, batch_dims=1).numpy()


def fill_mask_pipeline(run, text, top_k):
    """What the fill-mask pipeline says of a model directory, by hand as the guide has it.

    transformers 4.57 cannot import its pipelines without PyTorch where accelerate is installed.
    """
    from transformers import AutoTokenizer

    import mlm_tf

    tokenizer, model = AutoTokenizer.from_pretrained(run), mlm_tf.from_pretrained(run)
    inputs = tokenizer(text, return_tensors="tf")
    ids = inputs["input_ids"].numpy()[0]
    (masks,) = np.nonzero(ids == tokenizer.mask_token_id)
    results = []
    for position in masks:
        best = tf.math.top_k(tf.nn.softmax(model(**inputs).logits[0, position]), k=top_k)
        results.append([])
        for score, token in zip(best.values.numpy(), best.indices.numpy(), strict=True):
            filled = np.where(np.arange(len(ids)) == position, token, ids)
            results[-1].append(
                {
                    "score": float(score),
                    "token": int(token),
                    "token_str": tokenizer.decode([token]),
                    "sequence": tokenizer.decode(filled, skip_special_tokens=len(masks) == 1),
                }
            )
    return results[0] if len(masks) == 1 else results


def stock_training_loss(network, batches):
    """The losses that a stock `fit` reports for these batches with SGD at rate 0."""
    losses = []

    class Losses(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            losses.append(logs["loss"])

    whole = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    labels = whole.pop("labels")
    network.compile(optimizer=keras.optimizers.SGD(0.0))
    rows = tf.data.Dataset.from_tensor_slices((whole, labels)).batch(len(batches[0]["labels"]))
    network.fit(rows, callbacks=[Losses()], shuffle=False, verbose=0)
    return np.array(losses)
