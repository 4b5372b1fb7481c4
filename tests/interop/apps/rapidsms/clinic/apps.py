"""Points the backend at the Tropo of `TROPO`, from outside: `base_url` is the one place that names Tropo."""

import os

from django.apps import AppConfig


class Clinic(AppConfig):
    name = "clinic"

    def ready(self):
        from rtropo import outgoing

        outgoing.base_url = os.environ["TROPO"] + "/1.0/sessions"
