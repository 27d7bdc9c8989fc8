// Tests of the room Models.
