"""`python -m stemlab` is the command line."""

from stemlab.cli import main

if __name__ == "__main__":
    main()
