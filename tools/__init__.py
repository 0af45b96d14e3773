"""The lowest layer: errors, files, processes, caches, and the external tools."""
