"""A session as a zip: the files that the agent keeps of its conversation, and no others.

What is unpacked was written by this service, but it lies in a bucket that others may write to: names,
kinds, numbers and sizes are checked before anything is written, and sizes again while it is.
"""

import io
import os
import re
import stat
import zipfile
import zlib
from datetime import datetime, timezone
from pathlib import Path

ENTRIES = 500
#: Bytes of all files together, unpacked.
UNPACKED = 256 * 1024 * 1024
#: How many times larger a file may be than what it was packed to. Conversations come to 20; a bomb to 1,000.
RATIO = 200
#: Below this size a ratio means nothing.
SMALL = 1024 * 1024
PIECE = 256 * 1024
#: DEFLATE's own number for "neither fast nor small".
LEVEL = 6

_PART = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}"
#: `projects/-tmp-agent-lambda-…-work/ID.jsonl`, and what belongs to it in folders below.
SESSION_FILE = re.compile(rf"projects/(?:{_PART}/){{1,6}}{_PART}\.(?:jsonl|json|txt)")


class ArchiveError(Exception):
    """The zip is refused; says why."""


class TooLarge(ArchiveError):
    """The session has more than there may be."""


def files_in(folder: Path) -> list[tuple[str, Path]]:
    """The session files below a folder, with their names in a zip. Links are not followed."""
    found = []
    for place, folders, names in os.walk(folder / "projects", followlinks=False):
        folders.sort()
        for name in sorted(names):
            path = Path(place, name)
            inside = path.relative_to(folder).as_posix()
            if SESSION_FILE.fullmatch(inside) and stat.S_ISREG(path.lstat().st_mode):
                found.append((inside, path))
    return found


def pack(folder: Path) -> tuple[bytes, dict[str, str]]:
    """Zips the session files below a folder.

    Returns:
        The zip, and what is said of it: `created`, `files`.

    Raises:
        TooLarge: more files or bytes than `unpack` would take
    """
    found = files_in(folder)
    if len(found) > ENTRIES:
        raise TooLarge(f"the session has {len(found)} files, of {ENTRIES} at most")
    created = datetime.now(timezone.utc).isoformat(timespec="seconds")
    packed = io.BytesIO()
    total = 0
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        for name, path in found:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            with os.fdopen(descriptor, "rb") as source, archive.open(name, "w") as target:
                while piece := source.read(PIECE):
                    total += len(piece)
                    if total > UNPACKED:
                        raise TooLarge(f"the session has more than {UNPACKED} bytes")
                    target.write(piece)
        said = {"created": created, "files": str(len(found))}
        archive.comment = f"created {created}, {len(found)} files".encode()
    return packed.getvalue(), said


def _check(entries: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    if len(entries) > ENTRIES:
        raise ArchiveError(f"it has {len(entries)} entries, of {ENTRIES} at most")
    names = [entry.filename for entry in entries]
    if len(set(names)) < len(names):
        raise ArchiveError("it has a name twice")
    for entry in entries:
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise ArchiveError("it has an entry that is no file")
        if not SESSION_FILE.fullmatch(entry.filename) or ".." in entry.filename:
            raise ArchiveError("it has a name that no session file has")
        if entry.flag_bits & 1 or entry.compress_type not in (
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
        ):
            raise ArchiveError("it has an entry that is packed in another way")
        if entry.file_size > max(SMALL, entry.compress_size * RATIO):
            raise ArchiveError(f"it has an entry of more than {RATIO} times its size")
    if sum(entry.file_size for entry in entries) > UNPACKED:
        raise ArchiveError(f"it has more than {UNPACKED} bytes")
    return entries


def unpack(packed: bytes, folder: Path) -> int:
    """Writes the session files of a zip below a folder, which is empty.

    Returns:
        How many there are.

    Raises:
        ArchiveError: it is none, or it is none of this service's; some files may have been written
    """
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            entries = _check(archive.infolist())
            for entry in entries:
                path = folder / entry.filename
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                left = entry.file_size
                with archive.open(entry) as source, path.open("xb") as target:
                    while piece := source.read(PIECE):
                        left -= len(piece)
                        if left < 0:
                            raise ArchiveError("it has an entry that is larger than it says")
                        target.write(piece)
            return len(entries)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        ValueError,
        OSError,
        NotImplementedError,
    ) as error:
        raise ArchiveError(f"it cannot be read ({type(error).__name__})") from error
