"""Refuses the files inside which more lies than they say: archive and XML bombs.

Word and Excel files are ZIP archives of XML. A ZIP of some kilobytes may unpack to terabytes, and
a few lines of XML with nested entities too, so both are looked at before any reader sees them.
"""

from __future__ import annotations

import io
import zipfile
from typing import Final

from knowledge.documents.blocks import DocumentRefused
from knowledge.notices import notice as _

UNPACKED_MOST: Final = 200 * 1024 * 1024
"""Bytes that all members may have together."""
MEMBERS_MOST: Final = 5_000
_HEAD_BYTES: Final = 4096


def archive_check(data: bytes) -> None:
    """Look at every member without keeping what it unpacks to.

    Raises:
        DocumentRefused: it is no archive, holds too much, or declares XML entities.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _members_check(archive)
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError) as error:
        raise DocumentRefused(
            _("The file is damaged or not of the kind that its name says.")
        ) from error


def _members_check(archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    if len(members) > MEMBERS_MOST:
        raise DocumentRefused(_("The file holds too many parts."))
    left = UNPACKED_MOST
    for member in members:
        if member.flag_bits & 1:
            raise DocumentRefused(_("The file is protected by a password."))
        # What the archive says of its sizes may be a lie, so the bytes are counted.
        with archive.open(member) as stream:
            head = b""
            while piece := stream.read(65536):
                left -= len(piece)
                if left < 0:
                    raise DocumentRefused(_("The file unpacks to more than 200 MB."))
                if len(head) < _HEAD_BYTES:
                    head += piece
        if member.filename.lower().endswith((".xml", ".rels")) and _has_doctype(head):
            raise DocumentRefused(_("The file declares XML entities and is not read."))


def _has_doctype(head: bytes) -> bool:
    # Office never writes one; entities cannot be declared without.
    text = head.replace(b"\x00", b"").upper()
    return b"<!DOCTYPE" in text or b"<!ENTITY" in text
