"""Weights in repositories of the Hugging Face Hub (or a mirror of it) and of ModelScope.

Both are asked for the size and hash of each file first; a file of the catalog with a hash of its
own must have that one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

import httpx2

from inference.errors import WeightsError, gettext_noop
from inference.weights.catalog import RemoteFile, RepositorySource
from inference.weights.downloads import (
    Download,
    Downloader,
    SourceUnavailable,
    client_open,
    transport_sentence,
)
from inference.weights.progress import Progress

HUGGINGFACE: Final = "https://huggingface.co"
MODELSCOPE: Final = "https://www.modelscope.cn"
_METADATA_SECONDS: Final = 10.0
_SHA256_DIGITS: Final = 64
_SHA1_DIGITS: Final = 40


def repository_fetch(
    source: RepositorySource,
    directory: Path,
    progress: Progress,
    *,
    what: str,
    environment: Mapping[str, str] = os.environ,
) -> tuple[Path, ...]:
    """Download the files of the repository into ``directory``; returns their paths in order.

    ``HF_ENDPOINT`` and ``MODELSCOPE_ENDPOINT`` name other servers, ``HF_TOKEN`` opens closed
    repositories.

    Raises:
        SourceUnavailable: The hub cannot be reached, or lacks a file.
        WeightsError: A file is not what the catalog or the hub says.
        OSError: A file cannot be written.
    """
    if source.hub == "huggingface":
        endpoint = environment.get("HF_ENDPOINT", "").rstrip("/") or HUGGINGFACE
        items = _huggingface_downloads(source, endpoint)
    else:
        endpoint = environment.get("MODELSCOPE_ENDPOINT", "").rstrip("/") or MODELSCOPE
        items = _modelscope_downloads(source, endpoint)
    with Downloader(directory, progress) as downloader:
        return tuple(downloader.fetch_all(items, what))


def _huggingface_downloads(source: RepositorySource, endpoint: str) -> list[Download]:
    # Half a second to import, and only needed when a model is pulled from the hub.
    from huggingface_hub import get_hf_file_metadata, get_token, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    token = get_token()
    host = httpx2.URL(endpoint).host
    items: list[Download] = []
    commit: str | None = None
    for file in source.files:
        # All files of one commit, so that a push in between cannot mix two versions.
        url = hf_hub_url(source.repository, file.path, revision=commit, endpoint=endpoint)
        try:
            found = get_hf_file_metadata(
                url, token=token, timeout=_METADATA_SECONDS, endpoint=endpoint
            )
        except HfHubHTTPError as error:
            status = error.response.status_code if error.response is not None else "an error"
            raise SourceUnavailable(
                f"{host} answers {status} for {source.repository}/{file.path}."
            ) from error
        except OfflineModeIsEnabled as error:
            raise SourceUnavailable(
                "HF_HUB_OFFLINE forbids to ask the Hugging Face Hub."
            ) from error
        except httpx2.HTTPError as error:
            raise SourceUnavailable(transport_sentence(url, error) + ".") from error
        commit = commit or found.commit_hash
        etag = found.etag or ""
        if found.size is None or len(etag) not in (_SHA256_DIGITS, _SHA1_DIGITS):
            raise SourceUnavailable(f"{host} tells no hash and size of {file.path}.")
        sha256 = etag if len(etag) == _SHA256_DIGITS else ""
        git_blob = etag if len(etag) == _SHA1_DIGITS else ""
        _agreement_check(file, sha256, found.size, host)
        url = hf_hub_url(source.repository, file.path, revision=commit, endpoint=endpoint)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        items.append(
            Download(url, file.path, found.size, sha256=sha256, git_blob=git_blob, headers=headers)
        )
    return items


def _modelscope_downloads(source: RepositorySource, endpoint: str) -> list[Download]:
    """The file list is ``GET /api/v1/models/OWNER/NAME/repo/files``, as ModelScope's client does."""
    listing = (
        f"{endpoint}/api/v1/models/{source.repository}/repo/files?Revision=master&Recursive=true"
    )
    host = httpx2.URL(endpoint).host
    with client_open() as client:
        try:
            answer = client.get(listing)
        except httpx2.TransportError as error:
            raise SourceUnavailable(transport_sentence(listing, error) + ".") from error
    if answer.status_code != 200:
        raise SourceUnavailable(f"{host} answers {answer.status_code} for {source.repository}.")
    try:
        entries = {entry["Path"]: entry for entry in answer.json()["Data"]["Files"]}
        return [_modelscope_download(source, file, entries, endpoint) for file in source.files]
    except (ValueError, KeyError, TypeError) as error:
        raise SourceUnavailable(f"{host} gives no file list of {source.repository}.") from error


def _modelscope_download(
    source: RepositorySource,
    file: RemoteFile,
    entries: Mapping[str, Mapping[str, object]],
    endpoint: str,
) -> Download:
    host = httpx2.URL(endpoint).host
    entry = entries.get(file.path)
    if entry is None:
        raise SourceUnavailable(f"{host} has no {source.repository}/{file.path}.")
    sha256, size = str(entry["Sha256"] or ""), int(str(entry["Size"]))
    if len(sha256) != _SHA256_DIGITS:
        raise SourceUnavailable(f"{host} tells no hash of {file.path}.")
    _agreement_check(file, sha256, size, host)
    url = f"{endpoint}/models/{source.repository}/resolve/master/{quote(file.path)}"
    return Download(url, file.path, size, sha256=sha256)


def _agreement_check(file: RemoteFile, sha256: str, size: int, host: str) -> None:
    differs = (file.sha256 and file.sha256 != sha256) or (file.size and file.size != size)
    if differs:
        raise WeightsError(
            gettext_noop(
                "%(host)s offers another %(path)s than the catalog names (SHA-256 "
                "%(found)s… instead of %(wanted)s…), so it was not used."
            ),
            host=host,
            path=file.path,
            found=sha256[:16] or "unknown",
            wanted=file.sha256[:16],
        )
