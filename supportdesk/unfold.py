"""How the admin looks and what its sidebar offers (settings of django-unfold)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


def _static(path: str) -> Callable[[HttpRequest], str]:
    return lambda request: static(path)


def _may(*permissions: str) -> Callable[[HttpRequest], bool]:
    return lambda request: request.user.has_perms(permissions)


def _item(
    title: str | Promise, icon: str, url_name: str, *permissions: str, **more: Any
) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{url_name}"),
        "permission": _may(*permissions),
        **more,
    }


def _rules_active(request: HttpRequest) -> bool:
    path = request.path
    return "/knowledge/rule/" in path and not path.endswith("/knowledge/rule/try/")


UNFOLD: Final[dict[str, Any]] = {
    "SITE_TITLE": _("Support desk"),
    "SITE_HEADER": _("Support desk"),
    "SITE_SUBHEADER": _("AI customer support"),
    "SITE_ICON": _static("supportdesk/icon.svg"),
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "sizes": "any",
            "type": "image/svg+xml",
            "href": _static("supportdesk/icon.svg"),
        }
    ],
    "SITE_URL": "/",
    "SHOW_LANGUAGES": True,
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "8px",
    "STYLES": [_static("supportdesk/staff.css"), _static("supportdesk/prompts.css")],
    "SCRIPTS": [_static("supportdesk/staff.js")],
    "DASHBOARD_CALLBACK": "supportdesk.staff.dashboard.dashboard_context",
    # A calm pine green on neutral greys with a breath of the same hue.
    "COLORS": {
        "base": {
            "50": "oklch(98.6% .003 200)",
            "100": "oklch(96.6% .005 200)",
            "200": "oklch(92.6% .008 200)",
            "300": "oklch(87.2% .011 200)",
            "400": "oklch(70.7% .018 205)",
            "500": "oklch(54.5% .022 210)",
            "600": "oklch(44.2% .024 212)",
            "700": "oklch(37% .026 215)",
            "800": "oklch(27.6% .024 218)",
            "900": "oklch(21% .022 220)",
            "950": "oklch(14% .018 222)",
        },
        "primary": {
            "50": "oklch(97.6% .014 192)",
            "100": "oklch(94.4% .032 192)",
            "200": "oklch(89% .056 192)",
            "300": "oklch(82% .08 192)",
            "400": "oklch(74% .098 193)",
            "500": "oklch(65% .1 194)",
            "600": "oklch(50% .085 197)",
            "700": "oklch(44% .076 198)",
            "800": "oklch(37.5% .064 200)",
            "900": "oklch(31.5% .052 202)",
            "950": "oklch(22% .04 204)",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "items": [
                    {
                        "title": _("Overview"),
                        "icon": "space_dashboard",
                        "link": reverse_lazy("admin:index"),
                    },
                ],
            },
            {
                "title": _("Customers"),
                "items": [
                    _item(
                        _("Conversations"),
                        "forum",
                        "conversations_conversation_changelist",
                        "conversations.view_conversation",
                    ),
                    _item(
                        _("Ratings"),
                        "star",
                        "conversations_rating_changelist",
                        "conversations.view_rating",
                    ),
                    _item(
                        _("Changes"),
                        "published_with_changes",
                        "conversations_toolaction_changelist",
                        "conversations.view_toolaction",
                    ),
                    _item(
                        _("Satisfaction"),
                        "monitoring",
                        "report_satisfaction",
                        "conversations.view_rating",
                    ),
                ],
            },
            {
                "title": _("Answers"),
                "items": [
                    _item(
                        _("Knowledge"),
                        "menu_book",
                        "knowledge_entry_changelist",
                        "knowledge.view_entry",
                    ),
                    _item(
                        _("Proposed changes"),
                        "rate_review",
                        "knowledge_entryproposal_changelist",
                        "knowledge.view_entryproposal",
                    ),
                    _item(
                        _("Audiences"),
                        "groups",
                        "knowledge_audience_changelist",
                        "knowledge.view_audience",
                    ),
                    _item(
                        _("Answers by entry"),
                        "manage_search",
                        "conversations_passageuse_changelist",
                        "conversations.view_passageuse",
                    ),
                    _item(
                        _("Gaps"),
                        "contact_support",
                        "conversations_gap_changelist",
                        "conversations.view_gap",
                    ),
                    _item(
                        _("Use of the knowledge"),
                        "query_stats",
                        "report_knowledge",
                        "conversations.view_rating",
                        "conversations.view_passageuse",
                    ),
                    _item(
                        _("Import"),
                        "upload_file",
                        "knowledge_knowledgeimport_changelist",
                        "knowledge.view_knowledgeimport",
                    ),
                    _item(
                        _("Rules"),
                        "rule",
                        "knowledge_rule_changelist",
                        "knowledge.view_rule",
                        active=_rules_active,
                    ),
                    _item(
                        _("Try a sentence"),
                        "science",
                        "knowledge_rule_try",
                        "knowledge.view_rule",
                    ),
                    _item(
                        _("Tools"),
                        "build",
                        "knowledge_tool_changelist",
                        "knowledge.view_tool",
                    ),
                    _item(
                        _("Label sets"),
                        "label",
                        "knowledge_labelset_changelist",
                        "knowledge.view_labelset",
                    ),
                    _item(
                        _("Prompts"),
                        "edit_note",
                        "knowledge_prompttemplate_changelist",
                        "knowledge.view_prompttemplate",
                    ),
                    _item(
                        _("Question sets"),
                        "checklist",
                        "knowledge_questionset_changelist",
                        "knowledge.view_questionset",
                    ),
                    _item(
                        _("Trials"),
                        "balance",
                        "knowledge_trial_changelist",
                        "knowledge.view_trial",
                    ),
                ],
            },
            {
                "title": _("Desk"),
                "items": [
                    _item(
                        _("Sites"),
                        "storefront",
                        "knowledge_site_changelist",
                        "knowledge.view_site",
                    ),
                    _item(_("Staff"), "group", "auth_user_changelist", "auth.view_user"),
                ],
            },
        ],
    },
}
