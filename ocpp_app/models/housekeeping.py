"""Who does the housekeeping."""

from django.db import models


class Lease(models.Model):
    """A named piece of work that one process at a time may do, until ``expires_at`` by the database's clock."""

    name = models.CharField(max_length=50, primary_key=True)
    holder = models.CharField(max_length=255, blank=True)
    expires_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name
