"""Publishing: the model card, the repository, uploads."""
