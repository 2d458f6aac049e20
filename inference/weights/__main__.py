"""``python -m inference.weights ensure NAME``: have a model ready, without Django or its settings.

The set-up uses it before there is a database. The last line on standard output is the directory.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from inference.errors import WeightsError
from inference.weights.store import model_ensure

_INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: 0 ready, 1 not to be had (a sentence on standard error), 130 Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m inference.weights", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    ensure = commands.add_parser("ensure", help="download, check and convert models")
    ensure.add_argument("names", nargs="+", metavar="NAME", help="catalog name, or a path")
    cache = os.environ.get("SUPPORTDESK_CACHE") or "~/.cache/supportdesk"
    ensure.add_argument("--cache", type=Path, default=Path(cache), help="default: %(default)s")
    options = parser.parse_args(arguments)

    # A plain kill, too, must remove what is half done.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        for name in options.names:
            path = model_ensure(name, options.cache.expanduser().resolve(), _line)
            _line(str(path))
    except WeightsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted; run it again to go on.\n")
        return _INTERRUPTED
    return 0


def _line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
