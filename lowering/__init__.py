"""One level down each. In each folder, reading the names `x_to_y.py` is reading the pipeline."""
