// Tests of the room Schedules.
