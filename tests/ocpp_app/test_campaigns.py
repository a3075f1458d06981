"""Campaigns go wave by wave, stop where too many fail, and live in their rows."""

import json
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db.models.signals import post_save
from django.utils import timezone

from ocpp_app import campaigns, upkeep
from ocpp_app.campaigns import cancel_campaign, pause_campaign, resume_campaign, start_campaign
from ocpp_app.errors import CampaignEnded, FirmwareNotFitting, TransferNotPossible
from ocpp_app.models import (
    CampaignTarget,
    ChargePoint,
    ChargePointGroup,
    Command,
    FirmwareCampaign,
    FirmwareTask,
    TaskState,
)
from tests.ocpp_app.conftest import Connect
from tests.ocpp_app.test_transfer import make_firmware
from tests.ocpp_app.wire import Wire

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("private_files", "_reachable")]


@pytest.fixture
def _reachable(settings: Any) -> None:
    settings.OCPP_TRANSFER_URL = "https://testserver/transfer"


@pytest.fixture
def group(connect: Connect) -> ChargePointGroup:
    """CP0 to CP9, connected."""
    row = ChargePointGroup.objects.create(name="Depot")
    for number in range(10):
        wire = connect(f"CP{number}", vendor="Maker", model="AC11", firmware_version="1.0")
        row.charge_points.add(wire.charge_point)
    return row


def states(campaign: FirmwareCampaign) -> str:
    """One letter for each charge point, by identity: w(aiting), r(unning), d(one), f(ailed), s(kipped), c(ancelled)."""
    rows = CampaignTarget.objects.filter(campaign=campaign).order_by("charge_point__identity")
    return "".join(state[0] for state in rows.values_list("state", flat=True))


def end(state: str, *numbers: int) -> None:
    identities = [f"CP{number}" for number in numbers]
    tasks = FirmwareTask.objects.filter(charge_point__identity__in=identities)
    assert tasks.update(state=state, finished_at=timezone.now()) == len(numbers)
    campaigns.review()


def test_next_wave_begins_when_all_of_the_one_before_have_ended(group: ChargePointGroup) -> None:
    campaign = start_campaign(make_firmware(), group, wave_size="30%", failures_allowed="10%")
    assert states(campaign) == "wwwwwwwwww"
    campaigns.review()
    campaigns.review()  # whoever looks again, after a restart, does nothing twice
    assert states(campaign) == "rrrwwwwwww"
    assert Command.objects.filter(action="UpdateFirmware", source=f"firmware campaign {campaign.pk}").count() == 3
    end(TaskState.DONE, 0, 1)
    assert states(campaign) == "ddrwwwwwww"
    end(TaskState.FAILED, 2)
    assert states(campaign) == "ddfrrrwwww"
    end(TaskState.DONE, 3, 4, 5)
    end(TaskState.DONE, 6, 7, 8)
    end(TaskState.DONE, 9)
    campaign.refresh_from_db()
    assert (states(campaign), campaign.state, campaign.wave) == ("ddfddddddd", "done", 4)
    assert campaign.finished_at is not None


def test_campaign_that_is_deleted_meanwhile_is_skipped(group: ChargePointGroup) -> None:
    campaign = start_campaign(make_firmware(), group, wave_size="2")
    deleted = FirmwareCampaign.objects.create(name="Deleted", firmware=campaign.firmware, created_at=timezone.now())

    def delete(**_kwargs: Any) -> None:
        FirmwareCampaign.objects.filter(pk=deleted.pk).delete()

    post_save.connect(delete, sender=FirmwareCampaign)
    try:
        campaigns.review()
    finally:
        post_save.disconnect(delete, sender=FirmwareCampaign)
    assert states(campaign) == "rrwwwwwwww"
    assert FirmwareCampaign.objects.count() == 1


def test_too_many_failures_stop_it_until_more_are_allowed(group: ChargePointGroup) -> None:
    campaign = start_campaign(make_firmware(), group, wave_size="2", failures_allowed="1")
    campaigns.review()
    end(TaskState.REJECTED, 0)
    assert states(campaign) == "frwwwwwwww"
    end(TaskState.FAILED, 1)
    campaign.refresh_from_db()
    assert (campaign.state, campaign.detail) == ("stopped", "2 failed, 1 are allowed.")
    campaigns.review()
    assert states(campaign) == "ffwwwwwwww"
    resume_campaign(campaign, failures_allowed="50%")
    campaigns.review()
    assert states(campaign) == "ffrrwwwwww"


def test_pause_lets_nobody_else_begin(group: ChargePointGroup) -> None:
    campaign = start_campaign(make_firmware(), group, wave_size="5")
    campaigns.review()
    pause_campaign(campaign)
    end(TaskState.DONE, 0, 1, 2, 3, 4)
    assert states(campaign) == "dddddwwwww"
    resume_campaign(campaign)
    campaigns.review()
    assert states(campaign) == "dddddrrrrr"


def test_cancelled_campaign_takes_back_what_has_not_left(group: ChargePointGroup) -> None:
    campaign = start_campaign(make_firmware(), group, wave_size="2")
    campaigns.review()
    cancel_campaign(campaign, reason="wrong version")
    upkeep.end_tasks()
    campaigns.review()
    assert (campaign.state, campaign.detail) == ("cancelled", "wrong version")
    assert states(campaign) == "ffcccccccc"
    assert set(Command.objects.values_list("state", flat=True)) == {"cancelled"}
    with pytest.raises(CampaignEnded, match="The campaign is cancelled: it cannot be resumed"):
        resume_campaign(campaign)


def test_who_has_the_version_or_another_make_is_left_out(group: ChargePointGroup) -> None:
    ChargePoint.objects.filter(identity="CP0").update(firmware_version="2.4.1")
    ChargePoint.objects.filter(identity="CP1").update(vendor="Other")
    campaign = start_campaign(make_firmware(), group, wave_size="100%")
    campaigns.review()
    assert states(campaign) == "ssrrrrrrrr"
    details = CampaignTarget.objects.filter(state="skipped").order_by("charge_point__identity")
    assert [row.detail for row in details] == [
        "It has version 2.4.1 already.",
        "CP1 is Other AC11, but this firmware is for Maker AC*.",
    ]
    assert campaign.outcomes == {"running": 8, "skipped": 2}


def test_what_cannot_be_begun_is_refused(group: ChargePointGroup, settings: Any) -> None:
    firmware = make_firmware()
    with pytest.raises(FirmwareNotFitting, match="Nobody is left"):
        start_campaign(firmware, ChargePointGroup.objects.create(name="Empty"))
    with pytest.raises(FirmwareNotFitting, match="signing certificate"):
        start_campaign(firmware, group, signed=True)
    with pytest.raises(ValidationError, match="A number such as 5"):
        start_campaign(firmware, group, wave_size="many")
    settings.OCPP_TRANSFER_URL = ""
    with pytest.raises(TransferNotPossible):
        start_campaign(firmware, group)
    assert FirmwareCampaign.objects.count() == 0


def test_charge_point_that_says_installed_ends_its_turn(wire: Wire) -> None:
    ChargePoint.objects.update(vendor="Maker", model="AC11")
    campaign = start_campaign(make_firmware(), [wire.charge_point])
    campaigns.review()
    command = Command.objects.get()
    assert wire.call(f'[3,"{command.pk}",{{}}]') is None
    for word in ("Downloading", "DownloadFailed", "Downloading", "Installed"):
        wire.ask("FirmwareStatusNotification", json.loads(f'{{"status":"{word}"}}'))
    campaigns.review()
    assert states(campaign) == "d"
