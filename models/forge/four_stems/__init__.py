"""The four-stem models: their network, training, export and measurement."""
