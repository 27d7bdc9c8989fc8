// Tests of the room MessagePassing.
