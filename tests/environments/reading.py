"""Reads model directories in an environment: `reading.py COPIES DIRECTORY ...`, without a framework.

Prints a line of JSON for each directory: the token ids of a text and the settings, or the error. Writes a
copy of each, under its name, into COPIES.
"""

import json
import sys
from pathlib import Path

from mlm_core import Config, RequestError
from mlm_core.compat.transformers import import_without_frameworks
from mlm_core.model.find_model import find_model
from mlm_core.model.source import load_model_source
from mlm_core.model.write_model import write_model

TEXT = "The cat! sat. [X] THE CAT"


def read(directory: str, copies: Path) -> dict:
    config = Config(model=directory, from_scratch=True)
    try:
        source = load_model_source(config, find_model(config))
    except RequestError as error:
        return {"refused": str(error)}
    write_model(copies / Path(directory).name, {}, source.config, source.tokenizer, "Model")
    tokenizer = source.tokenizer
    special = [tokenizer.mask_token_id, tokenizer.pad_token_id, *sorted(tokenizer.all_special_ids)]
    return {"ids": tokenizer(TEXT)["input_ids"], "special": special, "settings": source.config.to_dict()}


import_without_frameworks()
for name in sys.argv[2:]:
    print(json.dumps(read(name, Path(sys.argv[1])), default=str))
