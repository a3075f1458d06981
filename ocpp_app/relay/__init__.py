"""The carriers of the envelope on Django's side: RabbitMQ (``amqp``) and, in one process, memory (``memory``)."""
