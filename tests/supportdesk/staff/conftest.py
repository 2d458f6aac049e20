import pytest


@pytest.fixture(autouse=True)
def quick_password_hash(settings):
    """The real hash is slow on purpose; these tests log in hundreds of times."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
