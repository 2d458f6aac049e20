"""Every sentence of an error can be translated before its places are filled."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

INFERENCE = Path(__file__).resolve().parents[3] / "inference"
FILES = sorted(
    file
    for file in INFERENCE.rglob("*.py")
    if "WeightsError(" in file.read_text(encoding="utf-8") and file.name != "errors.py"
)


def raised(file: Path) -> list[ast.Call]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "WeightsError"
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_sentences_are_marked_and_their_places_are_filled(file: Path) -> None:
    for call in raised(file):
        [message] = call.args
        if isinstance(message, ast.Name):  # chosen before from marked ones
            continue
        where = f"{file.name}:{call.lineno}"
        assert isinstance(message, ast.Call), where
        assert isinstance(message.func, ast.Name), where
        assert message.func.id == "gettext_noop", where
        text = ast.literal_eval(message.args[0])
        places = set(re.findall(r"%\((\w+)\)", text))
        given = {keyword.arg for keyword in call.keywords}
        assert places == given, where
        assert re.sub(r"%\(\w+\)|%%", "", text).count("%") == 0 or not places, where
