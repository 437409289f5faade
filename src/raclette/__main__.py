"""`python -m raclette` is `raclette`."""

from raclette.cli import main

main()
