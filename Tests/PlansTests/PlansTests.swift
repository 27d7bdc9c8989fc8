// Tests of the room Plans.
