// The room Documents.
