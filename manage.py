#!/usr/bin/env python
"""Django's command line for the support desk."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "supportdesk.settings")
    if sys.argv[1:] == ["serve"]:
        # The parent of all processes loads no apps: its children start seconds sooner.
        from supportdesk.process_tree import main as serve

        sys.exit(serve())

    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
