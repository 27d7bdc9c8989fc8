// Tests of the room Quantities.
