"""Builds the distribution; every fact about it stands in pyproject.toml."""

import setuptools

setuptools.setup()
