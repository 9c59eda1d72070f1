"""`python -m tapeline.surfaces.cli`: the command line without the installed script."""

from tapeline.surfaces.cli import main

if __name__ == "__main__":
    main()
