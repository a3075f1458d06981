"""The reusable Django app: charge points, transactions and commands, and the middleware chains that handle OCPP
messages."""
