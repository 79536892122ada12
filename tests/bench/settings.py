"""The product's settings with one more address: the bare view that ours are measured against."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "tests.bench.urls"
