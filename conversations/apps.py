from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ConversationsConfig(AppConfig):
    name = "conversations"
    verbose_name = _("Customers")

    def ready(self) -> None:
        from conversations.gaps.archive import gaps_of
        from knowledge.services.archive.sections import section_register

        section_register("gaps", gaps_of)
