"""The worker: takes requests from the relay, hands them to dispatch, sends the replies."""
