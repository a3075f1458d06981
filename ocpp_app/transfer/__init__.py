"""Files between charge points and us: one-time addresses, what is uploaded to them, firmware that is fetched there."""
