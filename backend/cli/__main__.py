"""`python -m backend.cli`: the command `galaxyloop` without its installed script."""

from backend.cli.app import main

if __name__ == "__main__":
    main()
