"""`python -m segdata` is `segdata`."""

from segdata.cli.__main__ import main

main()
