"""Fixtures for all tests of the inference app."""

from tests.inference.server.conftest import server_start as server_start
