"""What housekeeping does for idTags at charge points, in its order and in one go."""

from ocpp_app import upkeep


def keep_lists_and_caches() -> bool:
    """Returns whether to go on at once."""
    has_more = upkeep.note_stricter_tags()
    upkeep.clear_caches()
    upkeep.keep_lists()
    return has_more
