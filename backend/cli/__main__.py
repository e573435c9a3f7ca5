"""`python -m backend.cli`: the command `galaxyloop` where its script is not installed."""

from backend.cli.app import main

if __name__ == "__main__":
    main()
