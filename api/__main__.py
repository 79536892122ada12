"""Write the API's document into its file: `make document`, after anything of the API has changed."""

import os

import django


def write() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    # Not before: what it describes are Django's views.
    from api.document import write_document
    from api.pages import FILE

    FILE.write_text(write_document(), encoding="utf-8")


write()
