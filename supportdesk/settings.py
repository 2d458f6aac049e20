"""Settings of the project; every value comes from the environment or ``.env`` (see env.py)."""

from __future__ import annotations

from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from inference.backends.specs import LOCAL_ORDERS, LocalOrder
from knowledge.demo_shop import SECRET_NAME, demo_secret
from supportdesk import env
from supportdesk.database import database_settings
from supportdesk.unfold import UNFOLD as UNFOLD

BASE_DIR = env.BASE_DIR
env.environment_load()

# Where things are kept
DATA_DIR = Path(env.text("SUPPORTDESK_DATA", str(BASE_DIR / "var"))).expanduser().resolve()
CACHE_DIR = Path(env.text("SUPPORTDESK_CACHE", "~/.cache/supportdesk")).expanduser().resolve()

# Security
DEBUG = env.flag("DEBUG", False)
SECRET_KEY = env.secret_key(DATA_DIR)
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
HOST = env.text("HOST", "127.0.0.1")
PORT = env.integer("PORT", 8000, least=1, most=65535)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.flag("SECURE_COOKIES", False)
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
# More is refused by the server before it is kept (supportdesk/web/requests.py), and by Django.
REQUEST_BODY_BYTES = env.integer(
    "SUPPORTDESK_REQUEST_BODY_BYTES", 2621440, least=2 * 65536, most=2**30
)
DATA_UPLOAD_MAX_MEMORY_SIZE = REQUEST_BODY_BYTES

INSTALLED_APPS = [
    "daphne",
    "supportdesk",  # its templates and commands win over those of the libraries
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "supportdesk.staff.apps.StaffAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "channels",
    "axes",
    "django_tasks",
    "django_tasks_db",
    "conversations",
    "knowledge",
    "inference",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "supportdesk.content_security.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "supportdesk.staff.password_gate.password_gate",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "supportdesk.urls"
ASGI_APPLICATION = "supportdesk.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# Stores
DATABASES = {"default": database_settings(DATA_DIR / "supportdesk.sqlite3")}
# Where vectors are searched: pgvector where PostgreSQL has it, or always in memory.
VECTOR_SEARCH = env.choice(
    "SUPPORTDESK_VECTOR_SEARCH",
    "auto",
    {"auto": "auto", "memory": "memory", "pgvector": "pgvector"},
)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# What several web processes share; none: each keeps its own in memory.
REDIS_URL = env.redis_url("REDIS_URL")
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels.layers.InMemoryChannelLayer",
        "CONFIG": {"capacity": 1000},
    }
}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
# Background work lies in the database until a worker takes it (supportdesk/background.py).
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}

# Whether staff may import pages from the web, and hosts that may be private (an intranet's help).
WEB_IMPORT = env.flag("SUPPORTDESK_WEB_IMPORT", False)
WEB_IMPORT_PRIVATE_HOSTS = env.words("SUPPORTDESK_WEB_IMPORT_PRIVATE_HOSTS")
# Mail, for reminders to owners of entries; none: the overview alone tells them.
_EMAIL = env.email("EMAIL_URL")
EMAIL_HOST = _EMAIL.host
EMAIL_PORT = _EMAIL.port
EMAIL_HOST_USER = _EMAIL.user
EMAIL_HOST_PASSWORD = _EMAIL.password
EMAIL_USE_TLS = _EMAIL.use_tls
EMAIL_USE_SSL = _EMAIL.use_ssl
EMAIL_TIMEOUT = 30
DEFAULT_FROM_EMAIL = env.text("EMAIL_FROM", "supportdesk@localhost")

# People
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_RESET_ON_SUCCESS = True
AXES_ENABLE_ADMIN = False
AXES_LOCKOUT_TEMPLATE = "admin/lockout.html"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")

# Languages
LANGUAGE_CODE = env.text("LANGUAGE_CODE", "zh-hans")
LANGUAGES = [("zh-hans", _("Chinese (simplified)")), ("en", _("English"))]
if LANGUAGE_CODE not in dict(LANGUAGES):
    raise ImproperlyConfigured(f"LANGUAGE_CODE must be zh-hans or en, not {LANGUAGE_CODE!r}.")
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = env.text("TIME_ZONE", "Asia/Shanghai")

# Files for browsers
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
# The files are found where they lie, so that a start needs no collectstatic; nginx may serve
# STATIC_ROOT after `manage.py collectstatic`.
SERVESTATIC_USE_FINDERS = True
SERVESTATIC_AUTOREFRESH = DEBUG

# Models and engines
MODEL = env.text("SUPPORTDESK_MODEL", "Qwen2.5-Coder-0.5B-Instruct")
EMBEDDING_MODEL = env.text("SUPPORTDESK_EMBEDDING", "multilingual-e5-small")
# Addresses of the inference servers; `manage.py serve` sets them for the processes it starts.
ENGINE_URL = env.text("SUPPORTDESK_ENGINE_URL", "")
ENCODER_URL = env.text("SUPPORTDESK_ENCODER_URL", "")
ENGINE_API_KEY = env.text("SUPPORTDESK_ENGINE_API_KEY", "")
# A model of its own for labels, in an engine beside the other; none: the chat model labels as well.
LABEL_MODEL = env.text("SUPPORTDESK_LABEL_MODEL", "")
LABEL_ENGINE_URL = env.text("SUPPORTDESK_LABEL_ENGINE_URL", "")
# Other OpenAI-compatible servers, and whether the built-in engine is asked before or after them, or
# not run at all (docs/remote-engines.md).
ENGINES = env.engines("SUPPORTDESK_ENGINES")
LOCAL_ENGINE: LocalOrder = env.choice("SUPPORTDESK_LOCAL_ENGINE", "first", LOCAL_ORDERS)
# An engine that failed so often within so many seconds is left alone; it is asked for its health,
# and tried again, every so many seconds.
BREAKER_FAILURES = env.integer("SUPPORTDESK_BREAKER_FAILURES", 3, least=1, most=1000)
BREAKER_SECONDS = env.seconds("SUPPORTDESK_BREAKER_SECONDS", 60.0, least=0.05)
PROBE_SECONDS = env.seconds("SUPPORTDESK_PROBE_SECONDS", 30.0, least=0.05)
# Names that clients may use for the model, for example "Qwen1.5-1.8B-Chat-GPTQ-Int4".
MODEL_ALIASES = env.words("SUPPORTDESK_MODEL_ALIASES", "")
# /v1 on the web port: its key, and whether it is open without one (loopback only).
V1_API_KEY = env.text("SUPPORTDESK_V1_API_KEY", "")
OPEN_V1 = env.flag("SUPPORTDESK_OPEN_V1", False)
# Where `manage.py serve` shows the demo shop, as long as the demo data exists.
DEMOSHOP_PORT = env.integer("SUPPORTDESK_DEMOSHOP_PORT", min(PORT + 1, 65535), least=1, most=65535)

# Answers
FIRST_TOKEN_SECONDS = env.seconds("SUPPORTDESK_FIRST_TOKEN_SECONDS", 4.0, least=0.05)
DEADLINE_SECONDS = env.seconds("SUPPORTDESK_DEADLINE_SECONDS", 20.0, least=0.1)
LEASE_SECONDS = env.seconds("SUPPORTDESK_LEASE_SECONDS", 5.0, least=0.1)
ENGINE_KILL_SECONDS = env.seconds("SUPPORTDESK_ENGINE_KILL_SECONDS", 3.0, least=0.1)
# How many questions may be with the model at once.
MODEL_PLACES = env.integer("SUPPORTDESK_MODEL_PLACES", 8, least=1, most=1024)
# How long a socket may be silent before its first frame.
HELLO_SECONDS = env.seconds("SUPPORTDESK_HELLO_SECONDS", 5.0, least=0.05)
# A socket whose client reads nothing for so long is closed.
STALL_SECONDS = env.seconds("SUPPORTDESK_STALL_SECONDS", 10.0, least=0.05)
# What runs when the process is told to stop has so long to finish; it leaves within 15 s.
DRAIN_SECONDS = env.seconds("SUPPORTDESK_DRAIN_SECONDS", 10.0, most=10.0)
HISTORY_TURNS = env.integer("SUPPORTDESK_HISTORY_TURNS", 10, least=0, most=50)
HISTORY_SECONDS = env.seconds("SUPPORTDESK_HISTORY_SECONDS", 3600.0, most=30 * 86400.0)
# How many of the model's answers a site keeps to give them again; 0 keeps none.
ANSWER_CACHE = env.integer("SUPPORTDESK_ANSWER_CACHE", 2000, least=0, most=100_000)
# 0 (unset): as many as the engine measured that it reads in time.
PROMPT_TOKENS = env.integer("SUPPORTDESK_PROMPT_TOKENS", 0, least=128, most=32768)
if FIRST_TOKEN_SECONDS > DEADLINE_SECONDS:
    raise ImproperlyConfigured(
        "SUPPORTDESK_FIRST_TOKEN_SECONDS must not be larger than SUPPORTDESK_DEADLINE_SECONDS."
    )
# Tools (docs/tools.md): secrets that their headers may name, Python functions that they may call,
# and hosts. Without hosts they may call any on the public internet; a host named here may be private.
TOOL_SECRETS = {
    SECRET_NAME: demo_secret(SECRET_KEY),
    **env.secrets_named("SUPPORTDESK_TOOL_SECRET_"),
}
TOOL_FUNCTIONS = env.words("SUPPORTDESK_TOOL_FUNCTIONS")
TOOL_HOSTS = env.words("SUPPORTDESK_TOOL_HOSTS")
# How sure retrieval must be for an entry's answer to be sent without the model, and for a question
# to count as known at all. Unset: the calibrated values of knowledge/retrieval/calibration.py.
DIRECT_PROBABILITY = env.probability("SUPPORTDESK_DIRECT_PROBABILITY")
RELEVANT_PROBABILITY = env.probability("SUPPORTDESK_RELEVANT_PROBABILITY")
