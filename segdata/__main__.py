"""`python -m segdata` is `segdata`."""

from segdata.cli.main import main

main()
