"""The Hub: models from it, models to it."""
