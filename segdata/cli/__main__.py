"""`python -m segdata.cli` is `segdata`."""

from segdata.cli.main import main

main()
