"""RabbitMQ, PostgreSQL, Chromium and tools for tests, cluster and benchmark, on any developer's machine and in CI.

Each service is looked for in this order: the address given in the environment; this clone's own instance, if it runs;
a server on its usual port. `python -m scripts.services up …` then starts an own instance of what is missing,
on 127.0.0.1, on a free port, with data and password of its own, so that it never gets in anybody's way.
"""
