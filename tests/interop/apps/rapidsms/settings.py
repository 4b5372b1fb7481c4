"""The RapidSMS project of the tutorial, with Tropo as its backend."""

import os

SECRET_KEY = "signs the programs that Tropo brings back; of no other use here"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "urls"
USE_TZ = True

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["DATABASE"],
        # Texts come in side by side, and SQLite lets one write at a time.
        "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "rapidsms",
    "rapidsms.contrib.handlers",
    "rapidsms.contrib.messagelog",
    "rapidsms.contrib.echo",
    "clinic",
    # Answers what no other application did, so it is the last.
    "rapidsms.contrib.default",
]

PROJECT_NAME = "RapidSMS"

INSTALLED_BACKENDS = {
    "my-tropo-backend": {
        "ENGINE": "rtropo.outgoing.TropoBackend",
        "config": {
            "messaging_token": os.environ["MESSAGING_TOKEN"],
            "number": "+1-555-555-0100",
        },
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}
