"""Brings a bare machine to a running desk: ``python3 -m supportdesk.bootstrap run|test|bench|...``.

Only the standard library is used, because nothing else is there yet. Every step is skipped when
its result is already there, so a second call is quick, and an interrupted one goes on where it
stopped. The Makefile is the way in; see ``make help``.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

BASE_DIR = Path(__file__).resolve().parent.parent
VENV = BASE_DIR / ".venv"
PYTHON = VENV / "bin" / "python"
OLDEST, TOO_NEW = (3, 11), (3, 13)

# pip's settings that say where packages come from, and what uv calls them
_PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
}


def main(arguments: Sequence[str]) -> int:
    """Carry out one verb; returns the exit status of the program that it ends in."""
    verbs = {
        "run": _run,
        "setup": _setup,
        "test": _test,
        "test-postgresql": _test_postgresql,
        "test-llama": _test_llama,
        "soak": _soak,
        "bench": _bench,
        "figures": _figures,
        "lint": _lint,
        "python": _python,
    }
    if not arguments or arguments[0] not in verbs:
        _stop(f"Say one of: {', '.join(verbs)}.")
    if not OLDEST <= sys.version_info[:2] < TOO_NEW:
        found = ".".join(map(str, sys.version_info[:3]))
        _stop(f"Python 3.11 or 3.12 is needed, this is {found}. Try: make PYTHON=python3.11")
    try:
        return verbs[arguments[0]](list(arguments[1:]))
    except KeyboardInterrupt:
        print("\nStopped. The next call goes on from here.", flush=True)
        return 130


def _run(arguments: list[str]) -> int:
    _setup([])
    serve = [str(PYTHON), "manage.py", "serve", *arguments]
    os.environ.setdefault("SUPPORTDESK_OPEN_V1", "1")  # honoured only on loopback
    os.chdir(BASE_DIR)
    os.execv(serve[0], serve)  # noqa: S606  the supervisor takes this process's place


def _setup(arguments: list[str]) -> int:
    _environment_prepare("run")
    _must([str(PYTHON), "manage.py", "prepare", *arguments])
    return 0


def _test(arguments: list[str]) -> int:
    _environment_prepare("test")
    _weights_prepare()
    _browser_prepare()
    _step("Tests")
    return _call([str(PYTHON), "-m", "pytest", *arguments])


def _test_postgresql(arguments: list[str]) -> int:
    """The tests that ask the database, beside a server that ends with them."""
    _environment_prepare("test")
    _step("Tests on PostgreSQL")
    apps = ["tests/postgresql", "tests/conversations", "tests/knowledge", "tests/supportdesk/staff"]
    tests = [str(PYTHON), "-m", "pytest", *apps, "-m", "not browser", *arguments]
    return _call([str(PYTHON), "-m", "benchmarks.postgresql", *tests])


def _test_llama(arguments: list[str]) -> int:
    """The tests that put servers of another make behind the pool; builds those, which takes minutes."""
    _environment_prepare("test")
    _weights_prepare()
    _step("Servers of another make")
    _must([str(PYTHON), "-m", "benchmarks.rivals.another_make"])
    _step("Tests on them")
    tests = "tests/inference/backends/test_another_make.py"
    return _call([str(PYTHON), "-m", "pytest", tests, *arguments])


def _bench(arguments: list[str]) -> int:
    _environment_prepare("test")
    _weights_prepare()
    _step("Benchmarks")
    return _call([str(PYTHON), "-m", "benchmarks", *arguments])


def _soak(arguments: list[str]) -> int:
    """Long tests, which end by themselves; see tests/soak."""
    _environment_prepare("test")
    _weights_prepare()
    _step("Soak")
    os.environ["SOAK"] = "1"
    return _call([str(PYTHON), "-m", "pytest", "tests/soak", "tests/faults", *arguments])


def _figures(arguments: list[str]) -> int:
    _environment_prepare("test")
    return _call([str(PYTHON), "-m", "benchmarks.readme", *arguments])


def _lint(arguments: list[str]) -> int:
    """Every linter, also after one has failed, so that one call shows all there is to mend."""
    _environment_prepare("test")
    tools = [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy", "supportdesk", "conversations", "knowledge", "inference"],
        ["lint-imports"],
        ["djlint", "templates", "--lint", "--quiet"],
        ["python", "manage.py", "makemigrations", "--check", "--dry-run"],
        ["python", "manage.py", "check", "--fail-level", "WARNING"],
    ]
    failed = []
    for tool in tools:
        _step(" ".join(tool))
        if _call([str(VENV / "bin" / tool[0]), *tool[1:], *arguments]):
            failed.append(tool[0])
    if not _widget_check():
        failed.append("widget")
    if failed:
        print(f"Failed: {', '.join(failed)}", flush=True)
    return 1 if failed else 0


def _widget_check() -> bool:
    """Types, tests and freshness of the chat widget, where Node is; says so where it is not."""
    widget = BASE_DIR / "widget"
    _step("npm run check (widget)")
    if not (shutil.which("node") and shutil.which("npm")):
        print("No Node: the widget's sources are not checked. Install: nodejs npm", flush=True)
        return True
    npm = ["npm", "--prefix", str(widget), "--silent"]
    if not (widget / "node_modules").is_dir() and _call([*npm, "ci", "--no-fund", "--no-audit"]):
        print("npm could not install the widget's tools: they are not checked.", flush=True)
        return True
    return not _call([*npm, "run", "check"])


def _python(arguments: list[str]) -> int:
    _environment_prepare("run")
    return _call([str(PYTHON), *arguments])


def _environment_prepare(kind: str) -> None:
    """Make the virtual environment with exactly what ``requirements/<kind>.txt`` pins."""
    lock = BASE_DIR / "requirements" / f"{kind}.txt"
    stamp = VENV / f".installed-{kind}"
    wanted = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted and PYTHON.exists():
        return
    if not PYTHON.exists() or not _quiet([str(PYTHON), "-m", "pip", "--version"]):
        _step("Python environment")
        shutil.rmtree(VENV, ignore_errors=True)
        made = subprocess.run(
            [sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False
        )
        if made.returncode:
            shutil.rmtree(VENV, ignore_errors=True)
            _stop(
                "Python's venv module does not work here. On Debian or Ubuntu, install it with: "
                "apt-get install python3-venv"
            )
    _step(f"Packages ({lock.relative_to(BASE_DIR)})")
    _packages_install(lock)
    stamp.write_text(wanted)


def _packages_install(lock: Path) -> None:
    """Install with uv, which is quick, or with pip where uv cannot be had or cannot do it."""
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "-qq"]
    require = ["--require-hashes", "-r"]
    uv_lock = str(BASE_DIR / "requirements" / "uv.txt")
    if not _call([*pip, "install", *require, uv_lock], quiet=True):
        uv = [str(VENV / "bin" / "uv"), "pip", "install", "--python", str(PYTHON)]
        uv += ["--quiet", "--compile-bytecode"]
        if not _call([*uv, *require, str(lock)], extra=_uv_environment()):
            return
        print("uv could not install the packages; pip tries.", flush=True)
    _must(
        [*pip, "install", "--progress-bar", "off", *require, str(lock)],
        "The packages could not be installed. Is a Python package index within reach? "
        "A mirror can be set with: pip config set global.index-url ADDRESS",
    )


def _uv_environment() -> dict[str, str]:
    """Where pip is told to find packages, told to uv (which does not read pip's settings)."""
    found = subprocess.run(
        [str(PYTHON), "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    settings = {
        "UV_LINK_MODE": "copy",
        # As pip does it; every file's hash is pinned, so that no index can slip in another.
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }
    for line in found.stdout.splitlines():
        name, _, value = line.partition("=")
        name = name.rpartition(".")[2].rpartition(":")[2]
        if name in _PIP_TO_UV:
            settings[_PIP_TO_UV[name]] = value.strip("'\"").replace("\\n", " ")
    return {name: value for name, value in settings.items() if name not in os.environ}


def _weights_prepare() -> None:
    _must([str(PYTHON), "manage.py", "prepare", "--only-weights"])


def _browser_prepare() -> None:
    """Debian's Chromium for the tests in a browser, when this user may install it."""
    if shutil.which("chromium") or shutil.which("chromium-browser"):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print("No Chromium: the tests in a browser will be skipped. Install: chromium", flush=True)
        return
    _step("Chromium for the tests")
    install = ["apt-get", "install", "-y", "-qq", "chromium", "fonts-noto-cjk", "gettext"]
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    if _call(["apt-get", "update", "-qq"], extra=quiet) or _call(install, extra=quiet, quiet=True):
        print("Chromium could not be installed: the tests in a browser are skipped.", flush=True)


def _step(title: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {title}", flush=True)


def _call(
    command: Sequence[str], *, extra: dict[str, str] | None = None, quiet: bool = False
) -> int:
    return subprocess.run(
        list(command),
        cwd=BASE_DIR,
        env={**os.environ, **(extra or {})},
        stdout=subprocess.DEVNULL if quiet else None,
        check=False,
    ).returncode


def _quiet(command: Sequence[str]) -> bool:
    return subprocess.run(list(command), capture_output=True, check=False).returncode == 0


def _must(command: Sequence[str], sentence: str = "") -> None:
    status = _call(command)
    if status:
        if sentence:
            print(sentence, file=sys.stderr, flush=True)
        raise SystemExit(status)


def _stop(sentence: str) -> NoReturn:
    print(sentence, file=sys.stderr, flush=True)
    raise SystemExit(2)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
