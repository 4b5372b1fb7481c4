"""Where the router finds the backend, as `tropomq migrate rapidsms` tells to write it for each format."""

import os

from django.http import HttpResponse
from django.urls import path
from rapidsms.backends.http.views import GenericHttpBackendView
from rapidsms.backends.kannel.views import KannelBackendView
from rapidsms.backends.vumi.views import VumiBackendView

view = {"vumi": VumiBackendView, "http": GenericHttpBackendView, "kannel": KannelBackendView}[os.environ["FORMAT"]]

urlpatterns = [
    path("", lambda request: HttpResponse("ready")),
    path("backend/my-tropo-backend/", view.as_view(backend_name="my-tropo-backend")),
]
