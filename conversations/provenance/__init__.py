"""Looking behind answers: asking again, and finding every answer that used an entry."""
