"""Triggers that keep the audit log as it is also from those who reach the database past this application's models.

The organisation and the charge point become NULL when they are deleted, and nothing else: an entry that is given to
another organisation would be hidden from its own. PostgreSQL refuses to delete an entry, too; on SQLite, where a test
database is emptied by DELETE, only the models refuse that.
"""

from typing import Any

TABLE = "ocpp_app_auditentry"
COLUMNS = ("id", "at", "actor", "actor_id", "remote_address", "action", "subject", "detail")
MOVED = " OR ".join(
    f"(NEW.{column} IS NOT NULL AND NEW.{column} {{differs}} OLD.{column})"
    for column in ("organisation_id", "charge_point_id")
)
TRIGGERS = ("ocpp_audit_no_update", "ocpp_audit_no_move", "ocpp_audit_no_replace", "ocpp_audit_no_delete")
REFUSED = "The audit log is append-only."

POSTGRESQL = (
    "CREATE OR REPLACE FUNCTION ocpp_audit_append_only() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN RAISE EXCEPTION '{REFUSED}' USING ERRCODE = 'integrity_constraint_violation'; END $$",
    f"CREATE TRIGGER ocpp_audit_no_update BEFORE UPDATE OF {', '.join(COLUMNS)} ON {TABLE} "
    "FOR EACH ROW EXECUTE FUNCTION ocpp_audit_append_only()",
    f"CREATE TRIGGER ocpp_audit_no_move BEFORE UPDATE ON {TABLE} "
    f"FOR EACH ROW WHEN ({MOVED.format(differs='IS DISTINCT FROM')}) EXECUTE FUNCTION ocpp_audit_append_only()",
    f"CREATE TRIGGER ocpp_audit_no_delete BEFORE DELETE ON {TABLE} "
    "FOR EACH ROW EXECUTE FUNCTION ocpp_audit_append_only()",
)
SQLITE = (
    f"CREATE TRIGGER ocpp_audit_no_update BEFORE UPDATE OF {', '.join(COLUMNS)} ON {TABLE} "
    f"BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END",
    f"CREATE TRIGGER ocpp_audit_no_move BEFORE UPDATE ON {TABLE} WHEN {MOVED.format(differs='IS NOT')} "
    f"BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END",
    f"CREATE TRIGGER ocpp_audit_no_replace BEFORE INSERT ON {TABLE} "
    f"WHEN EXISTS (SELECT 1 FROM {TABLE} WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END",
)
STATEMENTS = {"postgresql": POSTGRESQL, "sqlite": SQLITE}


def create_triggers(apps: Any, schema_editor: Any) -> None:
    """For a migration. One that alters the table on SQLite, which makes it anew, has to call this again."""
    drop_triggers(apps, schema_editor)
    for statement in STATEMENTS.get(schema_editor.connection.vendor, ()):
        schema_editor.execute(statement)


def drop_triggers(apps: Any, schema_editor: Any) -> None:
    """The opposite, for a migration that goes back."""
    on_table = f" ON {TABLE}" if schema_editor.connection.vendor == "postgresql" else ""
    for name in TRIGGERS:
        schema_editor.execute(f"DROP TRIGGER IF EXISTS {name}{on_table}")
