// Tests of the room Programs.
