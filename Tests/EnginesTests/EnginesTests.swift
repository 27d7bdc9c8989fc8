// Tests of the room Engines.
