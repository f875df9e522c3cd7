"""`python -m lss.cli` is the command `lss`."""

from lss.cli import main

main()
