"""How far back what was kept for a while only has been forgotten."""

from django.db import models


class Forgetting(models.Model):
    """How far one kind of content has been forgotten, so that rows which are empty already are not read again."""

    class Kind(models.TextChoices):
        ANSWERS = "answers", "PortOne's raw answers"
        REPLIES = "replies", "bodies of endpoints' replies"

    kind = models.CharField(primary_key=True, max_length=7, choices=Kind.choices)
    until = models.UUIDField(help_text="the newest row that was emptied or found empty")

    def __str__(self) -> str:
        return f"{self.kind} up to {self.until}"
