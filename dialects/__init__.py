"""What each level may contain, and typed layers over the dialects."""
