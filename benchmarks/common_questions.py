"""``python -m benchmarks.common_questions``: embeds the common questions for the embedding model.

Run it after a change of ``knowledge/defaults/common_questions.toml``; the result is a file beside it.
"""

from __future__ import annotations

import asyncio
import os

import django


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "supportdesk.settings")
    django.setup()
    from django.conf import settings

    from knowledge.retrieval.common import common_store, vectors_path, wordings_read
    from knowledge.retrieval.vectors import QUESTION, question_form
    from supportdesk.evaluation.match import encoder_open

    encoder = encoder_open()
    vectors = {
        language: asyncio.run(encoder.embed([question_form(text) for _, text in rows], QUESTION))
        for language, rows in wordings_read().items()
    }
    common_store(settings.EMBEDDING_MODEL, vectors)
    encoder.close()
    print(vectors_path(settings.EMBEDDING_MODEL))


if __name__ == "__main__":
    main()
