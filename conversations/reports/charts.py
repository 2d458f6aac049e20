"""Data for Chart.js, which unfold ships; labels are translated when the page is made."""

from __future__ import annotations

import json
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from conversations.reports.selectors import Satisfaction


def ratings_chart(numbers: Satisfaction) -> str:
    """Stacked bars: satisfied and not satisfied by day or week, as JSON."""
    bar = {"maxBarThickness": 18, "borderRadius": 3, "borderSkipped": False, "stack": "ratings"}
    return json.dumps(
        {
            "labels": [date_format(point.day, "MONTH_DAY_FORMAT") for point in numbers.points],
            "datasets": [
                {
                    "label": _("Satisfied"),
                    "data": [point.satisfied for point in numbers.points],
                    "backgroundColor": "var(--color-primary-600)",
                    "maxTicksXLimit": 8,
                    "displayYAxis": True,
                    **bar,
                },
                {
                    "label": _("Not satisfied"),
                    "data": [point.unsatisfied for point in numbers.points],
                    "backgroundColor": "var(--desk-warm)",
                    "displayYAxis": True,
                    **bar,
                },
            ],
        }
    )


def ratings_chart_options() -> str:
    """Options that differ from unfold's, as JSON."""
    ticks = {"color": "#8a9499", "precision": 0}
    options: dict[str, Any] = {
        "animation": False,
        "responsive": True,
        "maintainAspectRatio": False,
        "interaction": {"mode": "index", "intersect": False},
        "plugins": {
            "legend": {
                "display": True,
                "align": "end",
                "labels": {"boxWidth": 8, "boxHeight": 8, "usePointStyle": True},
            }
        },
        "scales": {
            "x": {
                "stacked": True,
                "grid": {"display": False},
                "ticks": {**ticks, "maxTicksLimit": 8, "maxRotation": 0},
            },
            "y": {
                "stacked": True,
                "beginAtZero": True,
                "suggestedMax": 4,
                "border": {"display": False},
                "ticks": {**ticks, "maxTicksLimit": 5},
            },
        },
    }
    return json.dumps(options)
