// The room Programs.
