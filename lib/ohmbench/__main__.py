"""``python -m ohmbench``: the command, for where its script is not on PATH."""

from ohmbench.start import main

if __name__ == "__main__":
    main()
