"""The Chinese catalogue has every string of the project and nothing that is unfinished."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

CATALOGUE = Path("locale/zh_Hans/LC_MESSAGES/django.po")
IGNORED = (".venv", "node_modules", "var", "tests", "widget", "static")


def _ids(text):
    """(msgctxt, msgid) of every entry, with wrapped lines joined."""
    joined = re.sub(r'"\n"', "", text)
    return set(re.findall(r'(?:msgctxt "(.*)"\n)?msgid "(.+)"', joined))


def test_nothing_is_empty_or_fuzzy():
    text = re.sub(r'"\n"', "", (settings.BASE_DIR / CATALOGUE).read_text(encoding="utf-8"))
    blocks = text.strip().split("\n\n")[1:]
    unfinished = [block for block in blocks if re.search(r'msgstr(?:\[0\])? ""$', block)]
    assert unfinished == []
    assert ", fuzzy" not in text


def test_the_compiled_catalogue_is_the_one_of_the_text(tmp_path):
    if not shutil.which("msgfmt"):
        pytest.skip("gettext is not installed (apt install gettext)")
    compiled = tmp_path / "django.mo"
    source = settings.BASE_DIR / CATALOGUE
    subprocess.run(["msgfmt", "--check-format", "-o", compiled, source], check=True)
    assert compiled.read_bytes() == source.with_suffix(".mo").read_bytes()


def test_makemessages_finds_nothing_new(tmp_path):
    if not shutil.which("xgettext"):
        pytest.skip("gettext is not installed (apt install gettext)")
    root = settings.BASE_DIR
    copy = tmp_path / "project"
    shutil.copytree(root, copy, ignore=shutil.ignore_patterns(*IGNORED, ".git", "*.mo", "*_cache"))
    ignore = [part for name in IGNORED for part in ("-i", name)]
    subprocess.run(
        [sys.executable, "manage.py", "makemessages", "-l", "zh_Hans", "--no-location",
         "--no-obsolete", *ignore],
        cwd=copy, check=True, capture_output=True,
    )  # fmt: skip
    committed = _ids((root / CATALOGUE).read_text(encoding="utf-8"))
    found = _ids((copy / CATALOGUE).read_text(encoding="utf-8"))
    assert found - committed == set()
