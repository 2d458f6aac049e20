"""Words of django-unfold, which has no Chinese catalogue: named here, they stay in ours."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_noop as _

WORDS: Final = (
    _("Select record"),
    _("Select action"),
    _("Collapse"),
    _("Name"),
    _("Value"),
    _("From"),
    _("To"),
    _("Date from"),
    _("Date to"),
    _("Not enough data."),
    _("Add new item"),
    _("Submit"),
    _("Select action to run"),
    _(
        'Raw passwords are not stored, so there is no way to see this user’s password, but you can change the password using <a href="{}" class="text-primary-600 dark:text-primary-500">this form</a>.'
    ),
    _("Run"),
    _("After you've created a user, you’ll be able to edit more user options."),
    _("Expand row"),
    _("Welcome back to"),
    _("Type to search"),
    _("You have been successfully logged out from the administration"),
    _("No data"),
    _("More actions"),
    _("All applications"),
    _("True"),
    _("False"),
    _("Apply Filters"),
    _("Select all rows"),
    _("Recent searches"),
    _("No recent searches"),
    _("No results matching your query"),
    _("Loading more results..."),
    _("Cancel"),
    _("This item will be deleted."),
    _("Click to cancel"),
    _("No results found"),
    _("This page yielded into no results. Create a new item or reset your filters."),
    _("Reset filters"),
    _("Click to download"),
    _("Go back"),
    _("Previous"),
    _("Next"),
    _("Search apps and models..."),
    _("General"),
    _("Light"),
    _("Dark"),
    _("System"),
    _("Choose file to upload"),
    _("Toggle password visibility"),
    _("Add row"),
    _("Date"),
    _("Changes"),
    _("Edit"),
)
