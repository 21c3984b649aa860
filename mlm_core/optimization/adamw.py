"""The constants of AdamW and of gradient clipping, the same in both engines."""

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
"""AdamW's decay rates of the moments, and its epsilon (Loshchilov and Hutter, 2019); the defaults of the
optimizer of `transformers.Trainer`."""

CLIP_EPSILON = 1e-6
"""Added to the global norm when gradients are clipped, as in `torch.nn.utils.clip_grad_norm_`."""
