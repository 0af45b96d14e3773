"""One level down each: reading the file names is reading the pipeline."""
