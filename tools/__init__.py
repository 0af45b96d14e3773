"""What stands under everything: errors, files, processes, caches, and the tools that we call."""
