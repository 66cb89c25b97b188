"""`python -m infinitas`."""

from infinitas.cli.main import main

if __name__ == "__main__":
    main()
