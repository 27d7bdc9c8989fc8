// The room Plans.
