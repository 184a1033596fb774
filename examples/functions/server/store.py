"""The state of functions, in SQLite or PostgreSQL; called by JavaScript, in process."""

import json
import sqlite3
import threading

TABLES = (
    "CREATE TABLE IF NOT EXISTS functions (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, record TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
)
# Seconds: to have a connection at the start, where the database may be starting as well, and later.
START, WAIT = 30, 5


class Unavailable(Exception):
    """The database does not answer."""


class SQLite:
    """Servers of a machine may share the file."""

    def __init__(self, path):
        self.path = path
        # A connection for each thread, as sqlite3 wants it.
        self.local = threading.local()

    def execute(self, statement, values=()):
        """Rows, and how many were changed."""
        if not hasattr(self.local, "database"):
            self.local.database = sqlite3.connect(self.path, timeout=10, isolation_level=None)
            self.local.database.execute("PRAGMA journal_mode = WAL")
            self.local.database.execute("PRAGMA synchronous = NORMAL")
        done = self.local.database.execute(statement, values)
        return done.fetchall(), done.rowcount

    def close(self):
        """Its connections end with their threads."""


class PostgreSQL:
    """Servers of several machines may share it."""

    def __init__(self, url):
        try:
            import psycopg
            import psycopg_pool
        except ImportError as error:
            message = f"{error.name} is missing: python -m pip install 'psycopg[binary,pool]'"
            raise RuntimeError(message) from error
        self.errors = (psycopg.OperationalError, psycopg_pool.PoolTimeout)
        # Another server may be doing the same at this moment, which PostgreSQL's IF NOT EXISTS does not wait for.
        self.race = psycopg.errors.UniqueViolation
        self.pool = psycopg_pool.ConnectionPool(
            url,
            min_size=1,
            max_size=8,
            timeout=WAIT,
            kwargs={"autocommit": True},
            check=psycopg_pool.ConnectionPool.check_connection,
            open=False,
        )
        self.pool.open()
        try:
            self.pool.wait(START)
        except psycopg_pool.PoolTimeout as error:
            self.pool.close()
            raise Unavailable(f"the database has not answered for {START} s") from error

    def execute(self, statement, values=()):
        try:
            with self.pool.connection() as connection:
                done = connection.execute(statement.replace("?", "%s"), values)
                return done.fetchall() if done.description else [], done.rowcount
        except self.race:
            return [], 0
        except self.errors as error:
            raise Unavailable(f"the database does not answer: {error}") from error

    def close(self):
        self.pool.close()


class Store:
    def __init__(self, place):
        is_url = place.startswith(("postgresql://", "postgres://"))
        self.database = PostgreSQL(place) if is_url else SQLite(place)
        for table in TABLES:
            self.database.execute(table)

    def secret(self, name, fresh):
        """The secret of that name: the fresh one where there was none."""
        self.database.execute(
            "INSERT INTO secrets VALUES (?, ?) ON CONFLICT DO NOTHING", (name, fresh)
        )
        rows, _ = self.database.execute("SELECT value FROM secrets WHERE name = ?", (name,))
        return rows[0][0]

    def functions(self):
        rows, _ = self.database.execute("SELECT record FROM functions ORDER BY name")
        return [record for (record,) in rows]

    def add(self, record):
        """Whether the name was free."""
        told = json.loads(record)
        values = (told["id"], told["name"], record)
        statement = "INSERT INTO functions VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        return self.database.execute(statement, values)[1] > 0

    def replace(self, record):
        """Whether it was there."""
        values = (record, json.loads(record)["id"])
        return self.database.execute("UPDATE functions SET record = ? WHERE id = ?", values)[1] > 0

    def remove(self, function_id):
        self.database.execute("DELETE FROM functions WHERE id = ?", (function_id,))

    def close(self):
        self.database.close()
