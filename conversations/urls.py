"""Addresses of the widget."""

from django.urls import path

from conversations import widget_api

app_name = "widget"
urlpatterns = [
    path("v1/alive", widget_api.alive, name="alive"),
    path("v1/session", widget_api.session_create, name="session"),
    path("v1/messages", widget_api.message_create, name="messages"),
    path("v1/frames", widget_api.frame_create, name="frames"),
    path("v1/items", widget_api.item_list, name="items"),
]
