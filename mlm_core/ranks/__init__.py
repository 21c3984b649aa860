"""Several processes that train one model: who takes part, which rows are whose, and how they agree."""
