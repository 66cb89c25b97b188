"""Crawl a tree of documents and publish what is archivable to a less dynamic store."""

import asyncio
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from infinitas import Job, every
from workers.app import app

TREE = Path(os.environ.get("DOCUMENTS", Path(__file__).parent / "documents"))
STORE = Path(os.environ.get("DOCUMENT_STORE", ".infinitas/published"))
ARCHIVABLE = {".md", ".txt"}
DRAFT = "status: draft"


@app.task(schedule=every(seconds=6), timeout=300, retries=2)
async def crawl_documents(job: Job, tree: str = str(TREE), store: str = str(STORE)) -> dict[str, int]:
    """Publish every document that is not a draft, once per content (in life: weekly, `0 3 * * sun`)."""
    documents = list(_documents(Path(tree)))
    published = unchanged = drafts = 0
    for number, document in enumerate(documents, 1):
        await job.progress(number / len(documents), document.name)
        text = await asyncio.to_thread(document.read_text)
        if DRAFT in text:
            drafts += 1
        elif await asyncio.to_thread(_publish, text, Path(store), document.suffix):
            published += 1
            job.log(f"published {document.relative_to(tree)}")
        else:
            unchanged += 1
    return {"published": published, "unchanged": unchanged, "drafts": drafts}


def _documents(tree: Path) -> Iterator[Path]:
    for path in sorted(tree.rglob("*")):
        if path.is_file() and path.suffix in ARCHIVABLE:
            yield path


def _publish(text: str, store: Path, suffix: str) -> bool:
    """Store a text under its own hash; the rename makes a half-written file impossible."""
    store.mkdir(parents=True, exist_ok=True)
    target = store / (hashlib.sha256(text.encode()).hexdigest() + suffix)
    if target.exists():
        return False
    partial = target.with_suffix(".partial")
    partial.write_text(text)
    partial.rename(target)
    return True
