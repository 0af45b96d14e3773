"""Names inside the archive that a `.pte` holds for a part."""

MANIFEST = "manifest.json"
