"""Scores of the product's own parts on labelled JSONL files: see docs/evaluation.md."""
