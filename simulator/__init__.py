"""A simulator of OCPP 1.6J charge points: real websockets, a plausible meter, every command answered.

From the command line: ``python -m simulator --url ws://127.0.0.1:9000/ocpp --count 5``. From Python, for example in a
test::

    async with SimulatedChargePoint("ws://127.0.0.1:9000/ocpp", "CP001") as charge_point:
        await charge_point.plug_in(1)
        await charge_point.present_tag("ABC123")
        await charge_point.charge(1, energy_wh=5000)
        await charge_point.present_tag("ABC123")
        await charge_point.unplug(1)
        assert not charge_point.ledger.call_errors
"""
