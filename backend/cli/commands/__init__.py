"""The commands of `galaxyloop`, one file per group; commands import inside functions, so that `--help` is fast."""
