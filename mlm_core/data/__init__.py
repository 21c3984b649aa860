"""From wherever the text is to blocks of token ids: documents, split, tokens, blocks, the store of them."""
