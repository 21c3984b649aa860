"""The model before a framework is involved: files, configuration, first weights, tokenizer."""
