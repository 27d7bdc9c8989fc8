// Tests of the room Reports.
