"""The comparison as a picture: bars in SVG, written by hand so that no plotting library is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from benchmarks.rivals.goals import OWN, SHORT
from benchmarks.rivals.tables import WORDS, engine_name

WIDTH = 760
_LABELS = 190
_BARS = 440
_BAR, _GAP, _TITLE, _MARGIN = 20, 8, 34, 18
# Ours stands out; the others are grey. Both read well on a white and on a dark page.
_OWN_COLOUR, _OTHER_COLOUR = "#2f6fde", "#9aa4b2"
_FONT = "font-family=\"system-ui, 'Noto Sans SC', 'PingFang SC', sans-serif\""


@dataclass(frozen=True, slots=True)
class Panel:
    """Bars of one figure: (engine's name, median, least, most)."""

    title: str
    form: str
    bars: Sequence[tuple[str, float, float, float]]


TITLES: Mapping[str, Mapping[str, str]] = {
    "en": {
        "first": "First token, prompt of {size} tokens (ms; shorter is better)",
        "all": "Answer of {tokens} tokens, prompt of {size} tokens (ms; shorter is better)",
        "rate": "Requests a second, {clients} clients (longer is better)",
        "caption": "{cores} cores {processor}; medians of {runs} runs, whiskers least to most",
    },
    "zh-CN": {
        "first": "首个词元，{size} 词元的提示（毫秒，越短越好）",
        "all": "{tokens} 词元的回答，{size} 词元的提示（毫秒，越短越好）",
        "rate": "每秒请求数，{clients} 个客户端（越长越好）",
        "caption": "{processor} {cores} 核；{runs} 轮的中位数，细线为最小至最大",
    },
}


def rivals_plot(figures: Mapping[str, Any], language: str) -> str:
    """The picture's text, with labels in ``language`` ("en" or "zh-CN")."""
    titles, words = TITLES[language], WORDS[language]
    panels = [
        _latency_panel(figures, titles["first"].format(size=SHORT), "first_token_ms"),
        _latency_panel(
            figures,
            titles["all"].format(size=SHORT, tokens=figures["output_tokens"]),
            "total_ms",
        ),
        *(
            _rate_panel(figures, titles["rate"].format(clients=clients), clients)
            for clients in sorted({row["clients"] for row in figures["throughput"]})
        ),
    ]
    y = _MARGIN
    shapes: list[str] = []
    for panel in panels:
        drawn, y = _panel_draw(panel, y, words)
        shapes += drawn
    caption = titles["caption"].format(runs=figures["runs"], **figures["machine"])
    shapes.append(_text(_MARGIN, y + 14, caption, size=12))
    height = y + 30
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img">\n'
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#ffffff"/>\n'
        + "\n".join(shapes)
        + "\n</svg>\n"
    )


def _latency_panel(figures: Mapping[str, Any], title: str, what: str) -> Panel:
    rows = [row for row in figures["latency"] if row["prompt"] == SHORT]
    return Panel(title, "{:,.0f}", [_bar(row["system"], row[what]) for row in rows])


def _rate_panel(figures: Mapping[str, Any], title: str, clients: int) -> Panel:
    rows = [row for row in figures["throughput"] if row["clients"] == clients]
    bars = [_bar(row["system"], row["requests_per_second"]) for row in rows]
    return Panel(title, "{:.2f}", bars)


def _bar(name: str, value: Mapping[str, float]) -> tuple[str, float, float, float]:
    return name, value["median"], value["min"], value["max"]


def _panel_draw(panel: Panel, top: int, words: Mapping[str, str]) -> tuple[list[str], int]:
    longest = max(most for _, _, _, most in panel.bars)
    shapes = [_text(_MARGIN, top + 14, panel.title, size=14, weight=600)]
    y = top + _TITLE - 8
    for name, median, least, most in panel.bars:
        x, scale = _MARGIN + _LABELS, _BARS / longest
        colour = _OWN_COLOUR if name == OWN else _OTHER_COLOUR
        middle = y + _BAR / 2
        shapes += [
            _text(_MARGIN, int(middle + 5), engine_name(name, words), size=13),
            f'<rect x="{x}" y="{y}" width="{median * scale:.1f}" height="{_BAR}" rx="2" '
            f'fill="{colour}"/>',
            f'<path d="M{x + least * scale:.1f} {middle}H{x + most * scale:.1f}" '
            'stroke="#1f2937" stroke-width="1.5"/>',
            _text(int(x + most * scale + 8), int(middle + 5), panel.form.format(median), size=13),
        ]
        y += _BAR + _GAP
    return shapes, y + 12


def _text(x: int, y: int, text: str, *, size: int, weight: int = 400) -> str:
    return (
        f'<text x="{x}" y="{y}" {_FONT} font-size="{size}" font-weight="{weight}" '
        f'fill="#1f2937">{escape(text)}</text>'
    )
