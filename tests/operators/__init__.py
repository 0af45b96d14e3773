"""The operator table: one row for each ATen operation, in the modules that `table.py` lists."""
