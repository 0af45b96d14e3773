"""Models to try: each file has `model` and `example_inputs`."""
