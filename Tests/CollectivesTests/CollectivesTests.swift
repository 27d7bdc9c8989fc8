// Tests of the room Collectives.
