"""Where Tropo finds the backend, as the README of rapidsms-tropo has it."""

from django.http import HttpResponse
from django.urls import path
from rtropo import views

urlpatterns = [
    path("", lambda request: HttpResponse("ready")),
    path("tropo/", views.message_received, kwargs={"backend_name": "my-tropo-backend"}, name="tropo"),
]
