"""The state of functions, in SQLite; called by JavaScript, in process. Servers of a machine may share the file."""

import json
import sqlite3
import threading

TABLES = """
CREATE TABLE IF NOT EXISTS functions (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, record TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Store:
    def __init__(self, path):
        self.path = path
        # A connection for each thread, as sqlite3 wants it.
        self.local = threading.local()
        self.database().executescript(TABLES)

    def database(self):
        if not hasattr(self.local, "database"):
            self.local.database = sqlite3.connect(self.path, timeout=10, isolation_level=None)
            self.local.database.execute("PRAGMA journal_mode = WAL")
            self.local.database.execute("PRAGMA synchronous = NORMAL")
        return self.local.database

    def secret(self, name, fresh):
        """The secret of that name: the fresh one where there was none."""
        self.database().execute("INSERT OR IGNORE INTO secrets VALUES (?, ?)", (name, fresh))
        found = self.database().execute("SELECT value FROM secrets WHERE name = ?", (name,))
        return found.fetchone()[0]

    def functions(self):
        rows = self.database().execute("SELECT record FROM functions ORDER BY name")
        return [record for (record,) in rows]

    def add(self, record):
        """Whether the name was free."""
        told = json.loads(record)
        try:
            values = (told["id"], told["name"], record)
            self.database().execute("INSERT INTO functions VALUES (?, ?, ?)", values)
        except sqlite3.IntegrityError:
            return False
        return True

    def replace(self, record):
        """Whether it was there."""
        values = (record, json.loads(record)["id"])
        changed = self.database().execute("UPDATE functions SET record = ? WHERE id = ?", values)
        return changed.rowcount > 0

    def remove(self, function_id):
        self.database().execute("DELETE FROM functions WHERE id = ?", (function_id,))
