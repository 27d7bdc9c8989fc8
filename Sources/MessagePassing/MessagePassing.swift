// The room MessagePassing.
