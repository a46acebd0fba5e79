"""`python -m stemlab` is the command line."""

from stemlab.cli import main

main()
