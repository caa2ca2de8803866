"""`python -m gantool` is `gantool`."""

from gantool.cli import main

if __name__ == "__main__":  # and not where a worker process of a sweep imports it
    main()
