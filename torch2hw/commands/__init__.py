"""The subcommands: one file each, with its arguments (`add`) and what it does (`run`)."""
