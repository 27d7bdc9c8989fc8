// Tests of the room Documents.
