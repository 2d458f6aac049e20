from django.apps import AppConfig


class SupportdeskConfig(AppConfig):
    name = "supportdesk"
