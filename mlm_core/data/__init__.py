"""From wherever the text is to blocks of token ids on disk."""
