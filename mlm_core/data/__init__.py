"""From text, wherever it is, to blocks of token ids on disk."""
