from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate
from django.utils.translation import gettext_lazy as _


class KnowledgeConfig(AppConfig):
    name = "knowledge"
    verbose_name = _("Answers")

    def ready(self) -> None:
        from knowledge.revisions import triggers_install, triggers_remove

        pre_migrate.connect(
            triggers_remove, sender=self, dispatch_uid="knowledge.revisions.triggers_remove"
        )
        post_migrate.connect(
            triggers_install, sender=self, dispatch_uid="knowledge.revisions.triggers_install"
        )
