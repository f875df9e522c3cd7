"""One module per stage of the pipeline: the only code that reads and writes files."""
