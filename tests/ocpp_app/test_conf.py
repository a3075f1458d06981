"""Settings are read once, and again when they change."""

from typing import Any

from ocpp_app import conf


def test_a_setting_that_has_changed_is_read_again(settings: Any) -> None:
    assert not conf.strict()
    settings.OCPP_STRICT = True
    assert conf.strict()
    del settings.OCPP_STRICT
    assert not conf.strict()
