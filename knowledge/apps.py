from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate
from django.utils.translation import gettext_lazy as _


class KnowledgeConfig(AppConfig):
    name = "knowledge"
    verbose_name = _("Answers")

    def ready(self) -> None:
        from knowledge import checks
        from knowledge.retrieval.pgvector import table_install, table_remove
        from knowledge.revisions import triggers_install, triggers_remove

        checks.register_all()
        pre_migrate.connect(
            triggers_remove, sender=self, dispatch_uid="knowledge.revisions.triggers_remove"
        )
        post_migrate.connect(
            triggers_install, sender=self, dispatch_uid="knowledge.revisions.triggers_install"
        )
        pre_migrate.connect(
            table_remove, sender=self, dispatch_uid="knowledge.retrieval.pgvector.table_remove"
        )
        post_migrate.connect(
            table_install, sender=self, dispatch_uid="knowledge.retrieval.pgvector.table_install"
        )
