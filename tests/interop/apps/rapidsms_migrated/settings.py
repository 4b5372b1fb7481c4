"""The RapidSMS project of the tutorial as an application of the router: its own applications, and settings alone."""

import os

SECRET_KEY = "of no use here"
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
    "rapidsms.backends.kannel",
    "rapidsms.contrib.handlers",
    "rapidsms.contrib.messagelog",
    "rapidsms.contrib.echo",
    # Answers what no other application did, so it is the last.
    "rapidsms.contrib.default",
]

PROJECT_NAME = "RapidSMS"

# Where the router is, which these tests choose.
ROUTER = os.environ["ROUTER"]

# What `tropomq migrate rapidsms` tells to write, for each format.
VUMI = {
    "my-tropo-backend": {
        "ENGINE": "rapidsms.backends.vumi.VumiBackend",
        "sendsms_url": ROUTER + "/rapidsms/my-tropo-backend/vumi",
        "sendsms_user": "my-tropo-backend",
        "sendsms_pass": os.environ["TROPOMQ_PASSWORD"],
    },
}
KANNEL = {
    "my-tropo-backend": {
        "ENGINE": "rapidsms.backends.kannel.KannelBackend",
        "sendsms_url": ROUTER + "/rapidsms/my-tropo-backend/kannel",
        "sendsms_params": {
            "username": "my-tropo-backend",
            "password": os.environ["TROPOMQ_PASSWORD"],
        },
        "charset": "UTF-8",
        "coding": 0,
    },
}

# The backend of the format http only receives.
INSTALLED_BACKENDS = {"vumi": VUMI, "http": VUMI, "kannel": KANNEL}[os.environ["FORMAT"]]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}
