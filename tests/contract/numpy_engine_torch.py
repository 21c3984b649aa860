"""The parts of the PyTorch engine, with numpy arrays as inputs and outputs."""

from contextlib import contextmanager
from tempfile import TemporaryDirectory

import numpy as np
import torch

from mlm_core.optimization.dropout import DropoutNoise, noise_seed
from mlm_torch import graph, optimizer, trainer
from mlm_torch.dropout import keyed_dropout
from mlm_torch.head import SparseHead, gather_slots
from mlm_torch.machine import set_up
from mlm_torch.matmul import AlignedLinear, PointwiseLinear
from mlm_torch.model import build_model
from mlm_torch.optimizer import TableSchedule, build_optimizer
from mlm_torch.weights import assign, export, specs

OTHER_FRAMEWORKS = ("tensorflow", "tf_keras")

_device = torch.device("cpu")


def compute_on(device, threads):
    """Compute on "cpu" or "gpu" from now on."""
    global _device
    _device = set_up(device, threads)


def _tensors(batch):
    return {name: torch.from_numpy(array).to(_device) for name, array in batch.items()}


class Model:
    """A slot model of a transformers config."""

    def __init__(self, config):
        self.network = build_model(config, "test").to(_device)
        self.specs = specs(self.network)

    def assign(self, weights):
        assign(self.network, weights)

    def use_sparse_head(self, batch):
        self.network.sparse_head = SparseHead.of(self.network, _tensors(batch))
        return type(self.network.sparse_head.place).__name__

    def export(self):
        return export(self.network)

    def forward(self, batch):
        """Outputs as arrays, without dropout."""
        self.network.eval()
        with torch.no_grad():
            output = self.network(**_tensors(batch))
        return {name: value.cpu().numpy() for name, value in output.items()}

    def gradients(self, batch):
        self.network.eval()
        self.network.zero_grad()
        self.network(**_tensors(batch)).loss.backward()
        return {name: parameter.grad.cpu().numpy() for name, parameter in self.network.named_parameters()}


def optimize(weights, gradients_by_step, config, table):
    """Weights and gradient norms after an optimizer step with each of these gradients."""
    parameters = torch.nn.ParameterDict()
    holder = torch.nn.Module()
    for name, array in weights.items():
        parameters[name.replace(".", "/")] = torch.nn.Parameter(torch.tensor(array, device=_device))
    names = {name: parameters[name.replace(".", "/")] for name in weights}
    holder.base_model_prefix = "encoder"
    holder.named_parameters = lambda remove_duplicate: names.items()
    optimizer = build_optimizer(holder, config)
    schedule = TableSchedule(optimizer, table)
    norms = []
    for gradients in gradients_by_step:
        for name, parameter in names.items():
            parameter.grad = torch.tensor(gradients[name], device=_device)
        optimizer.step()
        schedule.step()
        norms.append(float(optimizer.grad_norm))
    return {name: parameter.detach().cpu().numpy() for name, parameter in names.items()}, norms


def _keyed(seed, step=0, micro_batch=0):
    """Noise of a pass as a run draws it on the device, for rows that have no keys."""
    key = noise_seed(seed, step, micro_batch)
    return keyed_dropout(key, DropoutNoise(key) if _device.type == "cpu" else None, _device)


def noisy_model(directory):
    """A function: ids, seed, step and micro-batch -> logits of a forward pass in training mode."""
    import mlm_torch

    network = mlm_torch.from_pretrained(directory).to(_device).train()

    def forward(ids, seed, step, micro_batch):
        with torch.no_grad(), _keyed(seed, step, micro_batch):
            return network(torch.from_numpy(ids).to(_device)).logits.cpu().numpy()

    return forward


def dropout(values, rate, seed, half):
    with _keyed(seed):
        given = torch.from_numpy(values).to(_device, torch.bfloat16 if half else torch.float32)
        return torch.nn.Dropout(rate).train()(given).float().cpu().numpy()


def attention(query, key, value, mask, rate, seed, half, least=False):
    """Attention whose weights are dropped; the mask `[batch, 1, 1, length]` bool, or None.

    With `least` the mask is passed as numbers to add to the scores: 0, or the lowest float32.
    """
    given = [torch.from_numpy(array).to(_device) for array in (query, key, value)]
    visible = None if mask is None else torch.from_numpy(mask).to(_device)
    if least:
        visible = torch.where(visible, 0.0, torch.finfo(torch.float32).min)
    reduced = torch.autocast(torch.device(_device).type, torch.bfloat16, enabled=half)
    with _keyed(seed), reduced:
        attended = torch.nn.functional.scaled_dot_product_attention
        return attended(*given, attn_mask=visible, dropout_p=rate).float().cpu().numpy()


def linear(inputs, weight, bias, upstream, threads):
    """Outputs of a linear layer with oneDNN's products, and the gradients of inputs, weight and bias."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return _linear(PointwiseLinear, inputs, weight, bias, upstream)
    finally:
        torch.set_num_threads(before)


def gpu_linear(inputs, weight, bias, upstream):
    """The same of the layer that multiplies with the vocabulary on a GPU."""
    return _linear(AlignedLinear, inputs, weight, bias, upstream)


def _linear(kind, inputs, weight, bias, upstream):
    layer = kind(*weight.shape[::-1], bias is not None)
    layer.one_thread = torch.get_num_threads() == 1
    with torch.no_grad():
        for parameter, array in zip(layer.parameters(), (weight, bias), strict=False):
            parameter.copy_(torch.from_numpy(array))
    given = torch.from_numpy(inputs).requires_grad_()
    outputs = layer(given)
    outputs.backward(torch.from_numpy(upstream))
    found = [outputs.detach(), given.grad, *(parameter.grad for parameter in layer.parameters())]
    return [tensor.numpy() for tensor in found]


def graph_breaks():
    """Why compiled passes of this process are in pieces."""
    return list(torch._dynamo.utils.counters["graph_break"])


def gelu(values, given):
    """GELU, and the gradient at its input for one at its output."""
    inputs = torch.from_numpy(values).to(_device).requires_grad_()
    output = torch.nn.functional.gelu(inputs)
    output.backward(torch.from_numpy(given).to(_device))
    return output.detach().cpu().numpy(), inputs.grad.cpu().numpy()


def layer_norm(values, scale, shift, epsilon, given):
    """Layer normalisation, and the gradients at its inputs."""
    inputs = [torch.from_numpy(array).to(_device).requires_grad_() for array in (values, scale, shift)]
    output = torch.nn.functional.layer_norm(inputs[0], scale.shape, *inputs[1:], epsilon)
    output.backward(torch.from_numpy(given).to(_device))
    return output.detach().cpu().numpy(), [part.grad.cpu().numpy() for part in inputs]


def trace_from(monkeypatch, call):
    """Nothing: PyTorch computes every call in the same way."""


def traces(network):
    """Whether traced passes are in use; None: the engine has none."""


def change_traced_ids(monkeypatch, network, change):
    """Nothing: no pass is traced."""


def short_ids(ids):
    """The same ids."""
    return ids


def gather(hidden, positions):
    tensors = (torch.from_numpy(array).to(_device) for array in (hidden, positions))
    return gather_slots(*tensors).cpu().numpy()


def fill_mask_pipeline(run, text, top_k, targets=None):
    """The answers of transformers' own pipeline with a model directory."""
    from transformers import AutoModelForMaskedLM, AutoTokenizer, pipeline

    model, info = AutoModelForMaskedLM.from_pretrained(run, output_loading_info=True)
    assert not any(info.values()), info
    tokenizer = AutoTokenizer.from_pretrained(run)
    fill = pipeline("fill-mask", model=model, tokenizer=tokenizer, device=_device)
    return fill(text, top_k=top_k, targets=targets)


def fill_by_hand(run, text, top_k):
    """The last lines of the guide: find the mask, take its logits, replace it by the best tokens."""
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(run)
    inputs = tokenizer(text, return_tensors="pt")
    mask_token_index = torch.where(inputs["input_ids"] == tokenizer.mask_token_id)[1]

    model = AutoModelForMaskedLM.from_pretrained(run)
    logits = model(**inputs).logits
    mask_token_logits = logits[0, mask_token_index, :]

    top_tokens = torch.topk(mask_token_logits, top_k, dim=1).indices[0].tolist()
    return [text.replace(tokenizer.mask_token, tokenizer.decode([token])) for token in top_tokens]


def stock_guide(directory, train_rows, test_rows):
    """The guide's training with stock classes and our collator; returns losses per epoch and held out."""

    from transformers import AutoConfig, AutoModelForMaskedLM, AutoTokenizer

    import mlm_torch
    from mlm_torch.hf_recipe import stock_trainer

    tokenizer = AutoTokenizer.from_pretrained(directory)
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config(AutoConfig.from_pretrained(directory))
    with TemporaryDirectory() as scratch:
        trainer = stock_trainer(
            model,
            mlm_torch.MaskingCollator(tokenizer, mlm_probability=0.15),
            scratch,
            train_rows=train_rows,
            test_rows=test_rows,
            learning_rate=5e-3,
            num_train_epochs=3,
            per_device_train_batch_size=16,
            logging_strategy="epoch",
            use_cpu=_device.type == "cpu",
        )
        trainer.train()
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        return losses, trainer.evaluate()["eval_loss"]


def stock_training_loss(network, batches):
    """The losses that a stock Trainer reports for these batches at learning rate 0."""
    with _stock_trainer(network, batches, len(batches[0]["labels"])) as (trainer, rows):
        # The loader of an evaluation keeps the order of the rows.
        trainer.get_train_dataloader = lambda: trainer.get_eval_dataloader(rows)
        # Trainer switches dropout on; the reference has none.
        network.train = lambda mode=True: network
        trainer.train()
        return np.array([entry["loss"] for entry in trainer.state.log_history if "loss" in entry])


def stock_loss_of_all(network, batches):
    """The loss that a stock Trainer's evaluation reports for these batches, as one: it averages batches."""
    with _stock_trainer(network, batches, sum(len(batch["labels"]) for batch in batches)) as (trainer, rows):
        return [trainer.evaluate(rows)["eval_loss"]]


@contextmanager
def _stock_trainer(network, batches, size):
    from mlm_torch.hf_recipe import stock_trainer

    rows = [
        {name: array[row] for name, array in batch.items()}
        for batch in batches
        for row in range(len(batch["labels"]))
    ]
    with TemporaryDirectory() as directory:
        trainer = stock_trainer(
            network.eval(),
            None,
            directory,
            train_rows=rows,
            learning_rate=0.0,
            weight_decay=0.0,
            num_train_epochs=1,
            per_device_train_batch_size=size,
            per_device_eval_batch_size=size,
            logging_steps=1,
            use_cpu=_device.type == "cpu",
            remove_unused_columns=False,
        )
        yield trainer, rows


def write_pickled(path, weights):
    """Write weights as `torch.save` does."""
    torch.save({name: torch.from_numpy(np.array(array)) for name, array in weights.items()}, path)


class Recordings:
    """Makes runs record their steps; a stand-in records on a CPU.

    Args:
        monkeypatch: pytest's.
        device: of the runs.
    """

    def __init__(self, monkeypatch, device):
        self._monkeypatch = monkeypatch
        self._cpu = device == "cpu"
        self._record = graph.record
        self._replayed = {}
        # Runs that come before `begin` record nothing, on a GPU, too.
        monkeypatch.setattr(trainer, "may_record", lambda *_: False)

    def begin(self, fault=None):
        """Record from now on, with or without a fault."""
        self._replayed = {"passes": 0, "updates": 0}
        self._fault = fault
        self._monkeypatch.setattr(trainer, "may_record", lambda *_: True)
        for module in (graph, optimizer):
            self._monkeypatch.setattr(module, "record", self._recorded)

    def replayed(self):
        """How often passes and updates were replayed."""
        return self._replayed

    def _recorded(self, run, *, before=0):
        if self._fault == "cannot record":
            raise RuntimeError("operation not permitted when stream is capturing")
        kind = "passes" if before else "updates"
        outputs, replay = self._stand_in(run, before) if self._cpu else self._record(run, before=before)
        first = outputs and tuple(part.clone() for part in outputs)

        def counted():
            self._replayed[kind] += 1
            if self._fault == "other noise" and kind == "passes":
                torch.rand(1, device=_device)
            if self._fault == "stale inputs" and kind == "passes":
                # What was recorded comes out again, whatever the inputs are.
                for part, value in zip(outputs, first, strict=True):
                    part.copy_(value * 1.5)
                return
            if self._fault == "no update" and kind == "updates":
                return
            replay()

        return outputs, counted

    def _stand_in(self, run, before):
        for _ in range(before):
            run()
        # A recorded update is not done yet.
        outputs = run() if before else None

        def replay():
            again = run()
            for part, value in zip(outputs or (), again or (), strict=True):
                part.copy_(value)

        return outputs, replay


def attention_masks(model, batch, compiled=False):
    """For each attention of a pass, whether a mask reaches PyTorch's own function."""
    masks = []
    attended = torch.nn.functional.scaled_dot_product_attention

    def watching(*arguments, **options):
        masks.append((arguments[3] if len(arguments) > 3 else options.get("attn_mask")) is not None)
        return attended(*arguments, **options)

    def watched(graph, _):
        for node in graph.graph.nodes:
            if node.target is attended:
                masks.append(
                    (node.args[3] if len(node.args) > 3 else node.kwargs.get("attn_mask")) is not None
                )
        return graph

    if compiled:
        torch.compiler.reset()
        with torch.no_grad():
            torch.compile(model.network.eval(), fullgraph=True, backend=watched)(**_tensors(batch))
        return masks
    torch.nn.functional.scaled_dot_product_attention = watching
    try:
        model.forward(batch)
    finally:
        torch.nn.functional.scaled_dot_product_attention = attended
    return masks


def stock_logits(model, batch):
    """Logits of transformers' own class with the same weights."""
    from transformers import MODEL_FOR_MASKED_LM_MAPPING

    config = model.network.config
    stock = MODEL_FOR_MASKED_LM_MAPPING[type(config)](config).to(_device).eval()
    stock.load_state_dict(model.network.state_dict())
    with torch.no_grad():
        return stock(**_tensors(batch)).logits.cpu().numpy()


def logits_beside_attention_weights(model, batch):
    """Logits of a pass that is asked for its attention weights, too; PyTorch's own attention gives none."""
    with torch.no_grad():
        return model.network.eval()(**_tensors(batch), output_attentions=True).logits.cpu().numpy()
