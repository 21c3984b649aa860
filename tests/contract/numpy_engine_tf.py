"""The parts of the TensorFlow engine, with numpy arrays as inputs and outputs."""

import numpy as np
import tensorflow as tf
import tf_keras as keras

from mlm_tf import elementwise
from mlm_tf.dropout import DropoutKey, key_dropout_layers
from mlm_tf.head import SparseHead, gather_slots
from mlm_tf.machine import allow_tf32, set_up
from mlm_tf.model import build_model
from mlm_tf.optimizer import build_optimizer
from mlm_tf.weights import assign, export, export_gradients, specs, trained_variables

OTHER_FRAMEWORKS = ("torch",)


def compute_on(device, threads):
    """Compute on "cpu" or "gpu" from now on; TensorFlow places everything there by itself."""
    set_up(device, threads)
    allow_tf32(False)


class Model:
    """A slot model of a transformers config."""

    def __init__(self, config):
        self.network = build_model(config, "test")
        self.specs = specs(self.network)

    def assign(self, weights):
        assign(self.network, weights)

    def use_sparse_head(self, batch):
        tensors = {name: tf.constant(array) for name, array in batch.items()}
        self.network.sparse_head = SparseHead.of(self.network, tensors)
        return type(self.network.sparse_head.place).__name__

    def export(self):
        return export(self.network)

    def forward(self, batch):
        """Outputs as arrays, without dropout."""
        output = self.network({name: tf.constant(array) for name, array in batch.items()}, training=False)
        return {name: value.numpy() for name, value in output.items()}

    def gradients(self, batch):
        with tf.GradientTape() as tape:
            output = self.network({name: tf.constant(array) for name, array in batch.items()}, training=False)
        gradients = tape.gradient(output.loss, trained_variables(self.network))
        return export_gradients(self.network, [tf.convert_to_tensor(gradient) for gradient in gradients])


def optimize(weights, gradients_by_step, config, table):
    """Weights and gradient norms after an optimizer step with each of these gradients."""
    variables = {name: tf.Variable(array, name=name) for name, array in weights.items()}
    names = {variable.name: name for name, variable in variables.items()}
    optimizer = build_optimizer(names, config, table)
    norms = []
    for gradients in gradients_by_step:
        optimizer.apply_gradients((tf.constant(gradients[name]), variables[name]) for name in variables)
        norms.append(float(optimizer.grad_norm))
    return {name: variable.numpy() for name, variable in variables.items()}, norms


def noisy_model(directory):
    """A function: ids, seed, step and micro-batch -> logits of a forward pass in training mode."""
    from transformers import AutoConfig

    from mlm_core.model.weight_files import read_weights

    networks = {}

    def forward(ids, seed, step, micro_batch):
        if seed not in networks:
            networks[seed] = build_model(AutoConfig.from_pretrained(directory), "test", seed)
            assign(networks[seed], read_weights(directory))
        networks[seed].dropout_key.advance(tf.constant(step, tf.int64), tf.constant(micro_batch, tf.int64))
        return networks[seed]({"input_ids": tf.constant(ids)}, training=True).logits.numpy()

    return forward


def _keyed_layer(rate, seed):
    layer, key = keras.layers.Dropout(rate, dtype="float32", autocast=False), DropoutKey(seed)
    key_dropout_layers(keras.Sequential([layer]), key)
    key.advance(tf.constant(0, tf.int64), tf.constant(0, tf.int64))
    return layer


def dropout(values, rate, seed, half):
    given = tf.cast(values, tf.bfloat16 if half else tf.float32)
    return tf.cast(_keyed_layer(rate, seed)(given, training=True), tf.float32).numpy()


def attention(query, key, value, mask, rate, seed, half, least=False):
    """Attention whose weights are dropped; the mask `[batch, 1, 1, length]` bool, or None."""
    query, key, value = (tf.cast(array, tf.bfloat16 if half else tf.float32) for array in (query, key, value))
    scores = tf.matmul(query, key, transpose_b=True) / tf.cast(query.shape[-1] ** 0.5, query.dtype)
    if mask is not None:
        scores = tf.where(mask, scores, scores.dtype.min)
    weights = _keyed_layer(rate, seed)(tf.nn.softmax(scores), training=True)
    return tf.cast(tf.matmul(weights, value), tf.float32).numpy()


def linear(inputs, weight, bias, upstream, threads):
    """Outputs of a linear layer, and the gradients of inputs, weight and bias."""
    layer = keras.layers.Dense(len(weight), use_bias=bias is not None)
    layer.build(inputs.shape)
    layer.set_weights([array for array in (weight.T, bias) if array is not None])
    given = tf.Variable(inputs)
    with tf.GradientTape() as tape:
        outputs = layer(given)
    of_inputs, of_weight, *rest = tape.gradient(outputs, [given, *layer.weights], tf.constant(upstream))
    return [tensor.numpy() for tensor in (outputs, of_inputs, tf.transpose(of_weight), *rest)]


def gpu_linear(inputs, weight, bias, upstream):
    """The same on a GPU."""
    return linear(inputs, weight, bias, upstream, 1)


def graph_breaks():
    """Why compiled passes of this process are in pieces: XLA compiles all or nothing."""
    return []


def gelu(values, given):
    """GELU, and the gradient at its input for one at its output."""
    inputs = tf.constant(values)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        output = elementwise.gelu(inputs)
    return output.numpy(), tape.gradient(output, inputs, tf.constant(given)).numpy()


def layer_norm(values, scale, shift, epsilon, given):
    """Layer normalisation, and the gradients at its inputs."""
    inputs = [tf.constant(array) for array in (values, scale, shift)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        output = elementwise.normalized(*inputs, epsilon)
    return output.numpy(), [part.numpy() for part in tape.gradient(output, inputs, tf.constant(given))]


def trace_from(monkeypatch, call):
    """From this call on, a network that predicts traces its logits."""
    monkeypatch.setattr("mlm_tf.traced.TRACED_FROM", call)


def traces(network):
    """For each kind of batch for which a trace was tried, whether it is in use; None: the engine has none."""
    return [function is not None for function in network.traced.traces.values()]


def change_traced_ids(monkeypatch, network, change):
    """Change the token ids that the encoder receives in a traced pass alone."""
    main = getattr(network.model, network.model.base_model_prefix)
    call = main.call

    def changing(ids, *arguments, **options):
        return call(ids if tf.executing_eagerly() else change(ids), *arguments, **options)

    monkeypatch.setattr(main, "call", changing)


def short_ids(ids):
    """The same ids; a traced pass fails if they are more than 6 in a row."""
    tf.debugging.assert_less_equal(tf.shape(ids)[1], 6)
    return ids


def normalizing(values, **options):
    """What a model's layer makes of values, and what TensorFlow's own does, both with their gradient."""
    layers = [keras.layers.LayerNormalization(epsilon=1e-5, **options) for _ in range(2)]
    for layer in layers:
        layer.build(values.shape)
    elementwise.speed_up_elementwise(keras.Sequential(layers[:1]))
    found = []
    for layer in layers:
        # DeBERTa passes a variable.
        inputs = tf.Variable(values)
        with tf.GradientTape() as tape:
            output = tf.cast(layer(inputs), tf.float32)
            loss = tf.reduce_sum(output * tf.reshape(tf.linspace(-1.0, 1.0, values.size), values.shape))
        found.append((output.numpy(), tape.gradient(loss, inputs).numpy()))
    return found


def replaced(model):
    """How many layers of a model have our GELU, and how many our layer normalisation."""
    layers = model.network.submodules
    gelus = [held for layer in layers for held in vars(layer).values() if held is elementwise.gelu]
    norms = [layer for layer in layers if getattr(layer.call, "__module__", "") == elementwise.__name__]
    return len(gelus), len(norms)


def gather(hidden, positions):
    return gather_slots(hidden, positions).numpy()


def fill_mask_pipeline(run, text, top_k, targets=None):
    """The answers of transformers' own pipeline with a model directory."""
    from transformers import AutoTokenizer, pipeline

    import mlm_tf

    model, tokenizer = mlm_tf.from_pretrained(run), AutoTokenizer.from_pretrained(run)
    # dtype=None: transformers 4.57 would otherwise look up PyTorch's default.
    fill = pipeline("fill-mask", model=model, tokenizer=tokenizer, framework="tf", dtype=None)
    return fill(text, top_k=top_k, targets=targets)


def fill_by_hand(run, text, top_k):
    """The last lines of the guide: find the mask, take its logits, replace it by the best tokens."""
    from transformers import AutoTokenizer

    import mlm_tf

    tokenizer = AutoTokenizer.from_pretrained(run)
    inputs = tokenizer(text, return_tensors="tf")
    mask_token_index = tf.where(inputs["input_ids"] == tokenizer.mask_token_id)[0, 1]

    model = mlm_tf.from_pretrained(run)
    logits = model(**inputs).logits
    mask_token_logits = logits[0, mask_token_index, :]

    top_tokens = tf.math.top_k(mask_token_logits, top_k).indices.numpy()
    return [text.replace(tokenizer.mask_token, tokenizer.decode([token])) for token in top_tokens]


def stock_guide(directory, train_rows, test_rows):
    """The guide's training with stock classes and our collator; returns losses per epoch and held out."""
    from transformers import AutoConfig, AutoTokenizer, TFAutoModelForMaskedLM

    import mlm_tf
    from mlm_tf.hf_recipe import stock_compile

    tokenizer = AutoTokenizer.from_pretrained(directory)
    keras.utils.set_random_seed(0)
    model = TFAutoModelForMaskedLM.from_config(AutoConfig.from_pretrained(directory))
    collate = mlm_tf.MaskingCollator(tokenizer, mlm_probability=0.15)
    fixed = mlm_tf.MaskingCollator(tokenizer, mlm_probability=0.15, fixed=True)
    train_set = model.prepare_tf_dataset(train_rows, shuffle=True, batch_size=16, collate_fn=collate)
    test_set = model.prepare_tf_dataset(test_rows, shuffle=False, batch_size=16, collate_fn=fixed)
    stock_compile(model, learning_rate=5e-3)
    history = model.fit(x=train_set, validation_data=test_set, epochs=3, verbose=0).history
    return history["loss"], model.evaluate(test_set, verbose=0)


def stock_training_loss(network, batches):
    """The losses that a stock `fit` reports for these batches with SGD at rate 0, each an epoch."""
    rows = _compiled(network, batches)
    fitted = network.fit(rows, epochs=len(batches), steps_per_epoch=1, shuffle=False, verbose=0)
    return np.array(fitted.history["loss"])


def stock_loss_of_all(network, batches):
    """The losses that `fit` and `evaluate` report for an epoch of these batches."""
    rows = _compiled(network, batches)
    (loss,) = network.fit(rows, shuffle=False, verbose=0).history["loss"]
    return [loss, network.evaluate(rows, verbose=0)]


def _compiled(network, batches):
    whole = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    labels = whole.pop("labels")
    network.compile(optimizer=keras.optimizers.SGD(0.0))
    return tf.data.Dataset.from_tensor_slices((whole, labels)).batch(len(batches[0]["labels"]))
